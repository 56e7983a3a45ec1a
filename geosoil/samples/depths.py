"""Harmonise soil horizons to standard depths by equal-area splines: one row per profile, one column per layer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError, SamplesError
from geosoil.io.atomic import atomic_path
from geosoil.io.output_paths import check_output_path
from geosoil.io.tables.reader import list_ids
from geosoil.io.tables.writer import write_geopackage
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM, checked_layers, layer_means
from geosoil.samples.horizons import Horizons, read_horizons

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import geopandas as gpd

__all__ = [
    "STANDARD_LAYERS_CM",
    "DepthSites",
    "Horizons",
    "carbon_density",
    "harmonise",
    "layer_columns",
    "read_horizons",
    "write_sites",
]

_DENSITY_RANGE_G_CM3 = (0.05, 2.65)  # from peat to quartz without pores


@dataclass(frozen=True)
class DepthSites:
    """Properties of profiles by layer.

    Attributes
    ----------
    sites : GeoDataFrame
        One row per profile: its id, its point with CRS, and for each property and layer a column
        `PROPERTY_TOP_BOTTOM` (`soc_pct_0_5`) in the units of the property, NaN where the profile covers too little of
        the layer, and a column `PROPERTY_coverage_TOP_BOTTOM`, the covered share 0 to 1.
    properties : list of str
    notes : list of str
        One sentence per remark on the data.
    """

    sites: gpd.GeoDataFrame
    properties: list[str]
    notes: list[str]

    def summary(self) -> str:
        """Return a table of each property and layer: profiles, mean, least, greatest, mean coverage of them."""
        rows: list[tuple[str, ...]] = [("property", "layer cm", "n", "mean", "min", "max", "coverage")]
        for name in self.properties:
            for column, top, bottom in layer_columns(self.sites.columns, name):
                values = self.sites[column].dropna()
                coverage = self.sites.loc[values.index, _column(f"{name}_coverage", top, bottom)].mean()
                numbers = (values.mean(), values.min(), values.max(), coverage)
                cells = [f"{number:.3g}" for number in numbers] if len(values) else ["-"] * len(numbers)
                rows.append((name, f"{top:g}-{bottom:g}", str(len(values)), *cells))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        )


def harmonise(
    horizons: Horizons,
    *,
    layers_cm: Sequence[tuple[float, float]] = STANDARD_LAYERS_CM,
    smoothing: float = 0.1,
    slices: Literal["top"] | None = None,
    min_coverage: float = 0.5,
    clip: tuple[float, float] | None = None,
) -> DepthSites:
    """Fit the spline of every profile and property, and average it over layers.

    Horizons without a value are gaps, which are bridged by a straight line and count as covered. Nothing is
    extrapolated above the first or below the last horizon. Notes report layer means that are negative or outside the
    range of the horizons of their profile; they are not clipped unless `clip` is given.

    Parameters
    ----------
    horizons : Horizons
    layers_cm : sequence of (top, bottom)
        Limits of each layer, in cm.
    smoothing, slices, clip
        As in `numerics.depth_spline`.
    min_coverage : float
        A layer of which the profile covers a smaller share is NaN; otherwise its mean is that of the covered part.

    Returns
    -------
    DepthSites

    Raises
    ------
    RecipeError
        If layers, smoothing, coverage or clip are not valid.
    SamplesError
        If no layer has a value.

    Examples
    --------
    >>> import geopandas as gpd
    >>> table = pd.DataFrame({"profile": [0, 0], "top_cm": [0.0, 10], "bottom_cm": [10.0, 20], "clay_pct": [20.0, 30]})
    >>> sites = gpd.GeoDataFrame({"id": ["p"]}, geometry=gpd.points_from_xy([13], [52]), crs="EPSG:4326")
    >>> depths = harmonise(Horizons(sites, "id", table, ["clay_pct"], []), layers_cm=[(0, 10), (15, 45)])
    >>> depths.sites.drop(columns="geometry").round(2).values.tolist()
    [['p', 20.28, nan, 1.0, 0.17]]
    """
    layers = checked_layers(layers_cm)
    if not 0 <= min_coverage <= 1:
        raise RecipeError(
            "depths", found=f"min_coverage {min_coverage}", expected="0 to 1", way_out="use a share, such as 0.5"
        )
    columns: dict[str, np.ndarray] = {}
    notes = list(horizons.notes)
    for name in horizons.properties:
        rows = horizons.table.dropna(subset=name)
        depths = (rows["top_cm"].to_numpy(), rows["bottom_cm"].to_numpy())
        means = layer_means(
            *depths,
            rows[name].to_numpy(),
            rows["profile"].to_numpy(),
            layers_cm=layers_cm,
            smoothing=smoothing,
            slices=slices,
            clip=clip,
            n_profiles=len(horizons.sites),
        )
        mean = np.where(means.coverage >= min_coverage - 1e-9, means.mean, np.nan)
        columns |= {_column(name, *layer): mean[:, i] for i, layer in enumerate(layers)}
        columns |= {_column(f"{name}_coverage", *layer): means.coverage[:, i] for i, layer in enumerate(layers)}
        notes += _notes_of_coverage(name, horizons, layers, mean, means.coverage, min_coverage)
        notes += _notes_of_range(name, horizons, rows, mean)
    if not any(np.isfinite(columns[_column(name, *layer)]).any() for name in horizons.properties for layer in layers):
        raise SamplesError(
            "horizons",
            found=f"no value of {', '.join(horizons.properties)} in any layer",
            expected="profiles that reach into the layers",
            way_out="check the properties and layers, or lower min_coverage",
        )
    frame = pd.concat([horizons.sites[[horizons.profile_id]], pd.DataFrame(columns)], axis=1)
    return DepthSites(
        horizons.sites[["geometry"]].join(frame)[[*frame.columns, "geometry"]], horizons.properties, notes
    )


def carbon_density(
    horizons: Horizons,
    *,
    bulk_density: str = "bulk_density_g_cm3",
    coarse_fragments: str | None = None,
) -> Horizons:
    """Add `soc_kg_m3`, the mass of organic carbon per volume of soil, computed with a measured bulk density.

    The density is soc_g_kg (or 10 x soc_pct) x bulk density in g/cm3 x (1 - coarse fragments / 100). It is computed for
    each horizon, before the spline, because a mean over depth conserves mass per volume.

    Parameters
    ----------
    horizons : Horizons
    bulk_density : str
        The column of the bulk density of the fine earth in g/cm3.
    coarse_fragments : str, optional
        The column of the share of coarse fragments in the volume in percent (default: no coarse fragments).

    Returns
    -------
    Horizons
        With the property `soc_kg_m3`, NaN where a value is missing.

    Raises
    ------
    SamplesError
        If there is no column of carbon or density, or a density is not between 0.05 and 2.65 g/cm3.

    Examples
    --------
    >>> table = pd.DataFrame({"profile": [0], "top_cm": [0], "bottom_cm": [9], "soc_pct": [2.0], "bd_g_cm3": [1.3]})
    >>> carbon_density(Horizons(None, "id", table, ["soc_pct"], []), bulk_density="bd_g_cm3").table["soc_kg_m3"].item()
    26.0
    """
    table = horizons.table
    carbon = next((name for name in ("soc_g_kg", "soc_pct") if name in table), None)
    if carbon is None or bulk_density not in table:
        raise SamplesError(
            "carbon density",
            problem=f"the column {'soc_g_kg or soc_pct' if carbon is None else bulk_density} is missing",
            expected="measured carbon and measured bulk density: geosoil guesses none",
            way_out="read both with the horizons, or map the content instead of the density",
        )
    density = table[bulk_density]
    low, high = _DENSITY_RANGE_G_CM3
    if ((density < low) | (density > high)).any():
        raise SamplesError(
            "carbon density",
            found=f"{bulk_density} from {density.min():g} to {density.max():g}",
            expected=f"{low} to {high} g/cm3",
            way_out="bring it to g/cm3 (kg/m3 / 1000), or correct the cells",
        )
    earth = pd.Series(1.0, index=table.index)
    if coarse_fragments is not None:
        if coarse_fragments not in table or not table[coarse_fragments].dropna().between(0, 100).all():
            raise SamplesError(
                "carbon density",
                problem=f"the column {coarse_fragments} is missing or has values that are not percentages",
                expected="the share of the volume, 0 to 100",
                way_out="read it with the horizons, or leave it out",
            )
        earth = 1 - table[coarse_fragments] / 100
    grams = table[carbon] * (10 if carbon == "soc_pct" else 1)
    fragments = "no coarse fragments" if coarse_fragments is None else coarse_fragments
    return replace(
        horizons,
        table=table.assign(soc_kg_m3=grams * density * earth),
        properties=[*(name for name in horizons.properties if name != "soc_kg_m3"), "soc_kg_m3"],
        notes=[*horizons.notes, f"soc_kg_m3 was computed from {carbon}, {bulk_density} and {fragments}"],
    )


def layer_columns(columns: Iterable[str], name: str) -> list[tuple[str, float, float]]:
    """Return (column, top, bottom) in cm of every layer of a property, from the shallowest to the deepest.

    Examples
    --------
    >>> layer_columns(["id", "soc_pct_5_15", "soc_pct_0_5", "soc_pct_coverage_0_5", "clay_pct_0_5"], "soc_pct")
    [('soc_pct_0_5', 0.0, 5.0), ('soc_pct_5_15', 5.0, 15.0)]
    """
    pattern = re.compile(re.escape(name) + r"_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
    layers = [(match[0], float(match[1]), float(match[2])) for match in map(pattern.fullmatch, columns) if match]
    return sorted(layers, key=lambda layer: layer[1:])


def write_sites(result: DepthSites, path: str | os.PathLike[str]) -> Path:
    """Write the sites as a GeoPackage atomically, and return its path.

    Raises
    ------
    OutputError
        If the name does not end in `.gpkg`, or the file cannot be written.
    """
    path = check_output_path(path, (".gpkg",), "SITES.gpkg")
    with atomic_path(path) as temporary:
        write_geopackage(result.sites, temporary, layer=path.stem)
    return path


def _column(name: str, top: float, bottom: float) -> str:
    return f"{name}_{top:g}_{bottom:g}"


def _notes_of_coverage(
    name: str, horizons: Horizons, layers: np.ndarray, mean: np.ndarray, coverage: np.ndarray, min_coverage: float
) -> list[str]:
    table, n_profiles = horizons.table, len(horizons.sites)
    notes = []
    without = n_profiles - table.loc[table[name].notna(), "profile"].nunique()
    if without:
        notes.append(f"{name}: {without} of {n_profiles} profiles have no value")
    rows = table.dropna(subset=name)
    by_profile = rows.groupby("profile")
    reach = (by_profile["bottom_cm"].max() - by_profile["top_cm"].min()).sum()
    measured = (rows["bottom_cm"] - rows["top_cm"]).sum()
    if reach - measured > 0.005 * reach:
        notes.append(
            f"{name}: {1 - measured / reach:.0%} of the depth between first and last horizon has no value of its own: "
            "bridged by straight lines"
        )
    thin = ((coverage > 0) & np.isnan(mean)).sum(axis=0)
    if thin.any():
        where = ", ".join(f"{n} at {top:g}-{bottom:g} cm" for n, (top, bottom) in zip(thin, layers, strict=True) if n)
        notes.append(f"{name}: set to no data where less than {min_coverage:.0%} of the layer is covered: {where}")
    empty = [
        f"{top:g}-{bottom:g} cm" for (top, bottom), column in zip(layers, mean.T, strict=True) if np.isnan(column).all()
    ]
    if empty:
        notes.append(f"{name}: no profile has a value at {', '.join(empty)}")
    return notes


def _notes_of_range(name: str, horizons: Horizons, rows: pd.DataFrame, mean: np.ndarray) -> list[str]:
    """Report how often and how far the means are outside the range of the horizons of their profile."""
    by_profile = rows.groupby("profile")[name]
    profiles = np.arange(len(horizons.sites))
    low = by_profile.min().reindex(profiles).to_numpy()[:, None]
    high = by_profile.max().reindex(profiles).to_numpy()[:, None]
    ids = horizons.sites[horizons.profile_id].to_numpy()
    notes = []
    negative = (mean < 0) & (low >= 0)
    if negative.any():
        notes.append(
            f"{name}: undershoot: {negative.sum()} layer means below 0 (least {mean[negative].min():.3g}) "
            f"though no horizon is: {list_ids(ids[negative.any(axis=1)])}"
        )
    rounding = 1e-9 * np.maximum(np.abs(low), np.abs(high))
    outside = np.fmax(low - mean, mean - high)
    beyond = outside > rounding
    if beyond.any():
        notes.append(
            f"{name}: {beyond.sum()} of {np.isfinite(mean).sum()} layer means lie outside the range of their profile's "
            f"horizons, by up to {outside[beyond].max():.3g}"
        )
    return notes
