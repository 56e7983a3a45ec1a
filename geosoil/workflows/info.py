"""What a path holds, in plain lines: for `geosoil info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.spectra.reader import read_spectra
from geosoil.models.store import CARD, find_model, read_card
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    import xarray as xr

SPECTRA_ENDINGS = {".csv", ".parquet", ".asd", ".sli", ".txt", ".tsv"}


def describe_path(path: str, *, bands: str | None = None) -> str:
    """Describe a model, a table of spectra or a cube; raises the error of its reader for anything else."""
    if _is_model(path):
        return _model(find_model(path))
    if Path(path).suffix.lower() in SPECTRA_ENDINGS:
        return _spectra(path)
    try:
        return _cube(open_cube(path, band_table=bands, drop_nm=[]))
    except WavelengthError:
        if bands is not None:
            raise
        return _cube(open_raster(path))


def _is_model(path: str) -> bool:
    try:
        return (find_model(path) / CARD).is_file()
    except GeosoilError:
        if "/" not in path and not Path(path).exists():
            raise RasterError(
                path,
                found="no such file or model",
                expected="a cube, a table of spectra, a model folder or the name of a model",
                way_out="check the path",
            ) from None
        return False


def _lines(pairs: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:{width}s}  {text}" for name, text in pairs)


def _model(folder: Path) -> str:
    card = read_card(folder)
    used = [feature for feature in card.features if feature.used]
    waves = [feature.wavelength_nm for feature in used if feature.wavelength_nm is not None]
    span = f", {min(waves):.0f} to {max(waves):.0f} nm" if waves else ""
    pairs = [
        ("model", f"{card.name} ({card.study}), {folder}"),
        *((f"target {target.name}", f"{target.unit}, valid {target.valid_range}") for target in card.targets),
        ("reads", f"{len(used)} of {len(card.features)} bands of {card.quantity}{span}"),
        ("steps", " > ".join(card.preprocessing)),
        ("samples", str(card.training.n_samples)),
        ("made", f"{card.created} with geosoil {card.versions.get('geosoil', '?')}"),
    ]
    for protocol, figures in card.metrics.items():
        shown = ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if isinstance(value, float))
        pairs.append((protocol, shown))
    return _lines(pairs)


def _spectra(path: str) -> str:
    spectra = read_spectra(path)
    n, p = spectra.values.shape
    low, high = spectra.wavelength_nm[[0, -1]]
    step = np.diff(spectra.wavelength_nm)
    others = ", ".join(map(str, spectra.table.columns)) or "none"
    return _lines(
        [
            ("spectra", f"{n} x {p} bands of {spectra.quantity}, {path}"),
            ("wavelength", f"{low:g} to {high:g} nm, step {step.min():g} to {step.max():g} nm"),
            ("values", f"{np.nanmin(spectra.values):.4g} to {np.nanmax(spectra.values):.4g}"),
            ("columns", others),
        ]
    )


def _cube(cube: xr.DataArray) -> str:
    bands, height, width = cube.shape
    pairs = [
        ("raster", f"{bands} bands x {height} rows x {width} columns, {cube.attrs.get('source', '')}"),
        ("CRS", str(cube.rio.crs) if cube.rio.crs else "none: orthorectify it before mapping"),
        ("transform", " ".join(f"{value:g}" for value in Grid.of(cube).transform[:6])),
        ("units", cube.attrs.get("units") or "not stated"),
        ("blocks", str(cube.encoding.get("preferred_chunks", "not stated"))),
    ]
    if "wavelength_nm" in cube.coords:
        waves = cube["wavelength_nm"].values
        back = int((np.diff(waves) < 0).sum())
        seam = f", steps back {back} time(s): detectors overlap" if back else ""
        pairs.append(("wavelength", f"{waves.min():.1f} to {waves.max():.1f} nm{seam}"))
        if "fwhm_nm" in cube.coords:
            fwhm = cube["fwhm_nm"].values
            pairs.append(("width", f"{np.nanmin(fwhm):.1f} to {np.nanmax(fwhm):.1f} nm (FWHM)"))
    else:
        names = ", ".join(str(name) for name in cube["band"].values[:8])
        pairs.append(("bands", f"{names}{', ...' if bands > 8 else ''}; no wavelengths"))
    if cube.attrs.get("sensor"):
        pairs.append(("sensor", str(cube.attrs["sensor"])))
    pairs += [("note", note) for note in cube.attrs.get("notes", [])]
    middle = cube.isel(y=slice(height // 2, height // 2 + 32), x=slice(width // 2, width // 2 + 32)).values
    if np.isfinite(middle).any():
        pairs.append(("values", f"around {np.nanmedian(middle):.4g} in the middle"))
    return _lines(pairs)
