"""geosoil: spectra and rasters into maps of soil.

Every public name stands once in the table below, and loads on first use: importing geosoil is cheap.

>>> import geosoil
>>> geosoil.spectral_angle_rad.__name__
'spectral_angle_rad'
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    # read
    "open_cube": "geosoil.sensors.cube",
    "open_raster": "geosoil.io.rasters",
    "open_stack": "geosoil.io.stack",
    "read_samples": "geosoil.io.tables",
    "read_spectra": "geosoil.io.spectra",
    "write_spectra": "geosoil.io.spectra",
    "extract_spectra": "geosoil.samples.extract",
    "extract_patches": "geosoil.samples.patches",
    # horizons to standard depths
    "read_horizons": "geosoil.samples.horizons",
    "carbon_density": "geosoil.samples.depths",
    "harmonise": "geosoil.samples.depths",
    "layer_columns": "geosoil.samples.depths",
    "layer_means": "geosoil.numerics.depth_spline",
    # spectra: rows in, rows out
    "Absorbance": "geosoil.spectra.absorbance",
    "SNV": "geosoil.spectra.scatter",
    "MSC": "geosoil.spectra.scatter",
    "Detrend": "geosoil.spectra.scatter",
    "SavitzkyGolay": "geosoil.spectra.smooth",
    "ContinuumRemoval": "geosoil.spectra.continuum",
    "ResampleSpectra": "geosoil.spectra.resample",
    "CARS": "geosoil.spectra.cars",
    "SpectralVAE": "geosoil.fusion.vae",
    "spectral_angle_rad": "geosoil.numerics.angles",
    # covariates
    "select_covariates": "geosoil.samples.covariates",
    "CovariateSelection": "geosoil.samples.covariates",
    # models
    "PartialLeastSquares": "geosoil.models.estimators",
    "SupportVectors": "geosoil.models.support_vectors",
    "Forest": "geosoil.models.estimators",
    "DenseNet": "geosoil.models.estimators",
    "LogTarget": "geosoil.models.estimators",
    "PlainCNN": "geosoil.models.depth_nets",
    "MultiTaskCNN": "geosoil.models.depth_nets",
    "TransferCNN": "geosoil.models.depth_nets",
    "PerTarget": "geosoil.models.per_target",
    "Feature": "geosoil.models.base",
    "Target": "geosoil.models.base",
    "PixelModel": "geosoil.models.base",
    "PatchModel": "geosoil.models.patch_model",
    "Ensemble": "geosoil.models.compose",
    "Cascade": "geosoil.models.compose",
    "fit_cascade": "geosoil.models.compose",
    "load_model": "geosoil.models.store",
    "save_model": "geosoil.models.store",
    # validate
    "regression_metrics": "geosoil.evaluate.metrics",
    "descriptive_statistics": "geosoil.evaluate.metrics",
    "split_by_rank": "geosoil.samples.splits",
    "split_k_fold": "geosoil.samples.splits",
    "split_groups": "geosoil.samples.splits",
    "split_spatial_blocks": "geosoil.samples.splits",
    # spectral libraries
    "kennard_stone": "geosoil.samples.kennard_stone",
    "duplex": "geosoil.samples.kennard_stone",
    "rs_local": "geosoil.samples.rs_local",
    "align_library": "geosoil.samples.libraries",
    "localise": "geosoil.report.library_rows",
    "MemoryBased": "geosoil.models.memory_based",
    "SpikedPLS": "geosoil.models.spiking",
    "SpectralCNN": "geosoil.models.spectral_cnn",
    "SearchSpace": "geosoil.models.search_space",
    "tune": "geosoil.models.tuning",
    "transfer_instances": "geosoil.models.localised",
    "transfer_representations": "geosoil.models.localised",
    # map and write
    "map_blocks": "geosoil.raster.blocks",
    "map_model": "geosoil.mapping.mapper",
    "match_bands": "geosoil.mapping.match",
    "BareSoil": "geosoil.mapping.masks",
    "match_covariates": "geosoil.mapping.covariates",
    "map_cube": "geosoil.report.maps",
    "map_covariates": "geosoil.report.maps",
    "write_cog": "geosoil.io.cog",
    # terrain
    "slope": "geosoil.terrain.slope",
    "aspect": "geosoil.terrain.slope",
    "curvatures": "geosoil.terrain.slope",
    "drain": "geosoil.terrain.flow",
    "fill_sinks": "geosoil.terrain.flow",
    "catchment_area": "geosoil.terrain.flow",
    "stream_cells": "geosoil.terrain.streams",
    "stream_lines": "geosoil.terrain.streams",
    "terrain_stack": "geosoil.terrain.stack",
    "map_terrain": "geosoil.report.terrain",
    "correlate_map": "geosoil.report.correlation",
    # whole studies
    "train": "geosoil.studies.catalogue",
    "compare": "geosoil.studies.catalogue",
    # errors
    "GeosoilError": "geosoil.errors",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        msg = f"module 'geosoil' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
