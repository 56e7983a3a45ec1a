"""Evaluation of a fitted patch network for all cells of a block, without extracting the patch of each cell.

Neighbouring patches share almost all of their convolutions. A valid convolution over the block computes them once; a
pooling by 2 becomes a maximum with stride 1, and the layers after it read their taps at twice the distance (dilation;
Giusti et al. 2013, Long et al. 2015). The result of each cell is that of the network for its own patch.

Memory layout: a map is `(cell, channel)` with cells row by row. A tap is then a shift by a constant number of cells, a
convolution is one matrix product of shifted copies, and pooling is two maxima of shifted arrays. All matrix products
have the same number of rows (`CHUNK`), because their rounding depends on their shape and the value of a cell must not
depend on its block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from geosoil.program.device import BatchSize, acquire_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

CHUNK = 1024  # cells of one matrix product; its input and output then fit into the cache of a core
_FILTERS = 8  # MKL rounds the first and last rows of a product differently with 5 columns, but not with 8
STRIP_BYTES = 16 * 2**20  # size of the largest map of a strip of rows
LEAST_STRIP_BYTES = 2**20


@dataclass(frozen=True)
class Layer:
    """A matrix over the taps of a map, followed by pooling, bias and Swish.

    Parameters
    ----------
    weight : tensor of shape (kernel * kernel * channel, filter)
        Taps row by row. The filters are padded with zeros to a multiple of eight, and so are the channels of the next
        layer.
    bias : tensor of shape (filter,)
        Bias.
    kernel : int
        Side of the kernel in cells.
    pooled, swish : bool
        Whether the layer pools by 2, and whether it applies Swish.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    kernel: int
    pooled: bool
    swish: bool

    def to(self, device: str) -> Layer:
        """Return the layer with its tensors on a device of torch."""
        return replace(self, weight=self.weight.to(device), bias=self.bias.to(device))

    def is_same(self, other: Layer) -> bool:
        """Return whether both layers have the same weights."""
        return torch.equal(self.weight, other.weight) and torch.equal(self.bias, other.bias)


Network = list[Layer]


