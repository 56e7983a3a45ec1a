"""Collect the spectra of files and their labels in one table: a library to train models from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, WavelengthError
from geosoil.io.atomic import require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.spectra.folder import read_folder, require_one_grid
from geosoil.io.spectra.labels import join_labels
from geosoil.io.spectra.reader import check_options, check_spectra, read_spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from geosoil.io.spectra.stored import Quantity, WavelengthUnit
    from geosoil.io.spectra.unify import Spectra
    from geosoil.io.tables.numbers import Decimal

MOST_BANDS = 100_000


@dataclass(frozen=True, eq=False)
class SpectraTable:
    """A table of spectra that was written, and notes on its making."""

    path: Path
    spectra: Spectra
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return a few lines on the spectra and the columns of labels."""
        n, p = self.spectra.values.shape
        low, high = self.spectra.wavelength_nm[[0, -1]]
        lines = [f"spectra   {n} x {p} bands of {self.spectra.quantity}, {low:g} to {high:g} nm"]
        for name, column in self.spectra.table.items():
            if column.dtype.kind == "f" and column.notna().any():
                lines.append(f"column    {name}: {column.min():g} to {column.max():g}, {column.notna().sum()} numbers")
        return "\n".join([*lines, f"table     {self.path}"])


def collect_spectra(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    label_id: str | None = None,
    wavelengths_nm: Sequence[float] | np.ndarray | None = None,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
    id_column: str | Sequence[str] | None = None,
    decimal: Decimal | None = None,
    layer: str | None = None,
) -> SpectraTable:
    """Read spectra from a file or a folder of files, join labels by id, and write one table.

    Parameters
    ----------
    path : path-like
        A file or folder that `read_spectra` reads; the files of a folder may have several formats.
    output : path-like
        The Parquet table to write.
    labels : path-like, optional
        A table with one row per sample, such as laboratory values.
    label_id : str, optional
        The column of `labels` with the ids of spectra; default: the one that names most of them.
    wavelengths_nm : sequence of float, optional
        Bands in nm to which all spectra are interpolated; needed if files have different wavelengths.
    quantity, scale, wavelength_unit, id_column, decimal
        As in `read_spectra`; `decimal` is also that of the labels.
    layer : str, optional
        The sheet or layer of the labels, or of the spectra if there are no labels.

    Returns
    -------
    SpectraTable
        The spectra as written, and notes: files that are not spectra, labels and spectra that did not match.

    Raises
    ------
    GeosoilError
        A file cannot be read or does not fit, or the output cannot be written.
    """
    path = Path(path)
    output = check_output_path(output, (".parquet", ".pq"), "LIBRARY.parquet", inputs=[path, labels])
    require_writable(output)
    reading: dict[str, Any] = {"quantity": quantity, "scale": scale, "wavelength_unit": wavelength_unit}
    of_tables: dict[str, Any] = {"id_column": id_column, "decimal": decimal, "layer": None if labels else layer}
    grid = None if wavelengths_nm is None else _grid(wavelengths_nm)
    if path.is_dir():
        check_options(path, **reading)
        exclude = [output, *([Path(labels)] if labels is not None else [])]
        groups = read_folder(path, {**of_tables, "quantity": quantity}, reading, exclude)
    else:
        groups = [read_spectra(path, **reading, **of_tables)]
    spectra = require_one_grid(path, groups) if grid is None else _interpolate(groups, grid)
    check_spectra(spectra)
    if labels is not None:
        spectra = join_labels(spectra, Path(labels), id_column=label_id, layer=layer, decimal=decimal)
    spectra = replace(spectra, table=spectra.table.drop(columns="sample_id", errors="ignore"))
    write_spectra(spectra, output)
    return SpectraTable(output, spectra, spectra.notes)


def _grid(wavelengths_nm: Sequence[float] | np.ndarray) -> np.ndarray:
    grid = np.asarray(wavelengths_nm, np.float64)
    if grid.ndim != 1 or not 2 <= len(grid) <= MOST_BANDS or not (np.diff(grid) > 0).all() or not grid[0] > 0:
        raise WavelengthError(
            "wavelengths_nm",
            found=f"{grid.size} wavelengths",
            expected=f"2 to {MOST_BANDS} increasing wavelengths in nm",
            way_out="correct them (--wavelengths 400:2500:5)",
        )
    return grid


def _interpolate(groups: list[Spectra], grid: np.ndarray) -> Spectra:
    """Return all spectra on the bands of a grid."""
    parts = []
    for group in groups:
        matrix = resampling_matrix(group.wavelength_nm, grid)
        if not np.isfinite(matrix).all():
            low, high = group.wavelength_nm[[0, -1]]
            where = group.source if "file" not in group.table else group.source / str(group.table["file"].iloc[0])
            raise WavelengthError(
                where,
                found=f"spectra from {low:g} to {high:g} nm",
                expected=f"{grid[0]:g} to {grid[-1]:g} nm, as specified",
                way_out="specify wavelengths that all files cover (--wavelengths)",
            )
        parts.append((group.values.astype(np.float64) @ matrix.T).astype(np.float32))
    kinds = {group.quantity for group in groups}
    if len(kinds) > 1:
        raise SamplesError(groups[0].source, found="two quantities", expected="one", way_out="specify quantity")
    shapes = ", ".join(f"{len(group.ids)} of {len(group.wavelength_nm)} bands" for group in groups)
    note = f"interpolated linearly to {len(grid)} bands: spectra {shapes}"
    return replace(
        groups[0],
        wavelength_nm=grid,
        values=np.concatenate(parts),
        ids=[name for group in groups for name in group.ids],
        table=pd.concat([group.table for group in groups], ignore_index=True),
        notes=(*(text for group in groups for text in group.notes), note),
    )
