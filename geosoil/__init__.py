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
    "open_raster": "geosoil.io.rasters.reader",
    "open_stack": "geosoil.io.rasters.stack",
    "read_samples": "geosoil.io.tables.reader",
    "read_spectra": "geosoil.io.spectra.reader",
    "write_spectra": "geosoil.io.spectra.reader",
    "sample_raster": "geosoil.samples.extract",
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
    "SpectralVAE": "geosoil.estimators.fusion.vae",
    "spectral_angle_rad": "geosoil.numerics.angles",
    # covariates
    "select_covariates": "geosoil.samples.covariates",
    "CovariateSelection": "geosoil.samples.covariates",
    # models
    "PartialLeastSquares": "geosoil.estimators.pls",
    "SupportVectors": "geosoil.estimators.support_vectors",
    "Forest": "geosoil.estimators.forest",
    "DenseNet": "geosoil.estimators.dense_net",
    "LogTarget": "geosoil.estimators.log_target",
    "PlainCNN": "geosoil.estimators.depth_cnn",
    "MultiTaskCNN": "geosoil.estimators.depth_cnn",
    "TransferCNN": "geosoil.estimators.depth_cnn",
    "PerTarget": "geosoil.estimators.multi_target",
    "Feature": "geosoil.models.contract",
    "Target": "geosoil.models.contract",
    "PixelModel": "geosoil.models.pixel",
    "PatchModel": "geosoil.models.patch",
    "Ensemble": "geosoil.models.compose",
    "Cascade": "geosoil.models.compose",
    "fit_cascade": "geosoil.models.fitting",
    "load_model": "geosoil.models.store",
    "save_model": "geosoil.models.store",
    # validate
    "regression_metrics": "geosoil.evaluate.metrics",
    "descriptive_statistics": "geosoil.evaluate.statistics",
    "split_by_rank": "geosoil.samples.splits",
    "split_k_fold": "geosoil.samples.splits",
    "split_groups": "geosoil.samples.splits",
    "split_spatial_blocks": "geosoil.samples.splits",
    # spectral libraries
    "kennard_stone": "geosoil.samples.kennard_stone",
    "duplex": "geosoil.samples.kennard_stone",
    "rs_local": "geosoil.samples.rs_local",
    "align_library": "geosoil.samples.libraries",
    "localise": "geosoil.workflows.localise",
    "MemoryBased": "geosoil.estimators.memory_based",
    "SpikedPLS": "geosoil.estimators.spiked_pls",
    "SpectralCNN": "geosoil.estimators.spectral_cnn",
    "SearchSpace": "geosoil.training.search_space",
    "tune": "geosoil.training.tuning",
    "transfer_instances": "geosoil.training.site_transfer",
    "transfer_representations": "geosoil.training.site_transfer",
    # map and write
    "map_blocks": "geosoil.raster.blocks",
    "map_model": "geosoil.mapping.job",
    "match_bands": "geosoil.mapping.match",
    "BareSoil": "geosoil.spectra.bare_soil",
    "match_covariates": "geosoil.mapping.covariates",
    "map_cube": "geosoil.workflows.map",
    "map_covariates": "geosoil.workflows.map",
    "write_cog": "geosoil.io.rasters.cog",
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
    "map_terrain": "geosoil.workflows.terrain",
    "correlate_map": "geosoil.workflows.correlate",
    # recipes
    "train": "geosoil.workflows.train",
    "compare": "geosoil.workflows.compare",
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
