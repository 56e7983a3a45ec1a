"""The relief of sample_data/soc: a landscape that rivers carved, and how water runs over it.

Written for the maker alone, from numpy and scipy, so that the sample data do not hang on what they later test.
"""

from __future__ import annotations

import heapq

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, zoom

NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def smooth_field(rng: np.random.Generator, size: int, length_px: float) -> np.ndarray:
    """A Gaussian random field `(size, size)` with mean 0, sd 1, correlated over `length_px`."""
    pad = int(4 * length_px)
    field = gaussian_filter(rng.standard_normal((size + 2 * pad, size + 2 * pad)), length_px)
    field = field[pad : pad + size, pad : pad + size]
    return (field - field.mean()) / field.std()


def drainage(elevation: np.ndarray, outlets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Receiver of every cell (its flat index) and the cells from the outlets upwards, no sink left.

    Cells are reached from the outlets in the order of their elevation (priority flood, Barnes et al. 2014), and each
    drains to its steepest neighbour already reached.
    """
    height, width = elevation.shape
    receiver = np.arange(height * width)
    level = elevation.ravel().tolist()
    reached = np.zeros(height * width, dtype=bool)
    waiting = [(level[at], int(at)) for at in np.flatnonzero(outlets)]
    reached[[at for _, at in waiting]] = True
    heapq.heapify(waiting)
    order = []
    done = np.zeros(height * width, dtype=bool)
    while waiting:
        here_level, here = heapq.heappop(waiting)
        done[here] = True
        order.append(here)
        y, x = divmod(here, width)
        steepest = -np.inf
        for dy, dx in NEIGHBOURS:
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            there = here + dy * width + dx
            if not reached[there]:
                reached[there] = True
                level[there] = max(level[there], here_level + 1e-6)
                heapq.heappush(waiting, (level[there], there))
            elif done[there] and not outlets[y, x]:
                fall = (here_level - level[there]) / np.hypot(dy, dx)
                if fall > steepest:
                    receiver[here], steepest = there, fall
    return receiver, np.array(order)


def catchment(receiver: np.ndarray, order: np.ndarray, supply: np.ndarray) -> np.ndarray:
    """Sum `(cell,)` of the `supply` of each cell and all above it."""
    area = supply.astype(float).ravel().copy()
    for cell in order[::-1]:
        if receiver[cell] != cell:
            area[receiver[cell]] += area[cell]
    return area


def carved(rng: np.random.Generator, size: int, cell_m: float) -> np.ndarray:
    """Elevation `(size, size)` in metres that uplift raised and a river from the north, with its streams, carved.

    Stream power with exponents 0.45 and 1, solved implicitly from the outlets upwards (Braun & Willett 2013), and
    creep of the slopes; the river leaves in the south, other borders let no water through.
    """
    y, x = np.mgrid[:size, :size]
    elevation = 20 + 5 * smooth_field(rng, size, size / 14) + 2 * rng.standard_normal((size, size)) + 0.4 * (size - y)
    hardness = np.exp(0.35 * smooth_field(rng, size, size / 9))
    course = 0.45 * size + 0.10 * size * np.sin(np.linspace(0.3, 6.0, size))
    elevation -= 25 * np.exp(-(((x - course[:, None]) / 4) ** 2))
    outlets = (y == size - 1) & (np.abs(x - course[-1]) < 1)
    supply = np.ones((size, size))
    supply[0, int(course[0])] = 2.5 * size**2
    for _ in range(50):
        elevation += np.where(outlets, 0.0, 5.0)
        receiver, order = drainage(elevation, outlets)
        area = catchment(receiver, order, supply) * cell_m**2
        flat = elevation.ravel()
        across = np.where(
            (receiver // size != np.arange(size**2) // size) & (receiver % size != np.arange(size**2) % size), 2**0.5, 1
        )
        power = 0.26 * area**0.45 / (cell_m * across) / hardness.ravel()
        for cell in order:
            below = receiver[cell]
            if below != cell:
                flat[cell] = (flat[cell] + power[cell] * flat[below]) / (1 + power[cell])
        elevation = gaussian_filter(flat.reshape(size, size), 0.45, mode="nearest")
    return elevation


def with_floor(elevation: np.ndarray, stream: np.ndarray, width_px: np.ndarray) -> np.ndarray:
    """Elevation `(y, x)` with the valleys filled by a flat floor as wide as the stream, blending into the slopes."""
    distance, nearest = distance_transform_edt(~stream, return_indices=True)
    at = tuple(nearest)
    width = gaussian_filter(width_px[at], 2, mode="nearest")
    floor = gaussian_filter(elevation[at], 2, mode="nearest") + 1.4 * width + 0.12 * distance
    inside = 1 / (1 + np.exp(1.5 * (distance - width)))
    sediment = np.logaddexp(0, (floor - elevation) / 1.5) * 1.5
    return elevation + inside * sediment


def dammed(elevation: np.ndarray, receiver: np.ndarray, dam: tuple[int, int], rise_m: float) -> np.ndarray:
    """Mask `(y, x)` of the lake behind a dam: what drains through it and lies below its crest."""
    cell = dam[0] * elevation.shape[1] + dam[1]
    above = np.zeros(elevation.size, dtype=bool)
    above[cell] = True
    while True:
        more = above | above[receiver]
        if (more == above).all():
            break
        above = more
    low = above.reshape(elevation.shape) & (elevation < elevation[dam] + rise_m)
    parts, _ = label(low)
    return parts == parts[dam]


def slope(elevation: np.ndarray, cell_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Horn's gradients `(y, x)` to the east and to the north (m/m); the border cell counts for the one beyond it."""
    z = np.pad(elevation, 1, mode="edge")
    east = z[:, 2:] - z[:, :-2]
    south = z[2:] - z[:-2]
    east = (east[:-2] + 2 * east[1:-1] + east[2:]) / (8 * cell_m)
    south = (south[:, :-2] + 2 * south[:, 1:-1] + south[:, 2:]) / (8 * cell_m)
    return east, -south


def wetness(elevation: np.ndarray, supply: np.ndarray, cell_m: float) -> np.ndarray:
    """Topographic wetness index ln(a / tan b) `(y, x)`, water shared among all lower neighbours (Freeman 1991).

    Tan b is at least 0.002, so that flats stay finite.
    """
    height, width = elevation.shape
    area = supply.astype(float).copy() * cell_m**2
    for cell in np.argsort(-elevation, axis=None, kind="stable"):
        y, x = divmod(int(cell), width)
        lower = []
        for dy, dx in NEIGHBOURS:
            if 0 <= y + dy < height and 0 <= x + dx < width and elevation[y + dy, x + dx] < elevation[y, x]:
                fall = (elevation[y, x] - elevation[y + dy, x + dx]) / (dy * dy + dx * dx) ** 0.5
                lower.append((y + dy, x + dx, fall**1.1))
        total = sum(share for _, _, share in lower)
        for at_y, at_x, share in lower:
            area[at_y, at_x] += area[y, x] * share / total
    tangent = np.hypot(*slope(elevation, cell_m))
    return np.log(area / cell_m / np.maximum(tangent, 0.002))


def to_grid(elevation: np.ndarray, times: int) -> np.ndarray:
    """Elevation on a grid `times` as fine, by cubic interpolation."""
    return zoom(elevation, times, order=3, mode="nearest", grid_mode=True)
