"""One-hot encoding of bands with class codes, lazily."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from xarray.core import indexing

from geosoil.errors import RasterError
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.layout import STORED_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unseen = Literal["stop", "nodata"]

_STRIP_PIXELS = 2**22  # read at once to find the codes of a band
LARGEST_CODE = 2**24  # rasters are float32: larger codes are not exact


@dataclass(frozen=True)
class ClassTable:
    """The classes of a band: each of `codes` becomes a band; `seen` are the codes that may occur (None: all)."""

    codes: tuple[int, ...]
    seen: tuple[int, ...] | None = None

    @property
    def accepted(self) -> tuple[int, ...]:
        """The codes that may occur."""
        return self.codes if self.seen is None else self.seen


def class_table(given: ClassTable | str | os.PathLike[str] | Sequence[int], band: str) -> ClassTable:
    """Return the classes of a band from a CSV file with a column `code`, or from a list of codes.

    Parameters
    ----------
    given : ClassTable, path-like or sequence of int
        The classes, a CSV file, or the codes.
    band : str
        The name of the band, for messages.

    Returns
    -------
    ClassTable
        The classes.

    Raises
    ------
    RasterError
        If there are no codes, a code is repeated, or a code is not an integer that float32 represents exactly.

    Examples
    --------
    >>> class_table([1, 2, 7], "landform").codes
    (1, 2, 7)
    """
    if isinstance(given, ClassTable):
        return given
    way_out = "specify a CSV file with the columns code,label, or a list of codes"
    if isinstance(given, str | os.PathLike):
        where = os.fspath(given)
        texts = _read_codes(where)
    else:
        where, texts = f"classes of {band}", [str(code) for code in given]
    codes = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not number.is_integer() or abs(number) > LARGEST_CODE:
            raise RasterError(
                where,
                found=f"the code {text!r}",
                expected=f"integers from -{LARGEST_CODE} to {LARGEST_CODE}",
                way_out=way_out,
            )
        codes.append(int(number))
    if not codes or len(set(codes)) < len(codes):
        repeated = next((code for code in codes if codes.count(code) > 1), None)
        found = "no code" if repeated is None else f"the code {repeated} twice"
        raise RasterError(where, found=found, expected="each code of the band once", way_out=way_out)
    return ClassTable(tuple(codes))


def _read_codes(path: str) -> list[str]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "code" not in (rows.fieldnames or ()):
                raise RasterError(
                    path,
                    found=f"the columns {', '.join(rows.fieldnames or ()) or 'none'}",
                    expected="code,label",
                    way_out="rename the column of the class codes to `code`",
                )
            return [row["code"] or "" for row in rows]
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "not valid UTF-8"
        raise RasterError(path, problem=problem, expected="a table of classes", way_out="check the path") from error


def find_codes(band: xr.DataArray, most: int) -> tuple[int, ...] | None:
    """Return the codes of a band that has few different values, all of them integers; None for any other band.

    Parameters
    ----------
    band : xarray.DataArray
        `(y, x)` raster; it is read in strips of rows, until there are too many values.
    most : int
        The largest number of codes.

    Returns
    -------
    tuple of int or None

    Examples
    --------
    >>> find_codes(xr.DataArray([[1.0, 2.0, np.nan], [7.0, 1.0, 2.0]], dims=("y", "x")), 9)
    (1, 2, 7)
    >>> find_codes(xr.DataArray([[1.0, 2.5]], dims=("y", "x")), 9) is None
    True
    """
    codes: set[float] = set()
    strip = max(1, _STRIP_PIXELS // band.sizes["x"])
    for row in range(0, band.sizes["y"], strip):
        values = np.unique(band[row : row + strip].values)
        values = values[np.isfinite(values)]
        codes.update(values.tolist())
        if len(codes) > most or (np.mod(values, 1) != 0).any() or (np.abs(values) > LARGEST_CODE).any():
            return None
    return tuple(sorted(int(code) for code in codes))


def one_hot(
    raster: xr.DataArray,
    tables: Mapping[str, ClassTable],
    *,
    unseen: Unseen = "stop",
    files: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Replace bands of class codes by one band of 0 and 1 for each class, lazily; NaN = no data.

    Parameters
    ----------
    raster : xarray.DataArray
        `(band, y, x)` raster.
    tables : mapping of str to ClassTable
        The classes by band name; the new bands replace the old one and have names such as `landform=7`.
    unseen : {"stop", "nodata"}
        A code that the table does not accept raises an error, or becomes no data.
    files : mapping of str to str, optional
        The file of each band, for messages.

    Returns
    -------
    xarray.DataArray
        `(band, y, x)` lazy raster.

    Raises
    ------
    RasterError
        When values are computed, for a code that is not accepted.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> raster = make_raster(np.array([[[1, 7, np.nan]]], "float32"), names=["landform"], crs=None,
    ...                      transform=Affine.scale(30, -30))
    >>> bands = one_hot(raster, {"landform": ClassTable((1, 7))})
    >>> bands.band.values.tolist(), bands.values[:, 0].tolist()
    (['landform=1', 'landform=7'], [[1.0, 0.0, nan], [0.0, 1.0, nan]])
    """
    if not tables:
        return raster
    outputs: list[tuple[int, int | None]] = []
    names: list[str] = []
    class_bands: dict[int, _ClassBand] = {}
    for place, name in enumerate(map(str, raster["band"].values)):
        if name not in tables:
            outputs.append((place, None))
            names.append(name)
            continue
        where = (files or {}).get(name) or raster.attrs.get("source") or "raster"
        class_bands[place] = _ClassBand(name, where, tables[name].accepted)
        outputs += [(place, code) for code in tables[name].codes]
        names += [f"{name}={code}" for code in tables[name].codes]
    array = OneHotArray(raster.variable, tuple(outputs), class_bands, unseen)
    data = indexing.LazilyIndexedArray(array)
    others = {name: values for name, values in raster.coords.items() if "band" not in values.dims}
    result = xr.DataArray(data, dims=raster.dims, coords={**others, "band": names}, attrs=raster.attrs)
    result.encoding.update(raster.encoding)
    if STORED_BYTES in raster.encoding:  # one stored band is read for all of its classes
        result.encoding[STORED_BYTES] *= raster.sizes["band"] / len(names)
    return result


