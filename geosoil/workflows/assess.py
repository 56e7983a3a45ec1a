"""Assess a map by independent points: its accuracy, the coverage of its intervals, and both inside the area."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from geosoil.errors import RasterError, SamplesError, UnitsError
from geosoil.evaluate.designs import Design
from geosoil.evaluate.resampling import LEVEL
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.input_paths import require_input
from geosoil.io.output_paths import check_output_path
from geosoil.io.provenance import shown_name
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, value_bands
from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.reading import is_remote
from geosoil.io.spectra.table import ID_COLUMNS
from geosoil.io.tables.columns import coordinate_columns, guess_unit
from geosoil.io.tables.reader import (
    list_ids,
    read_numbers,
    read_points,
    read_table,
    read_unique_ids,
    require_column,
)
from geosoil.io.tables.writer import write_csv
from geosoil.report.assessment_sections import assessment_sections
from geosoil.report.page import write_page
from geosoil.samples.extract import locate_points, read_at, shared_pixels
from geosoil.samples.strata import shares_of_column, shares_of_raster, strata_of_column
from geosoil.trust.conformal import check_level
from geosoil.trust.map_accuracy import accuracy_table
from geosoil.workflows.shown import ShownResult

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from geosoil.io.tables.numbers import Decimal

    PathLike = str | os.PathLike[str]

DesignName = Literal["random", "stratified", "purposive"]
DESIGNS: dict[str, str] = {
    "random": "Simple random sample: the figures are design-based estimates for the whole area that was sampled, with "
    "standard errors that follow from the random choice of the points.",
    "stratified": "Stratified random sample: the figures are design-based estimates for the whole area that was "
    "sampled. Each stratum counts with its share of the area, whatever its number of points.",
    "purposive": "Purposive sample, not design-based: the points were not drawn at random, so the figures describe the "
    "points and not the whole area. Standard errors and intervals come from a bootstrap of the points; they show how "
    "far the figures depend on which points were at hand.",
}
TRUST_LEVEL = 0.9
FEW = 20  # points of fewer than which intervals are rough
NO_VALUE, OFF_MAP, NO_DATA = "without a value of the target", "outside the map", "on no data of the map"


@dataclass(frozen=True, eq=False)
class MapAssessment(ShownResult):
    """The accuracy of a map at independent points.

    Attributes
    ----------
    table : DataFrame
        One row per part of the map and figure: part, n, figure, unit, estimate, standard_error, low and high (the ends
        of the 95 % confidence interval).
    points : DataFrame
        One row per point of the map: id, observed, predicted and, where the map has them, lower, upper and inside.
    left_out : dict of str to list of str
        The ids of the points that could not be compared, by the reason.
    design : str
        "random", "stratified" or "purposive".
    paths : tuple of Path
        The files that were written.
    notes : tuple of str
    """

    table: pd.DataFrame
    points: pd.DataFrame
    left_out: dict[str, list[str]]
    design: str
    paths: tuple[Path, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return the table as text, what the design allows to conclude, and the paths of the files."""
        numbers = {"formatters": {"n": str}, "float_format": lambda value: f"{value:.3g}", "na_rep": "-"}
        lines = [str(self.table.to_string(index=False, **numbers)), DESIGNS[self.design]]
        return "\n".join([*lines, *(f"{path.suffix[1:]:6s} {path}" for path in self.paths)])


