"""A small library with a site on disk, sound until a test breaks one part of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from recipe_on_disk import RecipeOnDisk

from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra

NM = np.arange(400.0, 1000.0, 20.0)
N_LIBRARY, N_SITE = 120, 40


class LibraryData(RecipeOnDisk):
    """SOC darkens one half of the library, as at the site, and brightens the other half; two more things vary."""

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