def lower_network(
    blocks: Sequence[Any], output: nn.Linear, code: np.ndarray | None = None, *, code_layer: int = 0
) -> Network:
    """Return the layers of fitted blocks and their output, with batch norms multiplied into the layer after them.

    `code` `(code,)` holds constant inputs of the block number `code_layer`, after its other inputs; they are added to
    its bias.
    """
    layers: Network = []
    scale, shift = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for number, block in enumerate([*blocks, output]):
        linear = getattr(block, "linear", block)
        weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
        weight = weight[:, :, None, None] if weight.ndim == 2 else weight  # (filter, channel, y, x)
        if code is not None and number == code_layer:
            n_inputs = weight.shape[1] - len(code)
            constant = torch.as_tensor(code, dtype=torch.float64)[None, :, None, None]
            bias = bias + (weight[:, n_inputs:] * constant).sum((1, 2, 3))
            weight = weight[:, :n_inputs]
        bias = bias + (weight * shift[None, :, None, None]).sum((1, 2, 3))
        weight = weight * scale[None, :, None, None]
        is_output = block is output
        kernel, n_filters = weight.shape[-1], -(-len(bias) // _FILTERS) * _FILTERS
        n_inputs = layers[-1].weight.shape[1] if layers else weight.shape[1]
        padded = torch.zeros(kernel, kernel, n_inputs, n_filters)
        padded[:, :, : weight.shape[1], : len(bias)] = weight.permute(2, 3, 1, 0)
        layers.append(
            Layer(
                padded.view(-1, n_filters),
                torch.nn.functional.pad(bias, (0, n_filters - len(bias))).float(),
                kernel,
                pooled=isinstance(getattr(block, "pool", None), torch.nn.MaxPool2d),
                swish=not is_output,
            )
        )
        if not is_output:
            norm = block.norm
            scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
            shift = norm.bias.detach().double() - norm.running_mean.double() * scale
    return layers


def run_over_block(
    networks: Sequence[Network], block: np.ndarray, size: int, mask: np.ndarray, device: str = "cpu"
) -> np.ndarray:
    """Run networks of the same architecture over a block; layers that they share are computed once.

    Parameters
    ----------
    networks : sequence of list of Layer
        The networks.
    block : ndarray of float32 of shape (channel, y + size - 1, x + size - 1)
        Scaled covariates without NaN.
    size : int
        Side of a patch in cells.
    mask : ndarray of bool of shape (y, x)
        Cells to compute.
    device : {"cpu", "cuda"}
        "cuda" uses the GPUs of the machine, each for one block at a time.

    Returns
    -------
    ndarray of float32 of shape (network, cell)
        Values of the cells of the mask, row by row.
    """
    with acquire_device(device) as torch_device:
        moved = [[layer.to(torch_device) for layer in network] for network in networks]
        strip = BatchSize(STRIP_BYTES, LEAST_STRIP_BYTES, "bytes of a layer's map")
        return strip.run_fitting(lambda strip_bytes: _run_strips(moved, block, size, mask, strip_bytes))


def _run_strips(
    networks: Sequence[Network], block: np.ndarray, size: int, mask: np.ndarray, strip_bytes: int
) -> np.ndarray:
    n_channels, _, width = block.shape
    results = []
    widest = max(n_channels, *(layer.weight.shape[1] for layer in networks[0]))
    step = max(strip_bytes // (4 * width * widest), 16)
    device = networks[0][0].weight.device
    with torch.inference_mode():
        for top in range(0, len(mask), step):
            rows, columns = np.nonzero(mask[top : top + step])
            if not rows.size:
                continue
            strip = block[:, top : top + step + size - 1].reshape(n_channels, -1)
            cells = _Map(width, strip.shape[1], 1, _padded(strip.T, size * width).to(device))
            results.append(_run_strip(networks, cells, torch.from_numpy(rows * width + columns).to(device)))
    return np.concatenate(results, axis=1) if results else np.zeros((len(networks), 0), np.float32)


@dataclass(frozen=True)
class _Map:
    """The values `(cell, channel)` of a strip: n_cells cells in rows of `width`, followed by zeros for shifts.

    `dilation` is the distance between the taps of the next layer.
    """

    width: int
    n_cells: int
    dilation: int
    values: torch.Tensor

    def shifts(self, kernel: int) -> list[int]:
        return [(row * self.width + column) * self.dilation for row, column in product(range(kernel), repeat=2)]


def _padded(values: np.ndarray, room: int) -> torch.Tensor:
    """Return `(cell, channel)` padded with zeros to whole chunks and `room` more cells."""
    padded = torch.zeros(_whole_chunks(len(values)) + room, values.shape[1])
    padded[: len(values)] = torch.from_numpy(values)
    return padded


def _whole_chunks(n: int) -> int:
    return -(-n // CHUNK) * CHUNK


def _run_strip(networks: Sequence[Network], cells: _Map, positions: torch.Tensor) -> np.ndarray:
    """Return `(network, position)`; the layers from the last convolution on are computed only at the positions."""
    n_maps = max((i for i, layer in enumerate(networks[0]) if layer.kernel > 1), default=0)
    # The last chunk is padded with the first cell.
    index = torch.zeros(_whole_chunks(len(positions)), dtype=torch.int64, device=positions.device)
    index[: len(positions)] = positions
    out = torch.empty(len(networks), len(index), device=positions.device)
    for numbers, last_map in _last_maps(networks, cells, n_maps):
        heads = [networks[number][n_maps:] for number in numbers]
        shifts = last_map.shifts(heads[0][0].kernel)
        n_channels = last_map.values.shape[1]
        taps = last_map.values.new_empty(CHUNK, len(shifts), n_channels)
        for start in range(0, len(index), CHUNK):
            chunk = index[start : start + CHUNK]
            for tap, shift in enumerate(shifts):
                taps[:, tap] = last_map.values[chunk + shift]
            _run_heads(heads, taps.view(CHUNK, -1), out, numbers, start)
    return out[:, : len(positions)].cpu().numpy()


def _run_heads(
    heads: Sequence[Network], taps: torch.Tensor, out: torch.Tensor, numbers: Sequence[int], start: int
) -> None:
    n_shared = _n_shared(heads)
    x = taps
    for layer in heads[0][:n_shared]:
        x = _dense(layer, x)
    for head, number in zip(heads, numbers, strict=True):
        y = x
        for layer in head[n_shared:]:
            y = _dense(layer, y)
        out[number, start : start + CHUNK] = y[:, 0]


def _dense(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    y = torch.addmm(layer.bias, x, layer.weight)
    return torch.nn.functional.silu(y, inplace=True) if layer.swish else y


def _last_maps(networks: Sequence[Network], cells: _Map, n_maps: int) -> Iterator[tuple[list[int], _Map]]:
    """Yield the map after the first n_maps layers, with the numbers of the networks that share it."""
    heads = [network[:n_maps] for network in networks]
    n_shared = _n_shared(heads)
    for layer in networks[0][:n_shared]:
        cells = _finished(layer, _convolved(layer, cells))
    if n_shared == n_maps:
        yield list(range(len(networks))), cells
        return
    # A depth that enters as a constant channel changes only the bias, which can be added after the pooling.
    first = [head[n_shared] for head in heads]
    common = all(torch.equal(layer.weight, first[0].weight) for layer in first)
    linear = _convolved(first[0], cells) if common else None
    for number, head in enumerate(heads):
        network_map = _finished(first[number], _convolved(first[number], cells) if linear is None else linear)
        for layer in head[n_shared + 1 :]:
            network_map = _finished(layer, _convolved(layer, network_map))
        yield [number], network_map


def _n_shared(networks: Sequence[Network]) -> int:
    """Return the number of first layers that are the same in all networks."""
    for number, layers in enumerate(zip(*networks, strict=True)):
        if not all(layer.is_same(layers[0]) for layer in layers):
            return number
    return len(networks[0])


def _convolved(layer: Layer, cells: _Map) -> _Map:
    """Return the map after convolution and pooling, without bias and Swish."""
    shifts = cells.shifts(layer.kernel)
    n_cells = cells.n_cells - shifts[-1]  # later cells would need rows after the strip
    n_rows, room = _whole_chunks(n_cells), len(cells.values) - _whole_chunks(cells.n_cells)
    values = cells.values.new_zeros(n_rows + room, layer.weight.shape[1])
    taps = cells.values.new_empty(CHUNK, len(shifts), cells.values.shape[1])
    for start in range(0, n_rows, CHUNK):
        for tap, shift in enumerate(shifts):
            taps[:, tap] = cells.values[start + shift : start + shift + CHUNK]
        torch.mm(taps.view(CHUNK, -1), layer.weight, out=values[start : start + CHUNK])
    if not layer.pooled:
        return _Map(cells.width, n_cells, cells.dilation, values)
    for shift in (cells.dilation, cells.dilation * cells.width):
        pooled = torch.zeros_like(values)
        torch.maximum(values[:-shift], values[shift:], out=pooled[:-shift])
        values = pooled
    n_cells -= cells.dilation * (cells.width + 1)
    return _Map(cells.width, n_cells, cells.dilation * 2, values)


def _finished(layer: Layer, cells: _Map) -> _Map:
    """Add the bias and apply Swish to whole chunks, because its rounding may depend on the length of an array."""
    values = cells.values + layer.bias
    torch.nn.functional.silu(values, inplace=True)
    return _Map(cells.width, cells.n_cells, cells.dilation, values)
