"""The building block of a recipe: a checked table of settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator


class Part(BaseModel):
    """A table of a recipe. Unknown keys are refused, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_rising(window: list[float]) -> list[float]:
    if not window[0] < window[1]:
        msg = f"{window} must rise from the lower to the upper end"
        raise ValueError(msg)
    return window


Window = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_check_rising)]
"""A pair of numbers, the lower one first."""


class Property(Part):
    """A soil property: its column in the samples, its unit, and the range that its values can have."""

    column: str
    unit: str = ""
    title: str = Field("", max_length=100, description="name in figures; by default the column")
    valid_range: tuple[float | None, float | None] = (0.0, None)

    @property
    def name(self) -> str:
        """Return the name that figures and reports use."""
        return self.title or self.column

    @field_validator("valid_range")
    @classmethod
    def _rises(cls, ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        import math

        if any(end is not None and not math.isfinite(end) for end in ends):
            msg = "leave an end out (null) instead of an infinite one"
            raise ValueError(msg)
        if None not in ends:
            _check_rising(list(ends))  # type: ignore[arg-type]
        return ends


class TargetProperty(Property):
    """A property that a model predicts, in its own unit or by way of its logarithm."""

    log: Literal["none", "naive", "smearing"] = Field(
        "none",
        description="fit ln(y) of skewed targets; 'naive' returns exp(prediction), the median; "
        "'smearing' multiplies it by Duan's factor (1983), the mean",
    )
