"""What the drafts of all sources share: the section `[data]` of a new recipe, and the columns and places of a table.

Each source has a function `draft(files, targets, given) -> Draft` beside its `read`: it looks at the user's files and
chooses what the section `[data]` states about them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import GridError, RecipeError, SamplesError, without_secrets
from geosoil.io.rasters.stack import describe_grid
from geosoil.io.tables.columns import Columns, Places, are_degrees, recognise_columns
from geosoil.io.tables.numbers import as_numbers
from geosoil.io.tables.reader import list_ids, read_table, require_column
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class Files:
    """The files of a new recipe, and the folder that its paths start from."""

    folder: Path
    table: str = ""
    cube: str = ""
    covariates: tuple[str, ...] = ()
    samples: str = ""
    library: str = ""

    def relative(self, path: str) -> str:
        """Return a path as the recipe names it: relative to its folder, or unchanged if it is a URL.

        Raises
        ------
        RecipeError
            If an address holds a secret, which a recipe would keep.
        """
        if without_secrets(path) != path:
            raise RecipeError(
                path,
                found="a login, a signature or a key in the address",
                expected="an address without secrets, because a recipe keeps it",
                way_out="download the file, or give the credentials by the environment variables of GDAL",
            )
        if "://" in path or path.startswith("/vsi"):
            return path
        absolute = Path(path).absolute()
        if absolute.parts[:2] != self.folder.parts[:2]:  # another drive, or another tree
            return absolute.as_posix()
        return Path(os.path.relpath(absolute, self.folder)).as_posix()


@dataclass
class Draft:
    """The section `[data]` of a new recipe.

    Attributes
    ----------
    table : DataFrame
        The table with the targets, one row per sample.
    columns : Columns
        What its other columns are.
    given : dict
        Keys that the user chose.
    values : dict
        All keys and their values, in the order of the recipe.
    reasons : dict of str
        The comment of a key.
    remarks : list of str
        Sentences on the files that belong to no key.
    preprocessing : tuple of str
        Steps that suit the spectra.
    measured : DataFrame
        The values as they were measured; for profiles one row per horizon.
    """

    table: pd.DataFrame
    columns: Columns
    given: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    preprocessing: tuple[str, ...] = ()
    measured: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.measured = self.table

    def set(self, key: str, value: Any, why: str = "") -> None:
        """Set a key to what the user chose, else to a value, with its reason."""
        self.values[key] = self.given.get(key, value)
        self.reasons[key] = "" if key in self.given and self.given[key] != value else why

    def set_given(self, *keys: str) -> None:
        """Set the keys that the user chose."""
        for key in keys:
            if key in self.given:
                self.set(key, self.given[key])

    def set_labels(self, *, ids: bool = True) -> None:
        """Set the columns of ids, if they are wanted, and of groups and folds."""
        self.set_given("layer", "decimal")
        name = self.columns.sample_id
        if ids:
            self.set(
                "sample_id",
                name or "",
                "" if name else "no column has a different value in each row: rows are numbered",
            )
        for key, what in (("group", "groups, whose samples are tested together"), ("folds", "folds of your own")):
            column = self.given.get(key, getattr(self.columns, key))
            if column is not None:
                count = self.table[column].nunique() if column in self.table else 0
                self.set(key, column, f"{count} {what}")

    def set_places_on(self, raster: xr.DataArray, path: str) -> None:
        """Set x, y and crs of a table without geometry, so that its samples lie on a raster.

        Raises
        ------
        GridError
            If the raster has no CRS.
        SamplesError
            If there are no coordinates, or no CRS brings them onto the raster.
        """
        grid = Grid.of(raster)
        if grid.crs is None:
            raise GridError(
                raster.attrs.get("source", "the raster"),
                found="no CRS",
                expected="a raster with a CRS",
                way_out="orthorectify it, or assign its CRS with gdal_edit.py -a_srs EPSG:...",
            )
        if hasattr(self.table, "geom_type"):
            self.set_given("crs")
            return
        pairs = self._pairs(path)
        trials = [place for pair in pairs for place in self._trials(pair, grid)]
        counts = [_count_inside(self.table, place, grid) for place in trials]
        best, count = trials[int(np.argmax(counts))], max(counts)
        if not count:
            first = [f"{values[np.isfinite(values)][0]:g}" for values in _coordinates(self.table, pairs[0])]
            raise SamplesError(
                path,
                found=f"samples such as {pairs[0].x} {first[0]}, {pairs[0].y} {first[1]}, which lie outside the raster "
                f"in {' and in '.join(dict.fromkeys(str(place.crs)[:40] for place in trials))}",
                expected=f"places on the raster ({describe_grid(grid)})",
                way_out="give the CRS of the samples with --crs EPSG:..., or other columns with --x and --y",
            )
        exchanged = best.x in {pair.y for pair in pairs}
        self.set(
            "x", best.x, "x and y are exchanged, because only then do samples lie on the raster" if exchanged else ""
        )
        self.set("y", best.y)
        self.set("crs", best.crs, f"{count} of {len(self.table)} samples lie on the raster")

    def set_places(self, path: str) -> None:
        """Set x, y and crs of a table without geometry if its CRS is known; a table does not need them."""
        if hasattr(self.table, "geom_type"):
            self.set_given("crs")
            return
        pairs = self._pairs(path) if "x" in self.given else list(self.columns.places)
        if not pairs:
            return
        crs = self.given.get("crs", pairs[0].crs)
        if crs is None:
            self.remarks.append(
                f"{pairs[0].x} and {pairs[0].y} look like coordinates, but their CRS is unknown: add --crs EPSG:... to "
                "use them for spatial blocks"
            )
            return
        for key, value in (("x", pairs[0].x), ("y", pairs[0].y), ("crs", crs)):
            self.set(key, value)

    def _pairs(self, path: str) -> list[Places]:
        if "x" in self.given and "y" in self.given:
            for name in (self.given["x"], self.given["y"]):
                require_column(Path(path), self.table, name)
            return [Places(self.given["x"], self.given["y"], None)]
        if not self.columns.places:
            raise SamplesError(
                path,
                problem=f"no columns of coordinates (columns: {list_ids([str(name) for name in self.table.columns])})",
                expected="columns such as lon and lat, or x and y",
                way_out="name them with --x and --y, and their CRS with --crs",
            )
        return list(self.columns.places)

    def _trials(self, pair: Places, grid: Grid) -> list[Places]:
        """Return what a pair of columns can be: in the CRS that is known, else in that of the raster or in degrees."""
        known = self.given.get("crs", pair.crs)
        degrees = ["EPSG:4326"] if are_degrees(*_coordinates(self.table, pair)) else []
        turned = replace(pair, x=pair.y, y=pair.x)
        return [replace(place, crs=crs) for crs in ([known] if known else [crs_text(grid.crs), *degrees])
                for place in ([pair] if "x" in self.given else [pair, turned])]  # fmt: skip


def begin_draft(kind: str, path: str, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Read a table and recognise its columns.

    Parameters
    ----------
    kind : str
        The kind of data.
    path : str
        The table with the targets.
    targets : sequence of str
        Columns that are predicted.
    given : dict
        Keys of `[data]` that the user chose.

    Raises
    ------
    RecipeError
        If there is no target; the message lists the columns of numbers.
    SamplesError
        If the table cannot be read or has no such column.
    """
    return draft_of_table(
        kind,
        path,
        read_table(Path(path), given.get("layer"), given.get("decimal")).reset_index(drop=True),
        targets,
        given,
    )


