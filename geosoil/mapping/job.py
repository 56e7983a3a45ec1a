"""Run a model over a raster: the mapper knows files, blocks and masks, and no machine learning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geosoil.io.rasters.stack import join_bands
from geosoil.mapping.places import PLACE_BYTES, insert_places, require_no_patches
from geosoil.mapping.value_checks import background_pixels
from geosoil.models.contract import PREDICTION, clip_to_range, model_of, of_rasters, select_outputs
from geosoil.raster.blocks import Blocks, choose_block, cut_blocks, lazy_raster
from geosoil.raster.grid import Grid
from geosoil.raster.layout import DECODING_BYTES, MASK_BYTES, SHARED_BYTES, STORED_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.models.contract import Block, HasModel, Model, Output
    from geosoil.spectra.bare_soil import BareSoil

SHARED_LAYERS = 16  # bands of masks and of a lookup table, which are read with every block and share chunks, too
N_COUNTS = 5  # that a block adds for each output: see `PredictBlock.__call__`
BATCH_BYTES = 24 * 2**20  # of the layers of a net for one batch of pixels
DENSE_BYTES = 112 * 2**20  # of the maps of a patch network over one strip (`networks/dense_patches.py`)
WRITING_BYTES = 256 * 2**20  # statistics, the copy to a COG, and most of it the quicklook
WRITING_BYTES_A_BAND, MOST_BANDS_WRITTEN = 4 * 2**20, 16  # the tiles of a COG hold all bands, 16 MiB at most


@dataclass(frozen=True)
class MapJob:
    """A map that is to be computed: the bands that are read, and the prediction that runs on every block.

    Parameters
    ----------
    source : DataArray of shape (band, y, x)
        The bands of the model in its order, then the bands that only the bare-soil test or the mask needs. No other
        band is read from the file.
    predict : PredictBlock
    """

    source: xr.DataArray
    predict: PredictBlock

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands of the map."""
        return self.predict.outputs

    def on(self, device: str) -> MapJob:
        """Return the same job with its model on "cpu" or "cuda"."""
        model = self.predict.model
        return self if device == "cpu" else replace(self, predict=replace(self.predict, model=model.on(device)))

    def working_bytes(self, window: tuple[int, int]) -> int:
        """Return the largest memory in bytes that one block needs; its window is (y, x) pixels, halo included."""
        model = self.predict.model
        # Values as stored, as float32, and those with a halo added; a result, and its bytes on the way to the store.
        each = 12 * self.source.sizes["band"] + 12 * len(self.outputs) + model.bytes_per_pixel
        each += self.source.encoding.get(MASK_BYTES, 0)
        if len(of_rasters(model.features)) < len(model.features):
            each += PLACE_BYTES
        decoding = int(self.source.encoding.get(DECODING_BYTES, 0))
        return each * window[0] * window[1] + decoding + (DENSE_BYTES if model.halo else BATCH_BYTES)

    @property
    def shared_bytes(self) -> int:
        """The memory in bytes of decoded chunks of the files, if all that blocks share stay in memory."""
        return int(self.source.encoding.get(SHARED_BYTES, 0) * (self.source.sizes["band"] + SHARED_LAYERS))

    @property
    def writing_bytes(self) -> int:
        """The largest memory in bytes that statistics, the copy to a COG and the quicklook need."""
        return WRITING_BYTES + min(len(self.outputs), MOST_BANDS_WRITTEN) * WRITING_BYTES_A_BAND

    @property
    def stored_bytes_per_pixel(self) -> float:
        """Bytes per pixel that the files store for these bands, before compression; float32 is assumed if unknown."""
        return float(self.source.encoding.get(STORED_BYTES, 4.0) * self.source.sizes["band"])

    def lazy(self, block: int | None = None) -> xr.DataArray:
        """Return the map as a lazy raster; `block` is the side of its blocks, on which the values do not depend."""
        return _labelled(lazy_raster(self.blocks(block), self.source), self.outputs)

    def blocks(self, block: int | tuple[int, int] | None = None) -> Blocks:
        """Divide the map into blocks of a side in pixels, or (y, x); the default suits the file."""
        model = self.predict.model
        return cut_blocks(
            self.predict,
            self.source,
            names=[output.name for output in self.outputs],
            halo=model.halo,
            block=choose_block(self.source, halo=model.halo) if block is None else block,
            units=self.outputs[0].unit,
            edge="reflect" if model.halo else "nan",
        )


def map_model(
    model: Model | HasModel,
    raster: xr.DataArray,
    *,
    bands: Sequence[str] | None = None,
    outputs: Sequence[str] = (PREDICTION,),
    bare_soil: BareSoil | None = None,
    mask: xr.DataArray | None = None,
    block: int | None = None,
) -> xr.DataArray:
    """Map a model over a raster as it is, lazily, without any check of wavelengths, units or scale.

    `Predictor.predict` and `map_cube` check them first and refuse, for example, digital numbers. Here the bands are
    taken in the given order, or by the names of the features, and their values as they are.

    Parameters
    ----------
    model : Model or Predictor
    raster : DataArray of shape (band, y, x)
    bands : sequence of str, optional
        The bands that the model reads, in its order, as `match_bands` finds them; default: its features. Places are
        computed from the grid, and have none.
    outputs : sequence of str
        Kinds of the bands of the map.
    bare_soil : BareSoil, optional
        Pixels that are not bare soil become nodata.
    mask : DataArray of shape (1, y, x), optional
        Pixels where it is 0 or nodata become nodata.
    block : int, optional
        Side of a block in pixels; the values do not depend on it.

    Returns
    -------
    DataArray of shape (output, y, x)
        float32 on the grid of the raster; NaN where a band that is read has no data, and in a cube where all bands have
        one value, as undeclared background has. The name and the unit of the array are those of the output; outputs of
        different units have theirs in the coordinate `units` of `band`.

    Raises
    ------
    GridError
        If the mask is on another grid.
    ModelFileError
        If the model does not have one of the outputs.
    """
    job = prepare_map(model_of(model), raster, bands=bands, outputs=outputs, bare_soil=bare_soil, mask=mask)
    return job.lazy(block)


