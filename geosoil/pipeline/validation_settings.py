"""The section `[validation]` of a recipe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from geosoil.pipeline.part import Part


def _as_list(names: Any) -> Any:
    return [names] if isinstance(names, str) else names


class ValidationSettings(Part):
    """How accuracy is measured. Everything is fitted again inside the training rows of every split."""

    split: Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        ["random"],
        description="Split, or list of splits; the first one gives the accuracy that the model's card states.",
    )
    n_folds: int = Field(10, ge=2, le=1000, description="Number of folds.")
    n_repeats: int = Field(1, ge=1, le=1000, description="Number of repeats with different folds or holdouts.")
    block_m: float | None = Field(
        None,
        gt=0,
        description="spatial: side of a block in metres; by default a tenth of the longer side of the samples' extent.",
    )
    buffer_m: float | None = Field(
        None, gt=0, description="buffer: distance in metres beyond which rows are learned from; required there."
    )
    test_share: float = Field(
        0.25, gt=0, lt=1, description="holdout, published_settings, kennard_stone: share of the rows that is tested."
    )
    n_train: int | None = Field(
        None,
        ge=5,
        description="holdout, published_settings, kennard_stone: number of training rows, instead of test_share.",
    )
    n_labels: int | None = Field(
        None, ge=10, description="Largest number of training rows that are learned from, drawn at random in each split."
    )
    n_components: float | None = Field(
        None,
        gt=0,
        description="kennard_stone: number of principal components on which distances are computed, or below 1 the "
        "share of the variance that they explain.",
    )
    mahalanobis: bool = Field(False, description="kennard_stone: whether components are scaled to unit variance.")
    n_seeds: int = Field(1999, ge=0, le=19_999, description="published_rank: number of seeds that the fusion searches.")
    n_places: int = Field(
        1000, ge=50, le=20_000, description="knndm, nndm: number of places on a regular grid that represent the map."
    )
    clustering: Literal["hierarchical", "kmeans"] = Field(
        "hierarchical", description="knndm: how samples are clustered; k-means is for more than 5000 samples."
    )
    largest_share: float = Field(0.5, gt=0, lt=1, description="knndm: largest share of the rows that one fold tests.")
    range_m: float | None = Field(
        None,
        gt=0,
        description="nndm: distance in metres up to which neighbours are left out, such as the range of the variogram; "
        "by default the largest distance.",
    )
    least_share: float = Field(
        0.5, gt=0, lt=1, description="nndm: share of the rows that remains for training at least."
    )
    processes: int = Field(2, ge=1, le=256, description="Number of folds that are computed at the same time.")

    @field_validator("split")
    @classmethod
    def _check_known(cls, names: list[str]) -> list[str]:
        from geosoil.pipeline.splits import SPLITS  # the table of splits has this class in its functions

        for name in names:
            if name not in SPLITS:
                msg = f"{name!r} is not one of {', '.join(SPLITS)}"
                raise ValueError(msg)
        return names
