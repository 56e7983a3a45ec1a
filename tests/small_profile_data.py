"""A small study of SOC by depth on disk, sound until a test breaks one part of it."""

import numpy as np
import pandas as pd
import rasterio
from recipe_on_disk import RecipeOnDisk
from written_rasters import TRANSFORM, write_raster

SIDE = 30
N_PROFILES = 60
LIMITS = [0, 10, 30, 60]


class ProfileData(RecipeOnDisk):
    """SOC declines with depth; it grows with `wet`, whose neighbourhood counts, and is higher under one land use."""

    def __init__(self, folder):
        super().__init__(folder)
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
        wet = np.sin(6 * rows) + np.cos(5 * columns)
        self.covariates = {
            "wet": wet,
            "dry": -wet + rng.normal(0, 0.05, wet.shape),
            "slope": rng.normal(5, 2, wet.shape),
            "landuse": 1 + (columns > 0.5),
        }
        self.top = 20 + 5 * wet + 6 * (columns > 0.5)
        place = rng.permutation(SIDE * SIDE)[:N_PROFILES]
        self.rows, self.columns = np.divmod(place, SIDE)
        self.write_covariates()
        self.horizons = self.profiles(rng)
        self.write_horizons()

    def profiles(self, rng):
        """Three horizons a profile; every other one ends at 35 cm."""
        x, y = rasterio.transform.xy(TRANSFORM, self.rows, self.columns)
        table = []
        for i in range(N_PROFILES):
            for top, bottom in ((0, 12), (12, 35), (35, 70))[: 3 - i % 2]:
                content = self.top[self.rows[i], self.columns[i]] * np.exp(-(top + bottom) / 60) + rng.normal(0, 0.2)
                table.append(
                    (
                        f"P{i:02d}",
                        x[i],
                        y[i],
                        top,
                        bottom,
                        max(content, 0.1),
                        20 + self.top[self.rows[i], self.columns[i]],
                    )
                )
        columns = ["profile_id", "x_m", "y_m", "top_cm", "bottom_cm", "soc_g_kg", "clay_pct"]
        return pd.DataFrame(table, columns=columns)

    def write_covariates(self, **profile):
        folder = self.folder / "covariates"
        folder.mkdir(exist_ok=True)
        for name, values in self.covariates.items():
            write_raster(
                folder / f"{name}.tif", values[None].astype(np.float32), descriptions=[name], nodata=-9999, **profile
            )
        (self.folder / "landuse_classes.csv").write_text("code,label\n1,arable\n2,forest\n")

    def write_horizons(self):
        self.horizons.to_csv(self.folder / "horizons.csv", index=False)
