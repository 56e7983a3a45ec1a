"""The sections of the report of `geosoil terrain`: relief, streams, what was changed in the DEM, and all covariates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from geosoil.report.page import Section, format_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from geosoil.io.rasters.statistics import BandStatistics

MEANINGS = {
    "slope_deg": "steepness of the ground",
    "aspect_deg": "direction that a slope faces, clockwise from north",
    "profile_curvature_1_m": "bend of the ground along the slope",
    "plan_curvature_1_m": "bend of the contour lines",
    "filled_dem_m": "height, with sinks raised to their outlet",
    "catchment_area_m2": "area from which water flows through a cell",
    "twi": "wetness index: much area above and little slope give large values",
    "ls_factor": "effect of slope and its length on erosion (RUSLE)",
    "stream": "1 on a stream, else 0",
}
MANY_RAISED = 0.05
"""Share of cells that were raised to fill sinks from which a report warns."""


def terrain_sections(
    bands: Sequence[BandStatistics],
    figure: Figure,
    *,
    dem: str,
    shape: tuple[int, int],
    stream_count: int,
    stream_length_m: float,
    raised_share: float,
    settings: str,
    notes: Sequence[str],
    voids: Sequence[str],
) -> list[Section]:
    """Return the sections of the covariates of a DEM.

    Parameters
    ----------
    bands : sequence of BandStatistics
        Statistics of the covariates.
    figure : Figure
        The covariates and the streams.
    dem : str
        Name of the DEM.
    shape : (int, int)
        Rows and columns.
    stream_count, stream_length_m
        Number and length of the lines of streams.
    raised_share : float
        Share of cells that were raised to fill sinks.
    settings : str
        The methods, for a sentence.
    notes : sequence of str
        What was done to the DEM.
    voids : sequence of str
        Which heights were taken for voids.

    Returns
    -------
    list of Section
    """
    known = {band.name: band for band in bands if band.valid_count}
    text = [f"{dem}: {shape[0]} x {shape[1]} cells."]
    if "filled_dem_m" in known and "slope_deg" in known:
        height, slope = known["filled_dem_m"], known["slope_deg"]
        text[0] = (
            f"{dem}: {shape[0]} x {shape[1]} cells, of which {height.valid_count} have a height, from "
            f"{height.minimum:.0f} to {height.maximum:.0f} m."
        )
        text.append(f"The slope is {slope.mean:.1f} degrees on average; 98 % of the cells are below {slope.p98:.1f}.")
    text.append(
        f"Streams: {stream_count} lines of {format_number(stream_length_m / 1000)} km in all."
        if stream_count
        else "No stream was found: the catchment area at which one starts is larger than any of this DEM."
    )
    warnings = [f"{note[:1].upper()}{note[1:]}." for note in voids]
    if raised_share > MANY_RAISED:
        warnings.append(
            f"{100 * raised_share:.0f} % of the cells were raised to fill sinks, where wetness, LS-factor and streams "
            "are those of flat ground: check the DEM for pits, bridges and roads."
        )
    caption = "Covariates of the DEM; the streams are drawn on the shaded heights."
    table = pd.DataFrame(
        [
            (band.name, band.unit, band.minimum, band.mean, band.maximum, band.valid_count, MEANINGS.get(band.name, ""))
            for band in bands
        ],
        columns=["band", "unit", "smallest", "mean", "largest", "cells", "meaning"],
    )
    return [
        Section("Summary", text, warnings=warnings),
        Section("Covariates", figures=[(caption, figure)], tables=[("Bands of the raster", table)]),
        Section("How this was computed", [f"{settings}.", *(f"{note[:1].upper()}{note[1:]}." for note in notes)]),
    ]