def _labelled(raster: xr.DataArray, outputs: Sequence[Output]) -> xr.DataArray:
    """Name a raster of outputs and its unit, so that a plot of it is labelled."""
    units, kinds = [output.unit for output in outputs], dict.fromkeys(output.kind for output in outputs)
    raster.name = outputs[0].name if len(outputs) == 1 else " and ".join(kinds)
    raster.attrs["long_name"] = raster.name
    is_same = len(set(units)) == 1
    if not is_same or not units[0]:  # a plot would show an empty unit
        del raster.attrs["units"]
    return raster if is_same else raster.assign_coords(units=("band", units))


def prepare_map(
    model: Model,
    raster: xr.DataArray,
    *,
    bands: Sequence[str] | None = None,
    outputs: Sequence[str] = (PREDICTION,),
    bare_soil: BareSoil | None = None,
    mask: xr.DataArray | None = None,
) -> MapJob:
    """Return the job that `map_model` computes, before it is divided into blocks; the parameters are the same."""
    features = model.features
    names = list(bands if bands is not None else [feature.name for feature in of_rasters(features)])
    extra = list(bare_soil.bands(raster)) if bare_soil is not None else []
    require_no_patches(model)
    source = insert_places(raster, names, features)
    position = dict(zip(names, (i for i, feature in enumerate(features) if feature.place is None), strict=True))
    others = [name for name in dict.fromkeys(extra) if name not in position]
    if others:
        is_same = len(names) == len(features)
        source = raster.sel(band=[*names, *others]) if is_same else join_bands([source, raster.sel(band=others)])
        position |= {name: len(features) + i for i, name in enumerate(others)}
    if mask is not None:
        Grid.of(raster).require_same(Grid.of(mask), where=mask.attrs.get("source", "mask"), than="the cube")
        source = join_bands([source, mask.isel(band=[0])])
    selected = select_outputs(model, outputs)
    of_cube = "wavelength_nm" in raster.coords
    places = tuple(position[name] for name in extra)
    predict = PredictBlock(model, len(features), selected, bare_soil, places, masked=mask is not None, of_cube=of_cube)
    return MapJob(source, predict)


@dataclass(frozen=True)
class PredictBlock:
    """The prediction of one block: the model reads the first bands, bare-soil test and mask those after them."""

    model: Model
    n_features: int
    outputs: tuple[Output, ...]
    bare_soil: BareSoil | None = None
    bare_soil_bands: tuple[int, ...] = ()
    masked: bool = False  # by the last band
    of_cube: bool = False  # pixels with one value in all bands are background

    def __call__(self, block: Block, clipped: np.ndarray | None = None) -> Block:
        """Return the outputs of a block within their valid ranges.

        Added to `clipped`, shape (output, N_COUNTS), if it is given: the numbers of pixels below and above the valid
        range, of those that have data in all bands and still no value, of undeclared background, and of those with a
        value.
        """
        halo = self.model.halo
        inner = block[:, halo : block.shape[1] - halo, halo : block.shape[2] - halo]
        left_out = self.left_out(inner)
        background = self.background(inner) & ~left_out
        left_out |= background
        features = block[: self.n_features]
        if not halo:  # a pixel that is left out never reaches the model; with a halo it is context of others
            features[:1, left_out] = np.nan
        predicted = self.model.predict(features, self.outputs)
        predicted[:, left_out] = np.nan
        counts = clip_to_range(predicted, self.outputs)
        if clipped is not None:
            clipped[:, :2] += counts
            if not halo:
                clipped[:, 2] += _count_without_value(predicted, features)
            clipped[:, 3] += np.count_nonzero(background)
            clipped[:, 4] += np.count_nonzero(np.isfinite(predicted), axis=(1, 2))
        return predicted

    def left_out(self, block: Block) -> np.ndarray:
        """Return which pixels `(y, x)` of a block without halo are left out by the bare-soil test or the mask."""
        left_out = np.zeros(block.shape[1:], bool)
        if self.bare_soil is not None:
            left_out |= ~self.bare_soil.is_bare(block[list(self.bare_soil_bands)])
        if self.masked:
            left_out |= np.nan_to_num(block[-1]) == 0
        return left_out

    def background(self, block: Block) -> np.ndarray:
        """Return which pixels `(y, x)` of a block without halo are background that no header declares."""
        if not self.of_cube:
            return np.zeros(block.shape[1:], bool)
        bands = [i for i, feature in enumerate(self.model.features) if feature.place is None]
        return background_pixels(block[: self.n_features] if len(bands) == self.n_features else block[bands])


def _count_without_value(predicted: Block, features: Block) -> np.ndarray:
    """Return how many pixels `(output,)` have data in all features and no value."""
    empty = np.isnan(predicted)
    if not empty.any():
        return np.zeros(len(predicted), np.int64)
    return np.count_nonzero(empty & np.isfinite(np.add.reduce(features, axis=0)), axis=(1, 2))
