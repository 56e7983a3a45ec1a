"""Read the wavelengths of the bands of a file, from the file or from a table of bands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, WavelengthError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, value_bands
from geosoil.io.rasters.envi_header import envi_fields
from geosoil.io.remote.reading import is_remote
from geosoil.io.tables.delimited import read_text_table
from geosoil.io.tables.numbers import as_numbers, is_ambiguous

if TYPE_CHECKING:
    import os

    from rasterio.io import DatasetReader

NM_PER_UNIT = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3,
    "micrometer": 1e3, "micrometers": 1e3, "micrometre": 1e3, "micrometres": 1e3,
}  # fmt: skip
"""Nanometres per supported unit of wavelength, in lower case."""

CENTRE_COLUMNS = {
    "centre_nm": 1.0, "center_nm": 1.0, "wavelength_nm": 1.0, "wavelength": 1.0,
    "centre_um": 1e3, "center_um": 1e3, "wavelength_um": 1e3,
}  # fmt: skip
"""Possible columns of centre wavelengths in a table of bands, with nanometres per unit."""

FWHM_COLUMNS = {"fwhm_nm": 1.0, "fwhm": 1.0, "fwhm_um": 1e3}
GOOD_COLUMNS = ("good", "bbl")
_FLAGS = {text: str(int(text.lower() == "true")) for text in ("TRUE", "True", "true", "FALSE", "False", "false")}
LOWEST_NM, HIGHEST_NM = 200.0, 30_000.0  # ultraviolet to thermal infrared; other values have another unit


@dataclass(frozen=True)
class Bands:
    """Wavelengths of bands, in the order of the file.

    Attributes
    ----------
    centre_nm : numpy.ndarray
        `(band,)` centre wavelengths in nm.
    fwhm_nm : numpy.ndarray or None
        `(band,)` full widths at half maximum in nm.
    good : numpy.ndarray or None
        `(band,)` False for bands that the producer marked as bad.
    source : str
        Where the wavelengths were read from.
    """

    centre_nm: np.ndarray
    fwhm_nm: np.ndarray | None
    good: np.ndarray | None
    source: str


def find_bands(path: str | os.PathLike[str], *, table: str | os.PathLike[str] | None = None) -> Bands | None:
    """Find the wavelengths of the bands of a raster.

    The sources are, in this order: the given table; the ENVI header (`wavelength`, `wavelength units`, `fwhm`, `bbl`),
    also of a header beside another format; tags of each band (`wavelength`, `wavelength_units`, `fwhm`, `bbl`, as
    EnMAP-Box writes them, in upper or lower case), or tags of the file that list the values of all bands with their
    unit; the IMAGERY tags of GDAL (`CENTRAL_WAVELENGTH_UM`, `FWHM_UM`, which GDAL rounds to 1 nm); and, for a local
    file `cube.tif`, a table `cube.bands.csv` or `cube_bands.csv` in the same folder.

    Parameters
    ----------
    path : path-like
        The raster.
    table : path-like, optional
        A CSV file as `read_band_table` reads it.

    Returns
    -------
    Bands or None
        None if no source has wavelengths.

    Raises
    ------
    WavelengthError
        If wavelengths exist but are invalid: for some bands only, in an unknown unit, or for another number of bands.

    Examples
    --------
    >>> import tempfile, rasterio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/cube.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=2, height=1, count=2, dtype="uint8",
    ...                        transform=rasterio.Affine(2, 0, 0, 0, -2, 0)) as made:
    ...         made.write(np.ones((2, 1, 2), "uint8"))
    ...         for band, centre in ((1, 0.45), (2, 2.2)):
    ...             made.update_tags(band, wavelength=centre, wavelength_units="Micrometers")
    ...     find_bands(path).centre_nm
    array([ 450., 2200.])
    """
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        numbers = value_bands(source)
        if table is not None:
            n_rows = len(read_band_table(table).centre_nm)
            if n_rows != len(numbers) and n_rows in source.shape:
                raise WavelengthError(
                    path,
                    found=f"{len(numbers)} bands of {source.height} x {source.width} pixels, and {table} has "
                    f"{n_rows} bands: the bands are stored as another axis",
                    expected="bands as the first axis",
                    way_out="open it by GDAL's netCDF driver (NETCDF:FILE:NAME), or reorder it with "
                    "`gdalmdimtranslate -array name=NAME,transpose=[2,0,1]`",
                )
            return read_band_table(table, count=len(numbers))
        bands = _from_envi(source, numbers) or _from_tags(source, numbers) or _from_imagery(source, numbers)
    if bands is not None:
        return bands
    neighbour = next((file for file in _band_table_paths(local) if file.is_file()), None)
    return read_band_table(neighbour, count=len(numbers)) if neighbour else None


def read_band_table(path: str | os.PathLike[str], *, count: int | None = None) -> Bands:
    """Read a CSV table with one row per band, in the order of the raster or numbered from 1 by a column `band`.

    The columns are `centre_nm` (or `wavelength_nm`, `wavelength` in nm; `wavelength_um`, `centre_um` in µm), and
    optionally `fwhm_nm` (or `fwhm_um`) and `good` (or `bbl`; 1 good, 0 bad).

    Parameters
    ----------
    path : path-like
        The CSV file.
    count : int, optional
        The required number of bands.

    Returns
    -------
    Bands
        The wavelengths in the order of the raster.

    Raises
    ------
    WavelengthError
        If the table cannot be read, has no valid wavelengths, or another number of bands.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "bands.csv"
    ...     _ = path.write_text("band,centre_nm,fwhm_nm\\n2,1009.0,8.5\\n1,450.0,4.4\\n")
    ...     read_band_table(path).centre_nm
    array([ 450., 1009.])
    """
    try:
        frame = read_text_table(Path(path))
    except (OSError, SamplesError) as error:
        raise WavelengthError(
            path,
            problem=f"not a readable table of bands ({error})",
            expected="a CSV file with a header",
            way_out="check the path and the file",
        ) from error
    frame.columns = frame.columns.str.strip().str.lower()
    centre = next((name for name in CENTRE_COLUMNS if name in frame), None)
    if centre is None:
        raise WavelengthError(
            path,
            found=f"the columns {', '.join(frame.columns[:6])}",
            expected="a column centre_nm or wavelength_nm",
            way_out="rename the column of the band centres",
        )
    if count is not None and len(frame) != count:
        raise WavelengthError(
            path,
            found=f"{len(frame)} rows",
            expected=f"one for each of {count} bands",
            way_out="use the table of this raster",
        )
    if "band" in frame:
        frame["band"] = as_numbers(frame["band"])
        if sorted(frame["band"]) != list(range(1, len(frame) + 1)):
            raise WavelengthError(
                path,
                found="invalid numbers in the column band",
                expected=f"1 to {len(frame)}, each once",
                way_out="number the bands as in the raster, or remove the column",
            )
        frame = frame.sort_values("band")
    width = next((name for name in FWHM_COLUMNS if name in frame), None)
    good = next((name for name in GOOD_COLUMNS if name in frame), None)
    return _make_bands(
        _numbers(frame[centre], path, centre) * CENTRE_COLUMNS[centre],
        None if width is None else _numbers(frame[width], path, width) * FWHM_COLUMNS[width],
        None if good is None else _numbers(frame[good].replace(_FLAGS), path, good) != 0,
        str(path),
    )


def _from_envi(source: DatasetReader, numbers: list[int]) -> Bands | None:
    header = envi_fields(source)
    if "wavelength" not in header:
        return None
    lists: dict[str, list[str]] = {}
    for key in ("wavelength", "fwhm", "bbl"):
        if key in header:
            values = header[key].strip().strip("{}").replace(",", " ").split()
            if len(values) != source.count:
                raise WavelengthError(
                    source.name,
                    found=f"{len(values)} values of {key} in the ENVI header",
                    expected=f"one for each of {source.count} bands",
                    way_out="correct the header, or specify a table of bands",
                )
            lists[key] = [values[number - 1] for number in numbers]
    unit = nm_per_unit(header.get("wavelength_units", ""), source.name)
    return bands_of_texts(lists, unit, source.name, "ENVI header")


def _from_tags(source: DatasetReader, numbers: list[int]) -> Bands | None:
    tags = [_lower_keys(source.tags(number)) for number in numbers]
    of_file = _lower_keys(source.tags())
    if not any("wavelength" in items for items in tags):
        return _from_lists(source, of_file, numbers)
    _require_all("wavelength", tags, source.name)
    units = {items.get("wavelength_units") or of_file.get("wavelength_units", "") for items in tags}
    if len(units) > 1:
        raise WavelengthError(
            source.name,
            found=f"several units of wavelength ({', '.join(sorted(units))})",
            expected="one unit",
            way_out="specify a table of bands",
        )
    for key in ("fwhm", "bbl"):
        if any(key in items for items in tags):
            _require_all(key, tags, source.name)
    lists: dict[str, list[str]] = {}
    for key in ("wavelength", "fwhm", "bbl"):
        if key in tags[0]:
            lists[key] = [items[key] for items in tags]
    return bands_of_texts(lists, nm_per_unit(units.pop(), source.name), source.name, "tags of the bands")


def _from_lists(source: DatasetReader, tags: dict[str, str], numbers: list[int]) -> Bands | None:
    """Read tags of the file that list the values of all bands; other tags of these names are left alone."""
    lists: dict[str, list[str]] = {}
    for key, names in (("wavelength", ("wavelength", "wavelengths")), ("fwhm", ("fwhm",)), ("bbl", ("bbl",))):
        text = next((tags[name] for name in names if name in tags), "")
        values = text.strip().strip("{}[]").replace(",", " ").split()
        if len(values) == source.count > 1:
            lists[key] = [values[number - 1] for number in numbers]
    if "wavelength" not in lists or not tags.get("wavelength_units"):
        return None
    factor = nm_per_unit(tags["wavelength_units"], source.name)
    return bands_of_texts(lists, factor, source.name, "tags of the file")


def _lower_keys(tags: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in tags.items()}


def _from_imagery(source: DatasetReader, numbers: list[int]) -> Bands | None:
    tags = [source.tags(number, ns="IMAGERY") for number in numbers]
    if not any("CENTRAL_WAVELENGTH_UM" in items for items in tags):
        return None
    _require_all("CENTRAL_WAVELENGTH_UM", tags, source.name)
    lists = {"wavelength": [items["CENTRAL_WAVELENGTH_UM"] for items in tags]}
    if all("FWHM_UM" in items for items in tags):
        lists["fwhm"] = [items["FWHM_UM"] for items in tags]
    return bands_of_texts(lists, NM_PER_UNIT["um"], source.name, "IMAGERY tags of the bands")


def bands_of_texts(lists: dict[str, list[str]], factor: float, where: str, source: str) -> Bands:
    """Return the bands that texts of metadata describe.

    Parameters
    ----------
    lists : dict of str to list of str
        Texts per band of `wavelength` and, optionally, `fwhm` and `bbl`.
    factor : float
        Nanometres per unit of the wavelengths and widths.
    where, source : str
        The file and its part, for messages.

    Returns
    -------
    Bands

    Raises
    ------
    WavelengthError
        If a text is not a number, or not the wavelength or width of a band.

    Examples
    --------
    >>> bands_of_texts({"wavelength": ["0.45", "2.2"]}, 1000.0, "a.xml", "metadata").centre_nm
    array([ 450., 2200.])
    """
    columns = {key: _numbers(pd.Series(values), where, key) for key, values in lists.items()}
    width, good = columns.get("fwhm"), columns.get("bbl")
    return _make_bands(
        columns["wavelength"] * factor,
        None if width is None else width * factor,
        None if good is None else good != 0,
        f"{source} of {where}",
    )


def _make_bands(centre_nm: np.ndarray, fwhm_nm: np.ndarray | None, good: np.ndarray | None, source: str) -> Bands:
    invalid = centre_nm[~((centre_nm >= LOWEST_NM) & (centre_nm <= HIGHEST_NM))]
    if invalid.size:
        raise WavelengthError(
            source,
            found=f"a centre of {invalid[0]:g} nm",
            expected=f"{LOWEST_NM:g} to {HIGHEST_NM:g} nm",
            way_out="check the unit, or specify a table of bands with centre_nm",
        )
    if fwhm_nm is not None and not (fwhm_nm > 0).all():
        raise WavelengthError(
            source,
            found="a width (FWHM) that is not positive",
            expected="widths in nm",
            way_out="correct it, or remove the widths",
        )
    return Bands(centre_nm, fwhm_nm, good, source)


def _numbers(texts: pd.Series, where: object, name: str) -> np.ndarray:
    values = as_numbers(texts)
    invalid = np.flatnonzero(~np.isfinite(values))
    if invalid.size:
        raise WavelengthError(
            where,
            found=f"{str(texts.iloc[invalid[0]])!r} as {name} of band {invalid[0] + 1}",
            expected="a number",
            way_out=(
                "write it with a decimal point and without separators of thousands"
                if is_ambiguous(texts)
                else "correct it, or specify a table of bands"
            ),
        )
    return values


def nm_per_unit(unit: str, where: object) -> float:
    """Return nanometres per unit of wavelength; raises WavelengthError for another unit, or none."""
    try:
        return NM_PER_UNIT[unit.strip().lower()]
    except KeyError:
        raise WavelengthError(
            where,
            found=f"wavelengths in {unit}" if unit else "wavelengths without unit",
            expected="nanometers or micrometers",
            way_out="add the unit, or specify a table of bands",
        ) from None


def _require_all(key: str, tags: list[dict[str, str]], where: object) -> None:
    missing = [number for number, items in enumerate(tags, start=1) if key not in items]
    if missing:
        raise WavelengthError(
            where,
            found=f"no tag {key} for {len(missing)} of {len(tags)} bands, the first of them band {missing[0]}",
            expected="one for each band",
            way_out="add it, or specify a table of bands",
        )


def _band_table_paths(path: str) -> list[Path]:
    if is_remote(path) or path.startswith(("/vsi", "<")):
        return []
    raster = Path(path)
    return [raster.with_name(raster.stem + ending) for ending in (".bands.csv", "_bands.csv")]
