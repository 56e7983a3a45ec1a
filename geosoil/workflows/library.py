"""Bring a published spectral library to one Parquet table, and say what it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.io.atomic import require_writable
from geosoil.io.libraries.importer import import_tables
from geosoil.io.output_paths import check_output_path
from geosoil.workflows.progress import reported
from geosoil.workflows.shown import ShownResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.io.libraries.importer import ScansName
    from geosoil.io.libraries.writer import LibrarySummary, PropertySummary
    from geosoil.io.spectra.stored import Quantity

    Progress = Callable[[str, int, int], None]
    PathLike = str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
class ImportedLibrary(ShownResult):
    """A library that was imported.

    Parameters
    ----------
    path : Path
        The Parquet table.
    library : LibrarySummary
        What it holds.
    """

    path: Path
    library: LibrarySummary

    def summary(self) -> str:
        """Return the spectra, the places and the soil properties of the library, a line each."""
        library, nm = self.library, self.library.wavelength_nm
        lines = [
            f"library    {self.path}",
            f"kind       {library.kind.title}",
            f"spectra    {library.n_rows} from {library.n_read} rows, {library.quantity} {library.low:.3g} to "
            f"{library.high:.3g}, {len(nm)} bands from {nm[0]:g} to {nm[-1]:g} nm",
        ]
        if library.other_scans:
            lines.append(f"left out   spectra of kind {', '.join(library.other_scans)}; import them with --spectra")
        if library.locations:
            known = [(library.locations.get(word, 0), text) for word, text in _LOCATIONS.items()]
            lines.append(f"places     {', '.join(f'{count} {text}' for count, text in known if count)}")
        lines += [f"note       {note}" for note in library.notes]
        known_properties = [each for each in library.properties if each.n_known]
        width = max((len(each.name) for each in known_properties), default=0)
        lines += [_property_line(each, width) for each in known_properties]
        empty = [each.name for each in library.properties if not each.n_known]
        if empty:
            lines.append(f"no value   {', '.join(empty)}")
        return "\n".join(lines)


_LOCATIONS = {"point": "as points", "county": "known to the county only", "": "unknown"}


def _property_line(each: PropertySummary, width: int) -> str:
    unit = f" {each.property.unit}" if each.property.unit else ""
    method = f", {each.property.method}" if each.property.method else ""
    values = f"{each.low:.3g} to {each.high:.3g}, mean {each.mean:.3g}{unit}"
    return f"{each.name:{width}s} {each.n_known} rows, {values}{method} (column {each.source})"


def import_library(
    files: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    spectra: ScansName | None = None,
    quantity: Quantity | None = None,
    progress: Progress | bool | None = None,
) -> ImportedLibrary:
    """Bring a published spectral library to one Parquet table that `read_spectra`, recipes and `localise` take.

    The Open Soil Spectral Library (all levels), LUCAS 2009 and 2015, exports of the Kellogg Soil Survey Laboratory and
    the NeoSpectra library are recognised by the names of their columns.

    Parameters
    ----------
    files : path-like or sequence of path-like
        The tables as they were delivered: CSV, also with gzip, zip archives and folders of them; tables of the
        laboratory and of the sites may also be Excel. Tables without spectra are joined by their ids.
    output : path-like
        The Parquet table. Its columns are `sample_id`, places and depths, soil properties named by property and unit,
        as `clay_tot_pct`, and the bands by their wavelength in nm.
    spectra : {"visnir", "nir", "mir"}, optional
        Which spectra are written, if the tables hold several kinds; default: the first one of these.
    quantity : {"reflectance", "absorbance"}, optional
        What the values are, for a library whose tables do not say it; default: as the shape of the spectra shows.
    progress : callable or bool, optional
        Called as `progress("import", bytes read, all bytes)`; True shows a bar.

    Returns
    -------
    ImportedLibrary
        Shown as its spectra, places and properties.

    Raises
    ------
    GeosoilError
        If the tables are of no known library, or cannot be read. No output is left.

    Examples
    --------
    >>> import tempfile
    >>> text = "id.layer_uuid_txt,clay.tot_usda.a334_w.pct,scan_visnir.350_ref,scan_visnir.352_ref\\na,21.5,0.1,0.2\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "ossl.csv").write_text(text)
    ...     made = import_library(Path(folder) / "ossl.csv", Path(folder) / "library.parquet")
    >>> made.summary().splitlines()[-1]
    'clay_tot_pct 1 rows, 21.5 to 21.5, mean 21.5 %, usda.a334 (column clay.tot_usda.a334_w.pct)'
    """
    paths = [Path(path) for path in ([files] if isinstance(files, str | os.PathLike) else files)]
    target = check_output_path(output, (".parquet",), "library.parquet", inputs=paths)
    require_writable(target)
    with reported(progress) as report:
        summary = import_tables(paths, target, scans=spectra, quantity=quantity, progress=report)
    return ImportedLibrary(target, summary)
