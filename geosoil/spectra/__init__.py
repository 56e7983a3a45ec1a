"""Row-wise steps on spectra: scikit-learn transformers of `(sample, band)` that keep float32.

`STEPS` lists all of them by their names in a recipe. Its values are the import paths of the classes, so that reading
the table imports nothing.
"""

from __future__ import annotations

STEPS: dict[str, str] = {
    "absorbance": "geosoil.spectra.absorbance:Absorbance",
    "snv": "geosoil.spectra.scatter:SNV",
    "msc": "geosoil.spectra.scatter:MSC",
    "detrend": "geosoil.spectra.scatter:Detrend",
    "savitzky_golay": "geosoil.spectra.smooth:SavitzkyGolay",
    "continuum_removal": "geosoil.spectra.continuum:ContinuumRemoval",
    "resample": "geosoil.spectra.resample:ResampleSpectra",
    "cars": "geosoil.spectra.cars:CARS",
    "standard_scaler": "sklearn.preprocessing:StandardScaler",
    "min_max_scaler": "sklearn.preprocessing:MinMaxScaler",
}
