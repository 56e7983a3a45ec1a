"""Read spectra from CSV, Parquet, ASD and ENVI files into one kind of table; write it as Parquet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.atomic import atomic_path
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM, NM_PER_UNIT
from geosoil.io.spectra.asd import read_asd
from geosoil.io.spectra.envi_library import read_envi_library
from geosoil.io.spectra.stored import Quantity, StoredSpectra
from geosoil.io.spectra.table import METADATA_KEY, SPECTRA_KINDS, read_spectra_table

if TYPE_CHECKING:
    from collections.abc import Sequence

WavelengthUnit = Literal["nm", "um"]
# A fraction, of a spectrum or a table: bright targets and noise exceed 1, a median hardly does; percent lies far above,
# and absorbance of dark soil just above.
LARGEST_MEDIAN_REFLECTANCE = 1.2
LEAST_REFLECTANCE = -1  # noise falls below 0, codes for "no data" below -1


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra with their names and whatever else the file said of each.

    wavelength_nm `(band,)` float64, increasing; values `(sample, band)` float32, reflectance as a fraction
    or absorbance log10(1/R), NaN where nothing was measured; ids one per sample; table `(sample, column)` the
    other columns; source the file or folder. Raises SamplesError if these do not fit together.

    >>> import numpy as np, pandas as pd
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> spectra.values.shape
    (1, 2)
    """

    wavelength_nm: np.ndarray
    values: np.ndarray
    ids: list[str]
    table: pd.DataFrame
    quantity: Quantity
    source: Path

    def __post_init__(self) -> None:
        expected = (len(self.ids), len(self.wavelength_nm))
        if self.values.shape != expected or len(self.table) != len(self.ids):
            raise SamplesError(
                self.source,
                found=f"values {self.values.shape} and a table of {len(self.table)} rows",
                expected=f"{expected}: one row per id, one column per wavelength",
                way_out="select the same rows of all of them",
            )


def read_spectra(
    path: str | Path,
    *,
    id_column: str | Sequence[str] | None = None,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
) -> Spectra:
    """Read `.csv`, `.txt`, `.tsv`, `.parquet`, `.asd` (one file, or a folder of them), `.sli` or `.hdr` (ENVI).

    In a table every column whose name is a number is a band, and its name the wavelength; bands are
    sorted by wavelength.

    id_column: the column of ids, or several whose values are joined by "/"; None: `sample_id` or `id` if
    there, else the row numbers. A file's own names (ASD, ENVI) are its ids.
    quantity: what the values are; None: what the file says (Parquet key `geosoil`), else reflectance.
    scale: what the values are multiplied by (0.01 for percent); None: what the file says, else 1.
    wavelength_unit: "nm" or "um"; None: what the file says, else nm.

    Raises SamplesError (no bands, no rows, cells that are no numbers, doubled ids), WavelengthError (doubled or
    impossible wavelengths) and UnitsError (percent, codes for no data, another quantity than the file says).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "library.csv"
    ...     _ = path.write_text("sample_id,soc_pct,500,400\\nS1,1.2,20,10\\n")
    ...     spectra = read_spectra(path, scale=0.01)
    >>> spectra.ids, spectra.wavelength_nm, spectra.values
    (['S1'], array([400., 500.]), array([[0.1, 0.2]], dtype=float32))
    """
    path = Path(path)
    if not path.exists():
        raise SamplesError(path, found="no such file", expected="a file or folder of spectra", way_out="check the path")
    if quantity is not None and quantity not in get_args(Quantity):
        raise UnitsError(
            path, found=f"quantity={quantity!r}", expected="reflectance or absorbance", way_out="choose one"
        )
    if wavelength_unit is not None and wavelength_unit not in get_args(WavelengthUnit):
        raise UnitsError(path, found=f"wavelength_unit={wavelength_unit!r}", expected="nm or um", way_out="choose one")
    if scale is not None and not 0 < scale < np.inf:
        raise UnitsError(path, found=f"scale={scale}", expected="a number above 0", way_out="say 0.01 for percent")
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ".asd":
        stored = _asd_files(path)
    elif suffix in (".sli", ".hdr"):
        stored = read_envi_library(path)
    elif suffix in (".csv", ".txt", ".tsv", ".parquet", ".pq"):
        stored = read_spectra_table(path, id_column=id_column, quantity=quantity)
    else:
        raise SamplesError(
            path,
            found=f"a file named *{suffix}",
            expected=".csv, .txt, .tsv, .parquet, .asd, .sli, .hdr or a folder of .asd",
            way_out="convert it to one of these",
        )
    if stored.quantity and quantity and stored.quantity != quantity:
        raise UnitsError(
            path,
            found=f"{stored.quantity}, as the file says",
            expected=f"{quantity}, as asked for",
            way_out="drop quantity=",
        )
    quantity = stored.quantity or quantity or "reflectance"
    order, wavelength_nm = _sorted_nm(
        path, stored.wavelength, NM_PER_UNIT[wavelength_unit] if wavelength_unit else stored.nm_per_unit
    )
    values = stored.values[:, order] * (stored.scale if scale is None else scale)
    _check_values(path, values, quantity)
    _check_ids(path, stored.ids)
    return Spectra(wavelength_nm, values.astype(np.float32), stored.ids, stored.table, quantity, path)


