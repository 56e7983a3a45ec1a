"""Bands of class codes as one band of 0 and 1 for each class, lazily."""

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

LARGEST_CODE = 2**24  # rasters are float32: beyond it two codes may be one number


@dataclass(frozen=True)
class ClassTable:
    """The classes of a band: a band of 0 and 1 for each of `codes`; `seen` are those that may occur (None: all)."""

    codes: tuple[int, ...]
    seen: tuple[int, ...] | None = None

    @property
    def accepted(self) -> tuple[int, ...]:
        """The codes that may occur."""
        return self.codes if self.seen is None else self.seen


def class_table(given: ClassTable | str | os.PathLike[str] | Sequence[int], band: str) -> ClassTable:
    """Return the classes of a band from a CSV file with a column `code`, or from the codes themselves.

    Raises RasterError for a table without codes, with one twice, or with one that is no whole number of float32.

    >>> class_table([1, 2, 7], "landform").codes
    (1, 2, 7)
    """
    if isinstance(given, ClassTable):
        return given
    way_out = "give a CSV file with the columns code,label, or a list of codes"
    if isinstance(given, str | os.PathLike):
        where = os.fspath(given)
        texts = _column(where)
    else:
        where, texts = f"classes of {band}", [str(one) for one in given]
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
                expected=f"whole numbers from -{LARGEST_CODE} to {LARGEST_CODE}",
                way_out=way_out,
            )
        codes.append(int(number))
    if not codes or len(set(codes)) < len(codes):
        twice = next((code for code in codes if codes.count(code) > 1), None)
        found = "no code" if twice is None else f"the code {twice} twice"
        raise RasterError(where, found=found, expected="each code of the band once", way_out=way_out)
    return ClassTable(tuple(codes))


def _column(path: str) -> list[str]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "code" not in (rows.fieldnames or ()):
                raise RasterError(
                    path,
                    found=f"the columns {', '.join(rows.fieldnames or ()) or 'none'}",
                    expected="code,label",
                    way_out="name the column of the class codes `code`",
                )
            return [row["code"] or "" for row in rows]
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "no text in UTF-8"
        raise RasterError(path, found=found, expected="a table of classes", way_out="check the path") from error


def one_hot(
    raster: xr.DataArray,
    tables: Mapping[str, ClassTable],
    *,
    unseen: Unseen = "stop",
    files: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Replace bands of class codes by one band for each class, lazily: 1 where it is, 0 elsewhere, NaN = no data.

    raster: `(band, y, x)`. tables: band name -> its classes; the new bands are named `landform=7` and stand in the
    place of the old one. unseen: a code that the table does not accept stops the reading of its window, or is
    "nodata". files: band name -> file, for messages.

    Raises RasterError on computing, for a code that is not accepted.

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
    known: dict[int, _Known] = {}
    for place, name in enumerate(str(one) for one in raster["band"].values):
        if name not in tables:
            outputs.append((place, None))
            names.append(name)
            continue
        where = (files or {}).get(name) or raster.attrs.get("source") or "raster"
        known[place] = _Known(name, where, tables[name].accepted)
        outputs += [(place, code) for code in tables[name].codes]
        names += [f"{name}={code}" for code in tables[name].codes]
    array = OneHotArray(raster.variable, tuple(outputs), known, unseen)
    data = indexing.LazilyIndexedArray(array)
    others = {name: one for name, one in raster.coords.items() if "band" not in one.dims}
    result = xr.DataArray(data, dims=raster.dims, coords={**others, "band": names}, attrs=raster.attrs)
    result.encoding.update(raster.encoding)
    if STORED_BYTES in raster.encoding:  # one band is read for all of its classes
        result.encoding[STORED_BYTES] *= raster.sizes["band"] / len(names)
    return result


@dataclass(frozen=True)
class _Known:
    """A band of classes: its name and file, for messages, and the codes that may occur in it."""

    name: str
    where: str
    codes: tuple[int, ...]


class OneHotArray(WindowArray):
    """`outputs`: one (band of the source, class code or None for the band as it is) for each band of the result."""

    def __init__(
        self, source: xr.Variable, outputs: tuple[tuple[int, int | None], ...], known: dict[int, _Known], unseen: Unseen
    ) -> None:
        super().__init__((len(outputs), *source.shape[1:]))
        self.source, self.outputs, self.known, self.unseen = source, outputs, known, unseen

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the bands that the chosen ones are made of, and compare codes."""
        chosen = [self.outputs[band] for band in bands]
        needed = sorted({place for place, _ in chosen})
        stored = dict(zip(needed, self.source[needed, rows, columns].values, strict=True))
        gaps = {place: self._gaps(stored[place], self.known[place]) for place in needed if place in self.known}
        out = np.empty((len(chosen), *next(iter(stored.values())).shape), np.float32)
        for into, (place, code) in zip(out, chosen, strict=True):
            if code is None:
                into[:] = stored[place]
            else:
                np.equal(stored[place], code, out=into)
                np.copyto(into, np.nan, where=gaps[place])
        return out

    def _gaps(self, codes: np.ndarray, known: _Known) -> np.ndarray:
        """Return where a band of codes has no data `(y, x)`; stop at a code that is not known."""
        gaps = np.isnan(codes)
        strange = ~gaps & ~np.isin(codes, np.array(known.codes, np.float32))
        if not strange.any():
            return gaps
        if self.unseen == "nodata":
            return gaps | strange
        raise RasterError(
            known.where,
            found=f"class {codes[strange][0]:g} in the band {known.name} ({strange.sum()} pixels of one block)",
            expected=f"one of its known classes {', '.join(map(str, known.codes))}",
            way_out="train with samples of it, or leave these pixels out: --unseen-classes nodata (unseen='nodata')",
        )
