"""Choose the rows of a spectral library that best represent a site: a table, the passes, and a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.io.tables.writer import write_csv
from geosoil.samples.libraries import align_library
from geosoil.samples.rs_local import rs_local

if TYPE_CHECKING:
    import os

    import pandas as pd

    from geosoil.samples.libraries import AlignedLibrary

ADDED_COLUMNS = ("library_row", "rs_local_order", "rs_local_error")


@dataclass(frozen=True, eq=False)
class LocalisedLibrary:
    """The chosen rows of the library `(k,)`, and the files: rows (Parquet), passes (CSV) and figure (PNG)."""

    path: Path
    passes_path: Path
    figure_path: Path
    chosen: np.ndarray
    passes: pd.DataFrame
    n_library: int
    n_site: int
    target: str
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return a few lines on the chosen rows and on the error of the subsets in each pass."""
        lines = [*self.notes]
        step = max(1, len(self.passes) // 8)
        shown = sorted({*range(0, len(self.passes), step), len(self.passes) - 1} if len(self.passes) else ())
        for i in shown:
            row = self.passes.iloc[i]
            lines.append(
                f"pass {i + 1:4d}: {int(row.n_before):6d} -> {int(row.n_after):6d} rows,"
                f" {int(row.n_subsets):6d} subsets, median RMSE {row.median_error:.4g}"
            )
        lines.append(f"{len(self.chosen)} of {self.n_library} rows chosen for {self.n_site} samples ({self.target})")
        lines += [f"rows    {self.path}", f"passes  {self.passes_path}", f"figure  {self.figure_path}"]
        return "\n".join(lines)


def localise(
    library: str | os.PathLike[str],
    site: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    target: str,
    id_column: str | None = None,
    journal: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> LocalisedLibrary:
    """Choose the rows of a spectral library that best represent a site, by RS-LOCAL, and write them.

    Parameters
    ----------
    library, site : path-like
        Spectra, in any format of `read_spectra`.
    output : path-like
        A Parquet file for the chosen rows, with the columns `library_row`, `rs_local_order` (1 is the best) and
        `rs_local_error` (in the unit of the target) added; OUTPUT_passes.csv and OUTPUT.png are written beside it.
    target : str
        Column of the property in both tables; its name states the unit, such as `soc_pct`.
    id_column : str, optional
        Column of sample names in both tables; default: `sample_id` or `id`.
    journal : path-like, optional
        A file to which each pass is saved, and from which an interrupted run is resumed.
    **settings
        Parameters of `rs_local`.

    Returns
    -------
    LocalisedLibrary
        The chosen rows, the files and notes.

    Raises
    ------
    GeosoilError
        An input or the output does not fit; this is checked before anything is computed.
    """
    output = check_output_path(
        output, (".parquet",), "ROWS.parquet", inputs=[library, site], beside=["_passes.csv", ".png"]
    )
    passes_path, figure_path = output.with_name(f"{output.stem}_passes.csv"), output.with_suffix(".png")
    for path in (output, passes_path, figure_path):
        require_writable(path)
    site_spectra, library_spectra = (read_spectra(Path(path), id_column=id_column) for path in (site, library))
    taken = set(ADDED_COLUMNS) & set(map(str, library_spectra.table.columns))
    if taken:
        raise SamplesError(
            library_spectra.source,
            found=f"a column {sorted(taken)[0]}",
            expected="a library, not the rows of an earlier choice",
            way_out="give the library itself",
        )
    aligned = align_library(library_spectra, site_spectra, target=target)
    result = rs_local(aligned.X_library, aligned.y_library, aligned.X_site, aligned.y_site, journal=journal, **settings)
    chosen = aligned.library_rows[result.rows]
    table = library_spectra.table.iloc[chosen].reset_index(drop=True).drop(columns="sample_id", errors="ignore")
    table[list(ADDED_COLUMNS)] = np.column_stack([chosen, result.order, result.errors])
    table = table.astype({"library_row": int, "rs_local_order": int})
    rows = replace(
        library_spectra,
        values=library_spectra.values[chosen],
        ids=[library_spectra.ids[i] for i in chosen],
        table=table,
    )
    _draw(aligned, result.rows, target, figure_path)
    with atomic_path(passes_path) as temporary:
        numbered = result.passes.set_axis(range(1, len(result.passes) + 1))
        write_csv(numbered, temporary, index_label="pass")
    write_spectra(rows, output)
    return LocalisedLibrary(
        output,
        passes_path,
        figure_path,
        chosen,
        result.passes,
        len(aligned.y_library),
        len(aligned.y_site),
        target,
        aligned.notes,
    )


def _draw(aligned: AlignedLibrary, rows: np.ndarray, target: str, path: Path) -> None:
    from geosoil.report.figure_style import save_figure
    from geosoil.report.spectra_figures import library_figure

    spectra = {"library": aligned.X_library, "chosen": aligned.X_library[rows], "site": aligned.X_site}
    contents = {"library": aligned.y_library, "chosen": aligned.y_library[rows], "site": aligned.y_site}
    save_figure(library_figure(spectra, contents, target=target), path)
