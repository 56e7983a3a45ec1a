"""Read tables of soil horizons and check them profile by profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.io.tables.numbers import DECIMAL_WAY_OUT, as_numbers, has_value, is_ambiguous
from geosoil.io.tables.reader import as_points, list_ids, read_ids, read_points, read_table, require_column
from geosoil.numerics.depth_spline import DEPTH_TOLERANCE_CM

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import geopandas as gpd

    from geosoil.io.tables.numbers import Decimal

_NODATA_CODES = (-9999.0, -999.0, -99.0)
_SHALLOW_CM = 3.0  # a table whose deepest horizon ends here holds metres
_SAME_PLACE = 1e-5  # in the units of the CRS: the rows of a profile repeat its coordinates up to rounding
_PLACE_NAMES = frozenset({"x", "y", "lon", "lat", "longitude", "latitude", "easting", "northing", "geometry"})


@dataclass(frozen=True)
class Horizons:
    """Checked horizons of soil profiles.

    Attributes
    ----------
    sites : GeoDataFrame
        One row per profile: its id, and its point with CRS.
    profile_id : str
        The column of ids.
    table : DataFrame
        One row per horizon, by profile and depth: `profile` (the row of its site), `top_cm`, `bottom_cm`, and the
        properties as float64 in the units of their names; NaN where there is no value.
    properties : list of str
    notes : list of str
        One sentence per remark on the data.
    """

    sites: gpd.GeoDataFrame
    profile_id: str
    table: pd.DataFrame
    properties: list[str]
    notes: list[str]


class Fault(NamedTuple):
    """What is wrong in the rows flagged `(horizon,)`, and the way out."""

    what: str
    rows: np.ndarray
    way_out: str


def read_horizons(
    path: str | os.PathLike[str],
    *,
    profile_id: str = "profile_id",
    x: str = "x",
    y: str = "y",
    crs: str | None = None,
    top_cm: str = "top_cm",
    bottom_cm: str = "bottom_cm",
    properties: Sequence[str] | None = None,
    on_error: Literal["stop", "drop"] = "stop",
    layer: str | None = None,
    decimal: Decimal | None = None,
) -> Horizons:
    """Read a table with one row per horizon, and check every profile.

    Horizons without a value of any property, such as rock, are not checked, and are left out where they have no valid
    depths. Faults of the others are: text among numbers; a depth that is missing, negative or counted upward (organic
    layers); a horizon that has no thickness, is inverted, occurs twice or overlaps another; a code for no data; and a
    profile with no place or two places. A profile that begins below the surface is accepted and noted.

    Parameters
    ----------
    path : path
        `.csv`, `.parquet`, `.gpkg` or another file that `read_samples` reads.
    profile_id : str
        Column of ids.
    x, y : str
        Columns of coordinates; not read if the file has geometry.
    crs : str, optional
        CRS of the coordinates, for a file without geometry.
    top_cm, bottom_cm : str
        Columns of depths, cm below the surface.
    properties : sequence of str, optional
        Columns of measured numbers, default: all other columns of numbers. An empty cell leaves only this property
        out of its horizon.
    on_error : {"stop", "drop"}
        Whether profiles with faults raise an error that lists them, or are left out and noted.
    layer, decimal : str, optional
        The layer of the file and the decimal mark of its numbers, as in `read_samples`.

    Returns
    -------
    Horizons

    Raises
    ------
    SamplesError
        If there are faults, a column, an id or the CRS is missing, the columns of depths are swapped, or the depths
        are in metres.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "horizons.csv"
    ...     _ = path.write_text("profile_id,x,y,top_cm,bottom_cm,soc_pct\\np1,13,52,10,30,1.2\\np1,13,52,0,10,2.5\\n")
    ...     horizons = read_horizons(path, crs="EPSG:4326")
    >>> horizons.table.values.tolist()
    [[0.0, 0.0, 10.0, 2.5], [0.0, 10.0, 30.0, 1.2]]
    """
    path = Path(path)
    table = read_table(path, layer, decimal).reset_index(drop=True)
    has_geometry = hasattr(table, "geom_type")
    for name in (profile_id, top_cm, bottom_cm, *(() if has_geometry else (x, y)), *(properties or ())):
        require_column(path, table, name)
    if table.empty:
        raise SamplesError(path, found="no rows", expected="a row for each horizon", way_out="check the file")
    if not has_geometry and crs is None:
        raise SamplesError(
            path,
            found=f"no CRS for the columns {x} and {y}",
            expected="one",
            way_out="give it, for instance crs=EPSG:4326 (--crs EPSG:4326)",
        )
    ids = read_ids(path, table[profile_id])
    notes: list[str] = []
    if properties is None:
        properties = _number_columns(path, table, {profile_id, top_cm, bottom_cm, x, y}, notes)
    properties = list(dict.fromkeys(properties))

    places = {} if has_geometry else {x: as_numbers(table[x]), y: as_numbers(table[y])}
    numbers = {name: as_numbers(table[name]) for name in (top_cm, bottom_cm, *properties)}
    top, bottom = numbers[top_cm], numbers[bottom_cm]
    _refuse_other_depths(path, top, bottom, top_cm, bottom_cm)
    if has_geometry:
        points = as_points(table.geometry)
        points = points.where(points.geom_type == "Point")
        at = np.stack([points.x, points.y])
    else:
        at = np.stack(list(places.values()))
    analysed = np.any([has_value(table[name]) for name in properties], axis=0)
    analysed |= not analysed.any()
    faults = [
        *(_text_fault(table[name], values, analysed) for name, values in {**numbers, **places}.items()),
        *(_code_fault(name, numbers[name]) for name in properties),
        *(_among(fault, analysed) for fault in _depth_faults(ids[analysed], top[analysed], bottom[analysed])),
        *(_among(fault, analysed) for fault in _place_faults(ids[analysed], at[:, analysed])),
    ]
    with np.errstate(invalid="ignore"):
        unusable = ~analysed & ~((top >= 0) & (top < bottom) & np.isfinite(at).all(axis=0))
    kept = _kept(path, ids, [fault for fault in faults if fault.rows.any()], on_error, notes) & ~unusable
    if unusable.any():
        notes.append(
            f"left out {unusable.sum()} horizons without a value and without valid depths, of "
            f"{list_ids(pd.unique(ids[unusable]))}"
        )

    points = read_points(path, table[kept], ids[kept], x, y, crs)
    _check_degrees(path, points)
    profile, profiles = pd.factorize(ids[kept])
    frame = pd.DataFrame({"profile": profile, "top_cm": top[kept], "bottom_cm": bottom[kept]})
    frame = frame.assign(**{name: numbers[name][kept] for name in properties})
    first = frame.groupby("profile")["top_cm"].min().to_numpy()
    if (first > 0).any():
        notes.append(
            f"{(first > 0).sum()} of {len(profiles)} profiles begin below the surface; the soil above is unknown: "
            f"{list_ids(profiles[first > 0])}"
        )
    import geopandas as gpd

    begins = np.flatnonzero(~pd.Series(profile).duplicated())
    return Horizons(
        sites=gpd.GeoDataFrame({profile_id: profiles}, geometry=points.iloc[begins].reset_index(drop=True)),
        profile_id=profile_id,
        table=frame.sort_values(["profile", "top_cm"], ignore_index=True),
        properties=properties,
        notes=notes,
    )


def _number_columns(path: Path, table: pd.DataFrame, others: set[str], notes: list[str]) -> list[str]:
    """Return the columns in which most filled cells are numbers, and note the columns of text."""
    shares = {
        str(name): np.isfinite(as_numbers(table[name])).sum() / max(1, has_value(table[name]).sum())
        for name in table.columns
        if name not in others and str(name).lower() not in _PLACE_NAMES
    }
    found = [name for name, share in shares.items() if share > 0.5]
    if not found:
        raise SamplesError(
            path,
            found="only ids, places, depths and text",
            expected="at least one measured property",
            way_out="name it with properties= (--property NAME)",
        )
    left_out = [name for name in shares if name not in found]
    notes.append(f"took {', '.join(found)}" + (f"; left out, as text: {', '.join(left_out)}" if left_out else ""))
    return found


def _refuse_other_depths(path: Path, top: np.ndarray, bottom: np.ndarray, top_cm: str, bottom_cm: str) -> None:
    """Raise SamplesError if all depths of a table are heights, swapped, or in metres."""
    known = np.isfinite(top) & np.isfinite(bottom) & (top != bottom)
    if not known.any():
        return
    if (top[known] <= 0).all() and (bottom[known] <= 0).all():
        raise SamplesError(
            path,
            found="no depth above 0: heights, counted upward",
            expected="cm below the surface, counted downward",
            way_out="turn the signs of both columns",
        )
    if (top > bottom)[known].all():
        raise SamplesError(
            path,
            found=f"{top_cm} below {bottom_cm} in every horizon: the two columns are swapped",
            expected="the top of a horizon above its bottom",
            way_out=f"rename them, or name them the other way round (--top {bottom_cm} --bottom {top_cm})",
        )
    deepest = bottom[known].max()
    if deepest <= _SHALLOW_CM:
        raise SamplesError(
            path,
            found=f"no horizon deeper than {deepest:g} in {bottom_cm}: these look like metres",
            expected="cm below the surface",
            way_out="multiply both depths by 100",
        )


def _text_fault(column: pd.Series, values: np.ndarray, analysed: np.ndarray) -> Fault:
    wrong = np.isnan(values) & has_value(column) & analysed
    cell = f" ({str(column[wrong].iloc[0])!r})" if wrong.any() else ""
    unclear = wrong.any() and is_ambiguous(column)
    return Fault(
        f"no number in {column.name}{cell}", wrong, DECIMAL_WAY_OUT if unclear else "correct or empty the cell"
    )


def _among(fault: Fault, rows: np.ndarray) -> Fault:
    """Return a fault found among some rows as one of all rows."""
    flags = np.zeros(len(rows), bool)
    flags[rows] = fault.rows
    return fault._replace(rows=flags)


def _code_fault(name: str, values: np.ndarray) -> Fault:
    coded = np.isin(values, _NODATA_CODES)
    cell = f"{values[coded][0]:g}" if coded.any() else ""
    return Fault(f"{cell} in {name}, a code for no data", coded, "empty the cell")


def _depth_faults(ids: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> list[Fault]:
    frame = pd.DataFrame({"id": ids, "top": top, "bottom": bottom})
    missing = np.isnan(top) | np.isnan(bottom)
    negative = (top < 0) | (bottom < 0)
    inverted = ~negative & (top > bottom)
    # An O horizon written 5-0 over an A horizon 0-20: the profile also has a horizon that begins at 0 the right way.
    from_zero = frame["id"].isin(frame.loc[(top == 0) & (bottom > 0), "id"]).to_numpy()
    to_zero = frame["id"].isin(frame.loc[inverted & (bottom == 0), "id"]).to_numpy()
    organic = inverted & from_zero & to_zero
    twice = frame.duplicated().to_numpy() & ~missing
    good = np.flatnonzero(~missing & (top < bottom) & ~negative & ~twice)
    order = good[np.lexsort((top[good], pd.factorize(ids)[0][good]))]
    # Compared with the deepest bottom so far: a long horizon may overlap more than the next one.
    deepest = frame.loc[order].groupby("id", sort=False)["bottom"].cummax().to_numpy()
    overlaps = np.zeros(len(ids), bool)
    same = ids[order][1:] == ids[order][:-1]
    overlaps[order[1:]] = same & (top[order][1:] < deepest[:-1] - DEPTH_TOLERANCE_CM)
    downward = "count depths downward from one zero, for instance the top of the organic layer"
    return [
        Fault("no depth", missing, "give both depths"),
        Fault("depths above zero, as of an organic layer", negative & ~missing, downward),
        Fault("an organic layer counted upward from 0", organic, downward),
        Fault("top below bottom", inverted & ~organic, "swap the two depths"),
        Fault("no thickness", ~missing & (top == bottom), "correct the depths or delete the row"),
        Fault("a horizon twice", twice, "delete or average the duplicate rows"),
        Fault("horizons that overlap", overlaps, "correct the depths"),
    ]


def _place_faults(ids: np.ndarray, at: np.ndarray) -> list[Fault]:
    missing = np.isnan(at).any(axis=0)
    places = pd.DataFrame(at.T).groupby(ids)
    spread = (places.transform("max") - places.transform("min")).max(axis=1).to_numpy()
    return [
        Fault("no place", missing, "give a point in each row"),
        Fault("two places", spread > _SAME_PLACE, "correct the coordinates, or give the profiles ids of their own"),
    ]


def _kept(path: Path, ids: np.ndarray, faults: list[Fault], on_error: str, notes: list[str]) -> np.ndarray:
    """Return which rows are kept: all without a fault; the faults are raised or noted."""
    if not faults:
        return np.ones(len(ids), bool)

    def describe(fault: Fault) -> str:
        return f"{fault.what}: {list_ids(pd.unique(ids[fault.rows]))} ({fault.way_out})"

    bad = pd.unique(ids[np.any([fault.rows for fault in faults], axis=0)])
    n_profiles = len(pd.unique(ids))
    text = f"{len(bad)} of {n_profiles} profiles with faults: {'; '.join(map(describe, faults))}"
    if on_error == "stop" or len(bad) == n_profiles:
        drop = "" if len(bad) == n_profiles else ', or drop these profiles with on_error="drop" (--on-error drop)'
        raise SamplesError(path, found=text, expected="horizons one below the other", way_out=f"correct them{drop}")
    notes.append(f"dropped {text}")
    return ~np.isin(ids, bad)


def _check_degrees(path: Path, points: Any) -> None:
    """Raise SamplesError for metres with a CRS in degrees, and for degrees with a CRS in metres."""
    degrees = bool(((points.x.abs() <= 180) & (points.y.abs() <= 90)).all())
    if points.crs.is_geographic != degrees:
        looks, units = ("degrees", "metres") if degrees else ("metres", "degrees")
        raise SamplesError(
            path,
            found=f"coordinates that look like {looks} ({points.x.iloc[0]:g}, {points.y.iloc[0]:g})",
            expected=f"{units}, as {points.crs.to_string()[:40]} has them",
            way_out="give the CRS, or the columns of coordinates, that belong together",
        )
