"""A small library with a site on disk, sound until a test breaks one part of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from study_on_disk import StudyOnDisk

from geosoil.io.spectra.reader import Spectra, write_spectra

NM = np.arange(400.0, 1000.0, 20.0)
N_LIBRARY, N_SITE = 120, 40
RECIPE = """
study = "library_localisation"
name = "farm"
[data]
library = "library.parquet"
site = "site.parquet"
country = "here"
x = "x_m"
y = "y_m"
crs = "EPSG:32633"
[target]
column = "soc_pct"
unit = "%"
title = "SOC"
[local]
n = 12
[rs_local]
k = 20
b = 40
r = 0.1
n_components = 3
[regression]
max_components = 5
neighbours = [20]
[network]
n_trials = 1
n_library_trials = 1
n_folds = 2
epochs = 4
patience = 2
[model]
kind = "rs_local_plsr"
[validation]
n_repeats = 2
n_folds = 3
processes = 1
"""


class LibraryStudy(StudyOnDisk):
    """SOC darkens one half of the library, as at the site, and brightens the other half; two more things vary."""

    package, text = "library_localisation", RECIPE

    def __init__(self, folder):
        super().__init__(folder)
        rng = np.random.default_rng(0)
        self.of_site_kind = np.arange(N_LIBRARY) % 2 == 0
        self.library = self.soils(rng, self.of_site_kind, "L")
        self.library.table["country"] = np.where(np.arange(N_LIBRARY) < 60, "here", "there")
        self.site = self.soils(rng, np.full(N_SITE, True), "S")
        self.site.table["x_m"] = 500000 + 10.0 * np.arange(N_SITE)
        self.site.table["y_m"] = 5000000 + rng.uniform(0, 300, N_SITE)
        self.write()

    @staticmethod
    def soils(rng, darkens, prefix):
        n = len(darkens)
        soc, iron, water = rng.uniform(0.5, 4, n), rng.normal(size=n), rng.normal(size=n)
        shapes = np.array(
            [np.exp(-(((NM - middle) / width) ** 2)) for middle, width in ((600, 60), (520, 80), (850, 90))]
        )
        absorbance = 0.5 + 0.0003 * (NM - 400) + np.where(darkens, 0.05, -0.05)[:, None] * soc[:, None] * shapes[0]
        absorbance = absorbance + 0.03 * iron[:, None] * shapes[1] + 0.03 * water[:, None] * shapes[2]
        absorbance += rng.normal(0, 0.003, absorbance.shape)
        table = pd.DataFrame({"soc_pct": soc.round(3)})
        ids = [f"{prefix}{i:03d}" for i in range(n)]
        return Spectra(NM, (10**-absorbance).astype(np.float32), ids, table, "reflectance", Path(prefix))

    def write(self):
        write_spectra(self.library, self.folder / "library.parquet")
        write_spectra(self.site, self.folder / "site.parquet")

    def change(self, which, **fields):
        """Write a table with some of its fields replaced."""
        setattr(self, which, replace(getattr(self, which), **fields))
        self.write()
