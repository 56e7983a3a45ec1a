"""Bring the tables of a published spectral library into one Parquet table that `read_spectra` reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.atomic import atomic_path
from geosoil.io.libraries import LIBRARIES, recognise_library
from geosoil.io.libraries.layout import column_names
from geosoil.io.libraries.rows import Columns, Labels, Rows, average_scans
from geosoil.io.libraries.tables import find_tables
from geosoil.io.libraries.writer import LibraryWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from geosoil.io.libraries.layout import Layout, LibraryKind, Property, Scans
    from geosoil.io.libraries.tables import LibraryTable, SheetTable
    from geosoil.io.libraries.writer import LibrarySummary
    from geosoil.io.spectra.stored import Quantity

    Progress = Callable[[str, int, int], None]
    Table = LibraryTable | SheetTable

ScansName = Literal["visnir", "nir", "mir"]


def import_tables(
    paths: Sequence[Path],
    output: Path,
    *,
    scans: ScansName | None = None,
    quantity: Quantity | None = None,
    progress: Progress | None = None,
) -> LibrarySummary:
    """Write the spectra of one published library, with its laboratory values, to a Parquet table; see `import_library`.

    The tables with spectra are read in batches of rows, so that the memory does not grow with their size; tables
    without spectra are in memory.
    """
    tables = find_tables(paths)
    kind, layouts = _recognised(tables)
    chosen, of_scans, others = _choose_scans(tables, layouts, scans)
    spectra = [table for table, layout in zip(tables, layouts, strict=True) if chosen in layout.scans]
    rest = [table for table, layout in zip(tables, layouts, strict=True) if not layout.scans]
    columns, described = _columns(dict(zip(map(id, tables), layouts, strict=True)), [*spectra, *rest])
    counts: Counter[str] = Counter()
    labels = Labels()
    for table in rest:
        labels.add(table, columns[id(table)], kind, counts)
    written = LibraryWriter(output, of_scans, kind, described, labels, quantity, counts)
    sizes = [table.path.stat().st_size for table in spectra]
    with atomic_path(output) as temporary, written.opened(temporary):
        for number, table in enumerate(spectra):
            before = sum(sizes[:number])

            def report(done: int, before: int = before) -> None:
                if progress is not None:
                    progress("import", min(before + done, sum(sizes)), sum(sizes))

            for rows in _read(table, columns[id(table)], of_scans, kind, counts, report):
                written.put(rows, table.where)
        written.finish(spectra[0].where)
    return written.summary(chosen, others)


def _read(
    table: Table, columns: Columns, scans: Scans, kind: LibraryKind, counts: Counter[str], report: Callable[[int], None]
) -> Iterator[Rows]:
    """Yield the rows of a table, with repeated scans averaged where the library has them."""
    places = columns.layout.scans
    bands = next(of.columns for of in places.values() if np.array_equal(of.wavelength_nm, scans.wavelength_nm))
    waiting: Rows | None = None
    for batch in table.read(bands, columns.places, report):
        rows = columns.rows(batch, kind, counts)
        counts["rows"] += len(rows)
        if not kind.averages_scans:
            yield rows
            continue
        rows = rows if waiting is None else waiting.followed_by(rows)
        if not len(rows):
            continue
        last = next((row for row in range(len(rows) - 1, -1, -1) if rows.keys[row] != rows.keys[-1]), -1) + 1
        yield _averaged(rows.kept(np.arange(last)), counts)  # the next batch may have more scans of the last id
        waiting = rows.kept(np.arange(last, len(rows)))
    if waiting is not None:
        yield _averaged(waiting, counts)


def _averaged(rows: Rows, counts: Counter[str]) -> Rows:
    if not len(rows):
        return rows
    averaged = average_scans(rows)
    counts["repeated scans that were averaged with the one before"] += len(rows) - len(averaged)
    return averaged


def _recognised(tables: Sequence[Table]) -> tuple[LibraryKind, list[Layout]]:
    """Return the library of the tables, and what the columns of each are."""
    found = [recognise_library(table.names) for table in tables]
    kinds = {known[0].name for known in found if known is not None}
    for table, known in zip(tables, found, strict=True):
        if known is None or len(kinds) > 1:
            columns = ", ".join(table.names[:6])
            raise SamplesError(
                table.where,
                found=f"columns {columns}, ... of no library that is known" if known is None else f"{known[0].title}",
                expected="tables of one library: " + ", ".join(kind.title for kind in LIBRARIES.values()),
                way_out="other tables of spectra need no import; read_spectra and recipes read them as they are"
                if known is None
                else "import each library by itself",
            )
    if not tables:
        raise SamplesError("library", found="no table", expected="tables with spectra", way_out="name the files")
    return LIBRARIES[kinds.pop()], [known[1] for known in found if known is not None]


def _choose_scans(
    tables: Sequence[Table], layouts: Sequence[Layout], scans: ScansName | None
) -> tuple[str, Scans, tuple[str, ...]]:
    """Return the kind of spectra to write, their bands, and the kinds that are left out."""
    present = [name for name in get_args(ScansName) if any(name in layout.scans for layout in layouts)]
    if not present or (scans is not None and scans not in present):
        raise SamplesError(
            tables[0].where,
            found=f"spectra of kind {', '.join(present)}" if present else "tables without spectra",
            expected=scans or "a table with spectra",
            way_out="choose another kind by --spectra" if present else "name the table of spectra, too",
        )
    chosen = scans or present[0]
    with_scans = [(table, layout.scans[chosen]) for table, layout in zip(tables, layouts, strict=True)
                  if chosen in layout.scans]  # fmt: skip
    first = with_scans[0][1]
    for table, of_table in with_scans:
        if not np.array_equal(of_table.wavelength_nm, first.wavelength_nm) or of_table.scale != first.scale:
            nm = of_table.wavelength_nm
            raise SamplesError(
                table.where,
                found=f"{len(nm)} bands from {nm[0]:g} to {nm[-1]:g} nm",
                expected=f"{len(first.wavelength_nm)} bands as in {with_scans[0][0].where}",
                way_out="import tables with other bands by themselves",
            )
    return chosen, first, tuple(name for name in present if name != chosen)


def _columns(
    layouts: dict[int, Layout], tables: Sequence[Table]
) -> tuple[dict[int, Columns], dict[str, tuple[Property, str]]]:
    """Return the columns of each table that are kept; what several tables hold is taken from the first one.

    Tables with the same columns, such as those of countries, are parts of one table.
    """
    sources: dict[Property, str] = {}
    for table in tables:
        for place, found in layouts[id(table)].properties.items():
            sources.setdefault(found, table.names[place])
    names = dict(zip(sources, column_names(list(sources)), strict=True))
    columns: dict[int, Columns] = {}
    taken: set[str] = set()
    for table in tables:
        layout = layouts[id(table)]
        free = taken if not layout.scans else set()
        properties: dict[int, str] = {}
        for place, found in layout.properties.items():
            if names[found] not in free and names[found] not in properties.values():
                properties[place] = names[found]
        others = {place: name for place, name in layout.others.items() if name not in free}
        columns[id(table)] = Columns(layout, properties, others)
        taken |= {*properties.values(), *others.values()}
    return columns, {names[found]: (found, source) for found, source in sources.items()}
