"""Compiled loops over cells: flooding and accumulation. Import this file on use, because numba takes a second to load.

Directions are numbered 0 to 7 clockwise from east: E, SE, S, SW, W, NW, N, NE; `1 << direction` is the usual D8 code.
All arrays are `(y, x)`; cells are numbered row by row.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ROW_STEP = (0, 1, 1, 1, 0, -1, -1, -1)
COLUMN_STEP = (1, 1, 0, -1, -1, -1, 0, 1)
UNSEEN, OUTLET = -2, -1


@njit(cache=True)
def _push(levels, cells, size, level, cell):
    """Put a cell on the heap."""
    k = size
    while k > 0:
        above = (k - 1) >> 1
        if levels[above] <= level:
            break
        levels[k], cells[k] = levels[above], cells[above]
        k = above
    levels[k], cells[k] = level, cell


@njit(cache=True)
def _sink_last(levels, cells, size):
    """Replace the first of `size + 1` entries of the heap, which was taken, with the last one."""
    level, cell = levels[size], cells[size]
    k = 0
    while True:
        below = 2 * k + 1
        if below >= size:
            break
        if below + 1 < size and levels[below + 1] < levels[below]:
            below += 1
        if levels[below] >= level:
            break
        levels[k], cells[k] = levels[below], cells[below]
        k = below
    levels[k], cells[k] = level, cell


@njit(cache=True)
def distance(direction, width, height):
    """Return the distance to the neighbour in a direction in metres."""
    if direction % 4 == 0:
        return width
    if direction % 4 == 2:
        return height
    return np.hypot(width, height)


@njit(cache=True)
def flood(z, width, height, tan_least):
    """Fill sinks from the outside, lowest cell first (Wang and Liu 2006, Barnes et al. 2014).

    `z` is float32 with NaN as no data, `width` and `height` `(y,)` are metres, and `tan_least` is the smallest slope of
    a filled cell. Returns the filled heights, float32; `order`, int32, the valid cells, each after a neighbour to which
    it can drain; and `parent`, int8, the direction of that neighbour, or OUTLET where water leaves.
    """
    rows, columns = z.shape
    filled = np.full((rows, columns), np.float32(np.nan), dtype=np.float32)
    parent = np.full((rows, columns), np.int8(UNSEEN), dtype=np.int8)
    # Pages of these arrays that are never written use no memory.
    levels = np.empty(z.size, dtype=np.float32)
    cells = np.empty(z.size, dtype=np.int32)
    order = np.empty(z.size, dtype=np.int32)
    queue = np.empty(z.size if tan_least == 0 else 1, dtype=np.int32)
    size, done, first, last = 0, 0, 0, 0
    for r in range(rows):
        for c in range(columns):
            if np.isnan(z[r, c]):
                parent[r, c] = OUTLET
                continue
            outlet = r == 0 or c == 0 or r == rows - 1 or c == columns - 1
            if not outlet:
                for d in range(8):
                    outlet = outlet or np.isnan(z[r + ROW_STEP[d], c + COLUMN_STEP[d]])
            if outlet:
                parent[r, c] = OUTLET
                filled[r, c] = z[r, c]
                _push(levels, cells, size, z[r, c], r * columns + c)
                size += 1
    level = np.float32(0)
    while size > 0 or first < last:
        # Cells of this level on the heap are outlets of a flat: they are taken first, then the flat inwards from them.
        if first < last and (size == 0 or levels[0] > level):
            cell = queue[first]
            first += 1
        else:
            level, cell = levels[0], cells[0]
            size -= 1
            _sink_last(levels, cells, size)
        order[done] = cell
        done += 1
        r, c = cell // columns, cell % columns
        here = filled[r, c]
        for d in range(8):
            i, j = r + ROW_STEP[d], c + COLUMN_STEP[d]
            if i < 0 or j < 0 or i == rows or j == columns or parent[i, j] != UNSEEN:
                continue
            least = here
            if tan_least > 0:
                least = np.float32(here + tan_least * distance(d, width[r], height[r]))
            height_there = max(z[i, j], least)
            parent[i, j] = (d + 4) % 8
            filled[i, j] = height_there
            if tan_least == 0 and height_there == here:
                queue[last] = i * columns + j
                last += 1
            else:
                _push(levels, cells, size, height_there, i * columns + j)
                size += 1
    return filled, order[:done].copy(), parent


@njit(cache=True)
def steepest(filled, parent, width, height):
    """Return the D8 direction of every cell, int8: steepest descent, `parent` on flats, OUTLET at edges."""
    rows, columns = filled.shape
    direction = np.full((rows, columns), np.int8(OUTLET), dtype=np.int8)
    for r in range(rows):
        for c in range(columns):
            if parent[r, c] == OUTLET:
                continue
            direction[r, c] = parent[r, c]
            most = 0.0
            for d in range(8):
                drop = np.float64(filled[r, c]) - np.float64(filled[r + ROW_STEP[d], c + COLUMN_STEP[d]])
                slope = drop / distance(d, width[r], height[r])
                if slope > most:
                    most = slope
                    direction[r, c] = d
    return direction


@njit(cache=True)
def accumulate_d8(order, direction, width, height):
    """Return the catchment area of every cell, m2 float64 (0 = no data), and the area whose water leaves the grid."""
    rows, columns = direction.shape
    area = np.zeros((rows, columns))
    left = 0.0
    for k in range(order.size - 1, -1, -1):
        r, c = order[k] // columns, order[k] % columns
        area[r, c] += width[r] * height[r]
        d = direction[r, c]
        if d == OUTLET:
            left += area[r, c]
        else:
            area[r + ROW_STEP[d], c + COLUMN_STEP[d]] += area[r, c]
    return area, left


@njit(cache=True)
def accumulate_mfd(filled, order, parent, width, height, exponent):
    """Accumulate as `accumulate_d8`, but over all lower neighbours by (drop / distance) ** exponent (Freeman 1991).

    Beyond an edge the surface continues as its mirror image through the cell, and the share of water there leaves.
    """
    rows, columns = filled.shape
    area = np.zeros((rows, columns))
    left = 0.0
    share = np.zeros(8)
    for k in range(order.size - 1, -1, -1):
        r, c = order[k] // columns, order[k] % columns
        area[r, c] += width[r] * height[r]
        here = np.float64(filled[r, c])
        at_edge = parent[r, c] == OUTLET
        total, beyond = 0.0, 0.0
        for d in range(8):
            share[d] = 0.0
            i, j = r + ROW_STEP[d], c + COLUMN_STEP[d]
            inside = True
            if at_edge:
                inside = 0 <= i < rows and 0 <= j < columns and not np.isnan(filled[i, j])
            drop = 0.0
            if inside:
                drop = here - filled[i, j]
            else:
                i, j = r - ROW_STEP[d], c - COLUMN_STEP[d]
                if 0 <= i < rows and 0 <= j < columns and not np.isnan(filled[i, j]):
                    drop = filled[i, j] - here
            if drop > 0:
                weight = (drop / distance(d, width[r], height[r])) ** exponent
                total += weight
                if inside:
                    share[d] = weight
                else:
                    beyond += weight
        if total > 0:
            left += area[r, c] * beyond / total
            for d in range(8):
                if share[d] > 0:
                    area[r + ROW_STEP[d], c + COLUMN_STEP[d]] += area[r, c] * share[d] / total
        elif at_edge:
            left += area[r, c]
        else:
            d = parent[r, c]
            area[r + ROW_STEP[d], c + COLUMN_STEP[d]] += area[r, c]
    return area, left
