"""geosoil: map soil properties from spectra and rasters.

All public names are listed in the table below. A name is imported on first use, so that `import geosoil` is fast.

>>> import geosoil
>>> geosoil.spectral_angle_rad.__name__
'spectral_angle_rad'
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_HOME = {
    # read and write data
    "open_cube": "geosoil.sensors.cube",
    "open_raster": "geosoil.io.rasters.reader",
    "open_stack": "geosoil.io.rasters.stack",
    "read_samples": "geosoil.io.tables.reader",
    "read_spectra": "geosoil.io.spectra.reader",
    "write_spectra": "geosoil.io.spectra.writer",
    "write_cog": "geosoil.io.rasters.cog",
    # samples
    "sample_raster": "geosoil.samples.extract",
    "extract_patches": "geosoil.samples.patches",
    "select_covariates": "geosoil.samples.covariates",
    "CovariateSelection": "geosoil.samples.covariates",
    # horizons and standard depths
    "read_horizons": "geosoil.samples.horizons",
    "carbon_density": "geosoil.samples.depths",
    "harmonise": "geosoil.samples.depths",
    "layer_columns": "geosoil.samples.depths",
    "layer_means": "geosoil.numerics.depth_spline",
    "harmonise_table": "geosoil.workflows.depths",
    # preprocessing of spectra
    "Absorbance": "geosoil.spectra.absorbance",
    "SNV": "geosoil.spectra.scatter",
    "MSC": "geosoil.spectra.scatter",
    "Detrend": "geosoil.spectra.scatter",
    "SavitzkyGolay": "geosoil.spectra.smooth",
    "ContinuumRemoval": "geosoil.spectra.continuum",
    "ResampleSpectra": "geosoil.spectra.resample",
    "CARS": "geosoil.spectra.cars",
    "BareSoil": "geosoil.spectra.bare_soil",
    "SpectralVAE": "geosoil.estimators.fusion.vae",
    "spectral_angle_rad": "geosoil.numerics.angles",
    # spectral libraries
    "collect_spectra": "geosoil.workflows.spectra",
    "import_library": "geosoil.workflows.library",
    "align_library": "geosoil.samples.libraries",
    "kennard_stone": "geosoil.samples.kennard_stone",
    "duplex": "geosoil.samples.kennard_stone",
    "rs_local": "geosoil.samples.rs_local",
    "localise": "geosoil.workflows.localise",
    # regressors
    "PartialLeastSquares": "geosoil.estimators.pls",
    "Ridge": "geosoil.estimators.ridge",
    "SupportVectors": "geosoil.estimators.support_vectors",
    "Forest": "geosoil.estimators.forest",
    "GaussianProcess": "geosoil.estimators.gaussian_process",
    "MemoryBased": "geosoil.estimators.memory_based",
    "SpikedPLS": "geosoil.estimators.spiked_pls",
    "DenseNet": "geosoil.estimators.dense_net",
    "SpectralCNN": "geosoil.estimators.spectral_cnn",
    "ResNet1D": "geosoil.estimators.resnet",
    "PlainCNN": "geosoil.estimators.depth_cnn",
    "MultiTaskCNN": "geosoil.estimators.depth_cnn",
    "TransferCNN": "geosoil.estimators.depth_cnn",
    "LogTarget": "geosoil.estimators.log_target",
    "PerTarget": "geosoil.estimators.multi_target",
    # training of networks
    "TrainSettings": "geosoil.networks.loop",
    "SearchSpace": "geosoil.training.search_space",
    "tune": "geosoil.training.tuning",
    "fine_tune": "geosoil.training.transfer",
    "transfer_instances": "geosoil.training.site_transfer",
    "transfer_representations": "geosoil.training.site_transfer",
    # models
    "Feature": "geosoil.models.contract",
    "Target": "geosoil.models.contract",
    "place_features": "geosoil.models.contract",
    "PixelModel": "geosoil.models.pixel",
    "PatchModel": "geosoil.models.patch",
    "Ensemble": "geosoil.models.compose",
    "Cascade": "geosoil.models.compose",
    "fit_cascade": "geosoil.models.fitting",
    "TrainingCard": "geosoil.models.card",
    "Predictor": "geosoil.workflows.predictor",
    "load_model": "geosoil.workflows.predictor",
    "save_model": "geosoil.models.store",
    # validation
    "regression_metrics": "geosoil.evaluate.metrics",
    "descriptive_statistics": "geosoil.evaluate.statistics",
    "split_by_rank": "geosoil.samples.splits",
    "split_k_fold": "geosoil.samples.splits",
    "split_groups": "geosoil.samples.splits",
    "split_spatial_blocks": "geosoil.samples.splits",
    "knndm": "geosoil.samples.knndm",
    "nndm": "geosoil.samples.knndm",
    "validate": "geosoil.pipeline.validation",
    # trust
    "fit_applicability": "geosoil.trust.applicability",
    "feature_weights": "geosoil.trust.feature_weights",
    # recipes
    "read_recipe": "geosoil.pipeline.recipe",
    "train": "geosoil.workflows.train",
    "compare": "geosoil.workflows.compare",
    # maps
    "map_cube": "geosoil.workflows.map",
    "map_covariates": "geosoil.workflows.map",
    "map_scenes": "geosoil.workflows.scenes",
    "predict_table": "geosoil.workflows.predict",
    "open_scene": "geosoil.workflows.view",
    "serve_view": "geosoil.workflows.view",
    "write_view": "geosoil.workflows.view",
    "assess_map": "geosoil.workflows.assess",
    "map_model": "geosoil.mapping.job",
    "map_blocks": "geosoil.raster.blocks",
    "match_bands": "geosoil.mapping.match",
    "match_covariates": "geosoil.mapping.covariates",
    "RunOptions": "geosoil.mapping.run",
    # explanations
    "explain_samples": "geosoil.workflows.explain",
    "explain_map": "geosoil.workflows.explain_map",
    "explain_covariates_map": "geosoil.workflows.explain_map",
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