def assess_map(
    soil_map: PathLike,
    points: PathLike,
    output: PathLike | None = None,
    *,
    target: str,
    design: DesignName = "purposive",
    strata: str | None = None,
    areas: str | None = None,
    band: str | None = None,
    trust: PathLike | None = None,
    level: float | None = None,
    id_column: str | None = None,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    layer: str | None = None,
    decimal: Decimal | None = None,
) -> MapAssessment:
    """Compare a map with values measured at points that no model of the map has learned from.

    Parameters
    ----------
    soil_map : path-like
        The map.
    points : path-like
        A table of points in any CRS.
    output : path-like, optional
        A `.csv` or `.json` file for the figures; a report is written beside it as `.html`.
    target : str
        Column of the measured values, in the unit of the map.
    design : {"purposive", "random", "stratified"}
        How the points were chosen. The default makes no claim: a random design cannot be seen in the points.
    strata : str, optional
        Column of the strata of a stratified sample.
    areas : str, optional
        Column of the area of each point's stratum, or a raster of the codes of the strata.
    band : str, optional
        Band of the map; default: the one with the name of the target, or the only one.
    trust : path-like, optional
        Raster with the bands `lower`, `upper` and `inside`; default: MAP_trust.tif beside the map, if it exists.
    level : float, optional
        The level of the intervals in `trust`; default: as its tags state, or 0.9.
    id_column, x, y, crs : str, optional
        Columns of ids and coordinates, and their CRS; default: as the names of the columns show.
    layer, decimal : str, optional
        As in `read_samples`.

    Returns
    -------
    MapAssessment

    Raises
    ------
    GeosoilError
        If an input or the output does not fit, or fewer than two points can be compared.
    """
    path = Path(points)
    outputs = _output_paths(output, [soil_map, points, trust, areas])
    _check_design(design, strata, areas)
    if level is not None:
        check_level(level)
    raster, unit = _band_of(soil_map, target, band)
    name = str(raster["band"].values[0])
    table = read_table(path, layer, decimal).reset_index(drop=True)
    require_column(path, table, target)
    ids, located = read_located_points(path, table, id_column, x, y, crs)
    observed = read_numbers(path, table[target], ids)
    rows, columns, notes = locate_points(raster, located, what="map")
    frame = pd.DataFrame({"id": ids, "observed": observed, "predicted": read_at(raster, rows, columns)[:, 0]})
    known, is_on_map = np.isfinite(observed), rows >= 0
    missing = {
        NO_VALUE: ~known,
        OFF_MAP: known & ~is_on_map,
        NO_DATA: known & is_on_map & ~np.isfinite(frame["predicted"]).to_numpy(),
    }
    left_out = {reason: [str(sample) for sample in ids[flags]] for reason, flags in missing.items() if flags.any()}
    notes += [f"{len(names)} of {len(ids)} points {reason}: {list_ids(names)}" for reason, names in left_out.items()]
    used = ~np.any(list(missing.values()), axis=0)
    if used.sum() < 2:
        raise SamplesError(
            path,
            found="; ".join([f"{used.sum()} points with a value of the map", *notes]),
            expected="at least 2",
            way_out="check the CRS of the points and that they lie on the map",
        )
    notes += shared_pixels(ids[used], rows[used], columns[used])
    sample = _sample(path, table[known], design, strata, areas, notes)
    trust = _trust_of(soil_map, trust)
    level = _level_of(trust, level)
    for column, values in ({} if trust is None else _trust_values(trust, [target, name], located, notes)).items():
        frame[column] = values
        empty = used & ~np.isfinite(values)
        if empty.any():
            notes.append(f"{empty.sum()} points on no data of {column}: {list_ids(ids[empty])}")
    result = accuracy_table(frame[known], used[known], sample, unit=unit, level=level)
    if used.sum() < FEW:
        notes.append(f"{used.sum()} points are few: standard errors and intervals are rough")
    assessment = MapAssessment(result, frame[used].reset_index(drop=True), left_out, design, outputs, tuple(notes))
    if outputs:
        _write(assessment, target, soil_map, points, level)
    return assessment


def _output_paths(output: PathLike | None, inputs: list[PathLike | None]) -> tuple[Path, ...]:
    if output is None:
        return ()
    path = check_output_path(output, (".csv", ".json"), "ACCURACY.csv", inputs=inputs, beside=[".html"])
    return tuple(require_writable(file) and file for file in (path, path.with_suffix(".html")))


def _check_design(design: str, strata: str | None, areas: str | None) -> None:
    def refuse(found: str, way_out: str) -> SamplesError:
        return SamplesError(
            "design", found=found, expected="strata with areas for a stratified sample", way_out=way_out
        )

    if design not in DESIGNS:
        raise SamplesError("design", found=design, expected=" or ".join(DESIGNS), way_out="choose one of these")
    if design == "stratified" and (strata is None or areas is None):
        missing = "strata" if strata is None else "areas of the strata"
        raise refuse(f"no {missing}", f"name the column with --{'strata' if strata is None else 'areas'}")
    if design != "stratified" and (strata is not None or areas is not None):
        raise refuse(f"strata for a {design} sample", "choose --design stratified, or leave the strata out")


def _band_of(path: PathLike, target: str, band: str | None) -> tuple[xr.DataArray, str]:
    """Return the one band of a map that has the target, and its unit."""
    raster = open_raster(path)
    names = [str(name) for name in raster["band"].values]
    name = band if band is not None else target if target in names or len(names) > 1 else names[0]
    if name not in names:
        raise RasterError(
            path,
            found=f"no band {name}",
            expected=f"one of {', '.join(names[:12])}",
            way_out="choose the band with --band",
        )
    with dataset(absolute_path(path), file_stamp(absolute_path(path))) as source:
        unit = source.units[value_bands(source)[names.index(name)] - 1] or ""
    stated = guess_unit(target)
    if unit and stated and stated != unit and guess_unit(f"({unit})") == unit:
        raise UnitsError(
            path,
            found=f"{unit} in the map",
            expected=f"{stated}, the unit in the name of column {target}",
            way_out="convert the column to the unit of the map",
        )
    return raster.isel(band=[names.index(name)]), unit or stated


