"""The building block of a recipe: a checked table of settings."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator


class Part(BaseModel):
    """A table of a recipe. Unknown keys and infinite numbers are refused, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _check_rising(window: list[float]) -> list[float]:
    if not window[0] < window[1]:
        msg = f"{window} must rise from the lower to the upper end"
        raise ValueError(msg)
    return window


Window = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_check_rising)]
"""A pair of numbers, the lower one first."""


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A column or another name: one line without control characters, which could steer a terminal."""
Title = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _open_ends(ends: Any) -> Any:
    """Replace an infinite end by None: TOML cannot say that there is no limit."""
    if isinstance(ends, list | tuple) and len(ends) == 2:
        return [None if ends[0] == -math.inf else ends[0], None if ends[1] == math.inf else ends[1]]
    return ends


class Property(Part):
    """A soil property: its column in the samples, its unit, and the range that its values can have."""

    column: Name = Field(description="Column of the measured values in the table of samples, or in the library.")
    unit: Title = Field("", description="Unit of the values, which is written into the map.")
    title: Title = Field("", description="Name in figures and reports; by default the column.")
    valid_range: Annotated[tuple[float | None, float | None], BeforeValidator(_open_ends)] = Field(
        (0.0, None),
        description="Lowest and highest possible value, or inf; predictions outside are set to the nearest end.",
    )

    @property
    def name(self) -> str:
        """Return the name that figures and reports use."""
        return self.title or self.column

    @field_validator("valid_range")
    @classmethod
    def _rises(cls, ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        if None not in ends:
            _check_rising(list(ends))  # type: ignore[arg-type]
        return ends


class TargetProperty(Property):
    """A property that a model predicts, in its own unit or by way of its logarithm."""

    log: Literal["none", "naive", "smearing"] = Field(
        "none",
        description="Whether ln(y) is fitted, for skewed targets; naive returns exp of the prediction, which is the "
        "median, and smearing multiplies it by the factor of Duan (1983), which gives the mean.",
    )
    standard_error: Name | None = Field(
        None,
        description="Column with the standard error of each value, such as that of the laboratory, in the same unit; a "
        "Gaussian process (gp, also within auto) relies less on values with a large one.",
    )
