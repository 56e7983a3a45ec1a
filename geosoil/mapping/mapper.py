"""Run a model over a raster: the mapper knows files, blocks and masks, and no machine learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.raster.blocks import choose_block, map_blocks
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.mapping.masks import BareSoil
    from geosoil.models.base import Block, Model


def map_model(
    model: Model,
    raster: xr.DataArray,
    *,
    bands: Sequence[str] | None = None,
    bare_soil: BareSoil | None = None,
    mask: xr.DataArray | None = None,
    block: int | None = None,
) -> xr.DataArray:
    """Map a model over a raster, lazily: `(target, y, x)` float32 on the raster's own grid, NaN = no data.

    raster `(band, y, x)`; `bands` are those that the model reads, in its order (as `match_bands` finds them), by
    default its features' names. A pixel with no data in any of them, left out by `bare_soil`, or where
    `mask` `(1, y, x)` is 0 or no data, is no data. The values do not depend on `block`, the side of a block in pixels.

    Raises GridError where the mask lies on another grid.
    """
    names = list(bands if bands is not None else [feature.name for feature in model.features])
    extra = list(bare_soil.bands(raster)) if bare_soil is not None else []
    read = [*names, *(name for name in dict.fromkeys(extra) if name not in names)]
    place = [read.index(name) for name in extra]
    function = _PredictBlock(model, len(names), bare_soil, tuple(place))
    source = raster.sel(band=read)
    side = choose_block(source, halo=model.halo) if block is None else (block, block)
    predicted = map_blocks(
        function,
        source,
        names=[target.name for target in model.targets],
        halo=model.halo,
        block=side,
        units=model.targets[0].unit,
        edge="reflect" if model.halo else "nan",
    )
    if mask is None:
        return predicted
    Grid.of(mask).require_same(Grid.of(raster), where=mask.attrs.get("source", "mask"), than="the cube")
    kept = map_blocks(_is_kept, mask.isel(band=[0]), names=["kept"], block=side)
    return predicted.where(kept.isel(band=0, drop=True) > 0).assign_attrs(predicted.attrs)


def _is_kept(block: Block) -> Block:
    return (np.nan_to_num(block) != 0).astype(np.float32)


@dataclass(frozen=True)
class _PredictBlock:
    """What runs on every block: the model, and the bare-soil test on the bands behind its own."""

    model: Model
    n_features: int
    bare_soil: BareSoil | None
    bare_soil_bands: tuple[int, ...]

    def __call__(self, block: Block) -> Block:
        predicted = self.model.predict(block[: self.n_features])
        if self.bare_soil is not None:
            halo = self.model.halo
            inner = block[:, halo : block.shape[1] - halo, halo : block.shape[2] - halo] if halo else block
            predicted[:, ~self.bare_soil.is_bare(inner[list(self.bare_soil_bands)])] = np.nan
        return predicted