def write_spectra(spectra: Spectra, path: str | Path) -> None:
    """Write spectra as Parquet (zstd) that `read_spectra` gives back: ids in `sample_id`, one column per band.

    Raises OutputError if the place cannot be written, SamplesError if `table` already has a column of that name.

    >>> import tempfile
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_spectra(spectra, Path(folder) / "a.parquet")
    ...     read_spectra(Path(folder) / "a.parquet").values
    array([[0.1, 0.2]], dtype=float32)
    """
    names = [_band_name(nm) for nm in spectra.wavelength_nm]
    taken = {"sample_id", *names} & set(map(str, spectra.table.columns))
    if taken:
        raise SamplesError(
            path, found=f"{sorted(taken)[0]!r} in the table", expected="a free name", way_out="rename that column"
        )
    ids = pd.DataFrame({"sample_id": spectra.ids})
    bands = pd.DataFrame(np.asarray(spectra.values, dtype=np.float32), columns=names)
    table = pa.Table.from_pandas(
        pd.concat([ids, spectra.table.reset_index(drop=True), bands], axis=1), preserve_index=False
    )
    kind = next(kind for kind, quantity in SPECTRA_KINDS.items() if quantity == spectra.quantity)
    said = json.dumps({"spectra_kind": kind, "source": spectra.source.name}).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: said})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _band_name(wavelength_nm: float) -> str:
    return repr(float(wavelength_nm)).removesuffix(".0")


def _asd_files(path: Path) -> StoredSpectra:
    """Return the spectra of one ASD file or of all in a folder."""
    files = sorted(p for p in path.iterdir() if p.suffix.lower() == ".asd") if path.is_dir() else [path]
    if not files:
        raise SamplesError(path, found="no .asd file", expected="a folder of .asd files", way_out="check the folder")
    read = [read_asd(file) for file in files]
    wavelength = read[0][0]
    for file, (other, _) in zip(files, read, strict=True):
        if not np.array_equal(other, wavelength):
            raise WavelengthError(
                file,
                found=f"{other.size} bands from {other[0]:g} to {other[-1]:g} nm",
                expected=f"{wavelength.size} from {wavelength[0]:g} to {wavelength[-1]:g} nm as in {files[0].name}",
                way_out="keep files of different grids in different folders",
            )
    return StoredSpectra(
        wavelength,
        np.stack([reflectance for _, reflectance in read]),
        [file.stem for file in files],
        pd.DataFrame({"file": [file.name for file in files]}),
        quantity="reflectance",
    )


def _sorted_nm(path: Path, wavelength: np.ndarray, nm_per_unit: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of the bands by wavelength and their wavelengths in nm in this order."""
    if nm_per_unit is None:
        raise WavelengthError(
            path, found="wavelengths of unknown unit", expected="nm or um", way_out="say wavelength_unit='nm' or 'um'"
        )
    nm = wavelength if nm_per_unit == 1 else np.round(wavelength * nm_per_unit, 6)  # 2.201 um is not 2201.0000000000005
    order = np.argsort(nm, kind="stable")
    nm = nm[order]
    if not (np.isfinite(nm).all() and nm[0] >= LOWEST_NM and nm[-1] <= HIGHEST_NM):
        raise WavelengthError(
            path,
            found=f"wavelengths from {nm[0]:g} to {nm[-1]:g} nm",
            expected=f"{LOWEST_NM:g} to {HIGHEST_NM:g} nm",
            way_out="name bands by wavelength; if in micrometres, say wavelength_unit='um'",
        )
    doubled = np.flatnonzero(np.diff(nm) == 0)
    if doubled.size:
        raise WavelengthError(
            path, found=f"two bands at {nm[doubled[0]]:g} nm", expected="one per wavelength", way_out="drop one of them"
        )
    return order, nm


def _check_values(path: Path, values: np.ndarray, quantity: Quantity) -> None:
    if np.isinf(values).any():
        raise SamplesError(
            path, found="an infinite value", expected="numbers", way_out="leave cells without data empty"
        )
    finite = values[~np.isnan(values)]
    if not finite.size:
        raise SamplesError(path, found="no number in any band", expected="spectra", way_out="check the file")
    if quantity == "reflectance" and np.median(finite) > LARGEST_MEDIAN_REFLECTANCE:
        raise UnitsError(
            path,
            found=f"values with a median of {np.median(finite):g}",
            expected="reflectance as a fraction, 0 to 1",
            way_out="say scale=0.01 for percent, scale=0.0001 for reflectance x 10000, or quantity='absorbance'",
        )
    if quantity == "reflectance" and finite.min() <= LEAST_REFLECTANCE:
        raise UnitsError(
            path,
            found=f"{finite.min():g} among the values",
            expected="reflectance as a fraction, 0 to 1",
            way_out="leave cells without data empty",
        )


def _check_ids(path: Path, ids: list[str]) -> None:
    doubled = pd.Index(ids)[pd.Index(ids).duplicated()]
    if len(doubled):
        raise SamplesError(
            path,
            found=f"the id {doubled[0]!r} twice",
            expected="one row per id",
            way_out="name another id_column, or several that are unique together",
        )