@dataclass(frozen=True)
class _ClassBand:
    """A band of classes: its name and file, for messages, and the accepted codes."""

    name: str
    where: str
    codes: tuple[int, ...]


class OneHotArray(WindowArray):
    """One-hot bands; `outputs` has (source band, class code, or None for an unchanged band) for each band."""

    def __init__(
        self,
        source: xr.Variable,
        outputs: tuple[tuple[int, int | None], ...],
        class_bands: dict[int, _ClassBand],
        unseen: Unseen,
    ) -> None:
        super().__init__((len(outputs), *source.shape[1:]))
        self.source, self.outputs, self.class_bands, self.unseen = source, outputs, class_bands, unseen

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the source bands of the requested bands, and compare codes."""
        chosen = [self.outputs[band] for band in bands]
        needed = sorted({place for place, _ in chosen})
        stored = dict(zip(needed, self.source[needed, rows, columns].values, strict=True))
        gaps = {
            place: self._find_gaps(stored[place], self.class_bands[place])
            for place in needed
            if place in self.class_bands
        }
        out = np.empty((len(chosen), *next(iter(stored.values())).shape), np.float32)
        for values, (place, code) in zip(out, chosen, strict=True):
            if code is None:
                values[:] = stored[place]
            else:
                np.equal(stored[place], code, out=values)
                np.copyto(values, np.nan, where=gaps[place])
        return out

    def _find_gaps(self, codes: np.ndarray, class_band: _ClassBand) -> np.ndarray:
        """Return the pixels `(y, x)` without data; a code that is not accepted raises RasterError or is no data."""
        gaps = np.isnan(codes)
        unknown = ~gaps & ~np.isin(codes, np.array(class_band.codes, np.float32))
        if not unknown.any():
            return gaps
        if self.unseen == "nodata":
            return gaps | unknown
        raise RasterError(
            class_band.where,
            found=f"class {codes[unknown][0]:g} in the band {class_band.name} ({unknown.sum()} pixels of one block)",
            expected=f"one of its known classes {', '.join(map(str, class_band.codes))}",
            way_out="train with samples of it, or exclude these pixels: --unseen-classes nodata (unseen='nodata')",
        )