def draft_of_table(kind: str, path: str, table: pd.DataFrame, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Return the draft of a table that was read; see `begin_draft`."""
    for name in targets:
        require_column(Path(path), table, name)
    columns = recognise_columns(table.drop(columns=[*targets]))
    if not targets:
        raise RecipeError(
            path,
            problem="no target is given",
            expected=f"one of the columns of numbers: {', '.join(columns.numbers[:200]) or '(there is none)'}",
            way_out="name the property to predict with --target",
        )
    return Draft(table, columns, given, {"kind": kind})


def points_of(draft: Draft) -> gpd.GeoDataFrame:
    """Return the samples of a draft that have a place, as points with the column `row`, counted from 1."""
    import geopandas as gpd

    table, values = draft.table, draft.values
    if hasattr(table, "geom_type"):
        known = ((table.geom_type == "Point") & ~table.geometry.is_empty).to_numpy()
        points = table.geometry[known]
        points = points.set_crs(values["crs"]) if points.crs is None and "crs" in values else points
    else:
        x, y = (as_numbers(table[values[key]]) for key in ("x", "y"))
        known = np.isfinite(x) & np.isfinite(y)
        points = gpd.GeoSeries(gpd.points_from_xy(x[known], y[known]), crs=values["crs"])
    rows = (np.flatnonzero(known) + 1).astype(str)
    return gpd.GeoDataFrame({"row": rows}, geometry=points.reset_index(drop=True))


def crs_text(crs: Any) -> str:
    """Return a CRS as a recipe states it: its EPSG code, else WKT."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def _coordinates(table: pd.DataFrame, pair: Places) -> tuple[np.ndarray, np.ndarray]:
    return as_numbers(table[pair.x]), as_numbers(table[pair.y])


def _count_inside(table: pd.DataFrame, pair: Places, grid: Grid) -> int:
    """Return how many places lie on a grid."""
    import geopandas as gpd
    from pyproj.exceptions import ProjError

    x, y = _coordinates(table, pair)
    known = np.isfinite(x) & np.isfinite(y)
    try:
        points = gpd.GeoSeries(gpd.points_from_xy(x[known], y[known]), crs=pair.crs).to_crs(grid.crs)
    except ProjError:  # no such CRS, or no way to the local CRS of a site
        return 0
    columns = points.x.to_numpy(), points.y.to_numpy()
    is_finite = np.isfinite(columns).all(axis=0)  # a place far outside the area of a projection has no coordinates
    return int((grid.rows_columns(columns[0][is_finite], columns[1][is_finite])[0] >= 0).sum())
