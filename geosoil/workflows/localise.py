"""`geosoil localise` from end to end: a library and a site in, the chosen rows as a table, with figure and passes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.spectra.reader import read_spectra, write_spectra
from geosoil.samples.libraries import align_library
from geosoil.samples.rs_local import rs_local

if TYPE_CHECKING:
    import os

    import pandas as pd

    from geosoil.samples.libraries import AlignedLibrary

ADDED_COLUMNS = ("library_row", "rs_local_order", "rs_local_error")


@dataclass(frozen=True, eq=False)
class LocalisedLibrary:
    """What was written where: rows (Parquet), passes (CSV), figure (PNG); chosen rows of the library `(k,)`."""

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
        """Tell what was chosen and how the errors of the subsets fell from pass to pass."""
        lines = [*self.notes]
        step = max(1, len(self.passes) // 8)
        shown = sorted({*range(0, len(self.passes), step), len(self.passes) - 1} if len(self.passes) else ())
        for i in shown:
            one = self.passes.iloc[i]
            lines.append(
                f"pass {i + 1:4d}: {int(one.n_before):6d} -> {int(one.n_after):6d} rows,"
                f" {int(one.n_subsets):6d} subsets, median RMSE {one.median_error:.4g}"
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
    """Choose the rows of a library of spectra that best serve a site, by RS-LOCAL, and write them.

    library, site: what `read_spectra` reads, both with the column `target`, whose name says its unit. output: a Parquet
    file that `read_spectra` reads back: the chosen rows as the library has them, with `library_row`, `rs_local_order`
    (1 the best) and `rs_local_error` (in the unit of the target); OUTPUT_passes.csv and OUTPUT.png stand beside it.
    id_column: of both tables, where it is not `sample_id` or `id`. journal: a killed run goes on from it.
    settings: those of `rs_local`.

    Raises the GeosoilError that says what does not fit, before anything is computed.
    """
    output = check_output_path(
        output, (".parquet",), "ROWS.parquet", inputs=[library, site], beside=["_passes.csv", ".png"]
    )
    passes_path, figure_path = output.with_name(f"{output.stem}_passes.csv"), output.with_suffix(".png")
    for path in (output, passes_path, figure_path):
        require_writable(path)
    ours, theirs = (read_spectra(Path(path), id_column=id_column) for path in (site, library))
    taken = set(ADDED_COLUMNS) & set(map(str, theirs.table.columns))
    if taken:
        raise SamplesError(
            theirs.source,
            found=f"a column {sorted(taken)[0]}",
            expected="a library, not the rows of an earlier choice",
            way_out="give the library itself",
        )
    aligned = align_library(theirs, ours, target=target)
    result = rs_local(aligned.X_library, aligned.y_library, aligned.X_site, aligned.y_site, journal=journal, **settings)
    chosen = aligned.library_rows[result.rows]
    table = theirs.table.iloc[chosen].reset_index(drop=True).drop(columns="sample_id", errors="ignore")
    table[list(ADDED_COLUMNS)] = np.column_stack([chosen, result.order, result.errors])
    table = table.astype({"library_row": int, "rs_local_order": int})
    rows = replace(theirs, values=theirs.values[chosen], ids=[theirs.ids[i] for i in chosen], table=table)
    _draw(aligned, result.rows, target, figure_path)
    with atomic_path(passes_path) as temporary:
        numbered = result.passes.set_axis(range(1, len(result.passes) + 1))
        numbered.to_csv(temporary, index_label="pass")
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
