"""The recipe's section `[features]`: preprocessing, fusion and selection, and the steps that they make."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from geosoil.pipeline.part import Part

MOST_SEEDS = 19_999  # as many as the published search of the fusion tried


class Preprocessing(Part):
    """One row-wise step of `geosoil.spectra` on the spectra, before fusion and selection."""

    step: Literal["absorbance", "snv", "msc", "detrend", "savitzky_golay", "continuum_removal"] = Field(
        description="Name of the step."
    )
    window_bands: int = Field(
        11, ge=3, le=1001, description="savitzky_golay: number of bands in the moving window, an odd number."
    )
    polynomial_order: int = Field(2, ge=1, le=10, description="savitzky_golay: order of the polynomial in the window.")
    derivative: int = Field(0, ge=0, le=2, description="savitzky_golay: order of the derivative; 0 only smooths.")
    degree: int = Field(2, ge=1, le=10, description="detrend: degree of the polynomial that is subtracted.")

    @model_validator(mode="after")
    def _check_polynomial(self) -> Preprocessing:
        if self.window_bands % 2 == 0 or not self.derivative <= self.polynomial_order < self.window_bands:
            msg = "window_bands must be odd and larger than polynomial_order, which must be at least derivative"
            raise ValueError(msg)
        return self


class Fusion(Part):
    """The spectral VAE; a key that is left out keeps the measured default of `geosoil.SpectralVAE`."""

    mode: Literal["paired", "paper"] = Field(
        "paired",
        description="Loss function: paired compares each generated spectrum with the laboratory spectrum of the same "
        "sample, paper is the loss as printed.",
    )
    hidden: list[Annotated[int, Field(ge=1, le=4096)]] | None = Field(
        None, min_length=1, max_length=10, description="Units of the hidden layers of the encoder."
    )
    latent: int | None = Field(None, ge=1, le=4096, description="Number of latent variables.")
    epochs: int | None = Field(None, ge=1, le=1_000_000, description="Number of epochs.")
    learning_rate: float | None = Field(None, gt=0, description="Step size of Adam.")
    n_members: int | None = Field(
        None, ge=1, le=100, description="Number of networks with different seeds whose mean is taken."
    )
    n_seeds: int = Field(
        0,
        ge=0,
        le=MOST_SEEDS,
        description="Number of seeds that are searched for the highest correlation with the target; 0 for no search.",
    )


class Selection(Part):
    """How bands or covariates are chosen, inside the training rows."""

    method: Literal["none", "cars", "screen"] = Field(
        "none",
        description="How features are selected: none keeps all, cars chooses bands by CARS, and screen drops weak and "
        "redundant covariates.",
    )
    n_runs: int = Field(50, ge=2, le=10_000, description="cars: number of shrinking subsets that are tried.")
    n_components: int = Field(10, ge=1, le=1000, description="cars: largest number of PLS components.")
    n_folds: int = Field(5, ge=2, le=1000, description="cars: folds of the cross-validation that compares the subsets.")
    least_r: float = Field(
        0.05, ge=0, lt=1, description="screen: covariates whose |r| with the target is smaller are dropped."
    )
    most_r: float = Field(
        0.8, gt=0, le=1, description="screen: covariates whose |r| with a better covariate is larger are dropped."
    )
    batch: int = Field(
        10,
        ge=1,
        le=1000,
        description="screen: number of covariates that are added at a time while the cross-validated RMSE is compared.",
    )


class FeatureSettings(Part):
    """Which features a model sees."""

    use: Literal["satellite", "generated", "mix", "laboratory"] = Field(
        "satellite",
        description="Features of the model: satellite takes those of the source as they are, generated the spectra "
        "that the fusion generates, mix both side by side, and laboratory the laboratory spectra.",
    )
    preprocessing: list[Preprocessing] = Field(
        default_factory=list, max_length=20, description="Steps that are applied to the spectra, in this order."
    )
    place: bool = Field(
        False,
        description="Whether the place of a sample is a feature too: x and y in metres, which a map computes from its "
        "grid.",
    )
    fusion: Fusion = Field(Fusion(), description="Settings of the spectral VAE, for use = generated and mix.")
    selection: Selection = Field(Selection(), description="How bands or covariates are selected.")

    @property
    def parts(self) -> dict[str, str]:
        """The parts of `[features]` that are in use, each with the key that asks for it."""
        parts = {"preprocessing": "preprocessing"} if self.preprocessing else {}
        if self.use == "laboratory":
            parts["laboratory"] = "use = 'laboratory'"
        if self.use in ("generated", "mix"):
            parts["fusion"] = f"use = '{self.use}'"
        if self.place:
            parts["place"] = "place = true"
        if self.selection.method != "none":
            parts[self.selection.method] = f"selection.method = '{self.selection.method}'"
        return parts

    @property
    def step_names(self) -> list[str]:
        """The names of the preprocessing steps, for people."""
        return [setting.step.replace("_", " ") for setting in self.preprocessing]