def read_located_points(
    path: Path, table: pd.DataFrame, id_column: str | None, x: str | None, y: str | None, crs: str | None
) -> tuple[np.ndarray, gpd.GeoDataFrame]:
    """Return the ids of the points of a table, and the points; what is not named is recognised by its name."""
    import geopandas as gpd

    name = id_column or next((column for column in ID_COLUMNS if column in table), None)
    if name is None:
        ids = np.array([f"row {row}" for row in range(1, len(table) + 1)], dtype=object)
    else:
        require_column(path, table, name)
        ids = read_unique_ids(path, table[name])
    x, y, crs = coordinate_columns(table, x, y, crs)
    for column in (x, y):
        if column is not None:
            require_column(path, table, column)
    return ids, gpd.GeoDataFrame({"id": ids}, geometry=read_points(path, table, ids, x, y, crs))


def _sample(
    path: Path, table: pd.DataFrame, design: str, strata: str | None, areas: str | None, notes: list[str]
) -> Design | None:
    """Return the design of the points with a measured value; None for a purposive sample."""
    if design == "purposive":
        return None
    if strata is None or areas is None:
        return Design.random(len(table))
    names = strata_of_column(path, table, strata)
    if areas in table.columns or not (is_remote(areas) or Path(areas).is_file()):
        return Design(names, shares_of_column(path, table, names, areas))
    shares = shares_of_raster(areas)
    empty = [str(name) for name in shares if name not in set(names)]
    if empty:
        share = sum(shares[name] for name in empty)
        notes.append(
            f"strata without points, {share:.1%} of the area: {list_ids(empty)}; the estimates are for the rest"
        )
    return Design(names, shares)


def _trust_of(soil_map: PathLike, trust: PathLike | None) -> PathLike | None:
    """Return the trust raster that was given, or the one beside a map, or None."""
    if trust is not None:
        if not is_remote(os.fspath(trust)):
            require_input(Path(trust), RasterError, "a raster with the bands lower, upper and inside")
        return trust
    if is_remote(os.fspath(soil_map)):
        return None
    beside = Path(soil_map).with_name(f"{Path(soil_map).stem}_trust{Path(soil_map).suffix}")
    return beside if beside.is_file() else None


def _level_of(trust: PathLike | None, level: float | None) -> float:
    """Return the level of the intervals, which the tags of a trust raster may state."""
    stated = None
    if trust is not None:
        with dataset(absolute_path(trust), file_stamp(absolute_path(trust))) as source:
            text = source.tags().get("GEOSOIL_LEVEL")
        stated = None if text is None else check_level(float(text) if _is_number(text) else math.nan, where=trust)
    if level is not None and stated is not None and level != stated:
        raise SamplesError(
            "level",
            found=f"{level:g}",
            expected=f"{stated:g}, which {shown_name(str(trust))} states",
            way_out="leave --level out",
        )
    return level or stated or TRUST_LEVEL


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _trust_values(
    trust: PathLike, names: list[str], points: gpd.GeoDataFrame, notes: list[str]
) -> dict[str, np.ndarray]:
    """Return lower, upper and inside at points, of those that a trust raster has."""
    raster = open_raster(trust)
    bands = [str(name) for name in raster["band"].values]
    chosen: dict[str, int] = {}
    for part in ("lower", "upper", "inside"):
        band = next((name for name in (*(f"{name} {part}" for name in names), part) if name in bands), None)
        if band is not None:
            chosen[part] = bands.index(band)
    if ("lower" in chosen) != ("upper" in chosen):
        chosen = {part: band for part, band in chosen.items() if part == "inside"}
    if not chosen:
        raise RasterError(
            trust,
            found=f"the bands {', '.join(bands[:12])}",
            expected=f"bands named lower, upper or inside, or {names[0]} lower and so on",
            way_out="give the trust raster of this map with --trust",
        )
    notes.append(f"{', '.join(chosen)} are those of {shown_name(trust)}")
    rows, columns, _ = locate_points(raster, points, what="trust raster")
    values = read_at(raster.isel(band=list(chosen.values())), rows, columns)
    return dict(zip(chosen, values.T.astype(np.float64), strict=True))


def _write(assessment: MapAssessment, target: str, soil_map: PathLike, points: PathLike, level: float) -> None:
    path, page = assessment.paths
    names = shown_name(soil_map), shown_name(points)
    with atomic_path(path) as temporary, atomic_path(page) as temporary_page:
        if path.suffix.lower() == ".csv":
            write_csv(assessment.table, temporary)
        else:
            rows = assessment.table.astype(object).where(assessment.table.notna(), None).to_dict("records")
            stated: dict[str, object] = {
                "map": names[0],
                "points": names[1],
                "target": target,
                "design": assessment.design,
            }
            stated |= {
                "confidence": LEVEL,
                "level_of_intervals": level,
                "method": DESIGNS[assessment.design],
                "left_out": assessment.left_out,
            }
            stated |= {"notes": list(assessment.notes), "figures": rows}
            temporary.write_text(json.dumps(stated, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
        sections = assessment_sections(
            assessment.table,
            assessment.points,
            assessment.left_out,
            text=[DESIGNS[assessment.design], *assessment.notes],
            target=target,
        )
        write_page(temporary_page, title=f"Accuracy of {names[0]} at {names[1]}", sections=sections)
