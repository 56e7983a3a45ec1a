"""A small study on disk, sound until a test breaks one part of it."""

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from recipe_on_disk import RecipeOnDisk
from written_rasters import TRANSFORM, UTM, write_raster

from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra

SIDE = 20
N_SAMPLES = 30
WAVELENGTH_NM = np.linspace(500, 2400, 40)
NODATA = -9999


class CubeData(RecipeOnDisk):
    """A small study in a folder, sound until a test breaks one part of it and writes that part again."""

    def __init__(self, folder):
        super().__init__(folder)
        rng = np.random.default_rng(0)
        share = rng.uniform(0.1, 0.9, (SIDE, SIDE))
        slope, bow = np.linspace(0.1, 0.4, 40), 0.3 * np.sqrt(np.linspace(0.2, 1, 40))
        self.reflectance = (
            share[..., None] * slope + (1 - share[..., None]) * bow + rng.normal(0, 0.003, (SIDE, SIDE, 40))
        )
        self.cube = np.rint(1e4 * self.reflectance).astype(np.int16).transpose(2, 0, 1)
        self.cube[:, 0, 0] = NODATA
        place = 1 + rng.permutation(SIDE * SIDE - 1)[:N_SAMPLES]
        self.rows, self.columns = np.divmod(place, SIDE)
        self.points = gpd.GeoDataFrame(
            {
                "sample_id": [f"S{i:02d}" for i in range(N_SAMPLES)],
                "cu_mg_kg": 20 + 60 * share[self.rows, self.columns],
            },
            geometry=gpd.points_from_xy(*rasterio.transform.xy(TRANSFORM, self.rows, self.columns)),
            crs=UTM,
        )
        self.laboratory = 1.1 * self.reflectance[self.rows, self.columns]
        self.write_cube()
        self.write_points()
        self.write_laboratory()

    def write_cube(self, *, wavelengths=True, **profile):
        tags = [{"wavelength": f"{w:.2f}", "wavelength_units": "nm"} for w in WAVELENGTH_NM] if wavelengths else ()
        profile = {"scales": (1e-4,) * 40} | profile
        write_raster(self.folder / "cube.tif", self.cube, band_tags=tags, nodata=NODATA, **profile)

    def write_points(self):
        path = self.folder / "samples.gpkg"
        path.unlink(missing_ok=True)
        self.points.to_file(path, engine="pyogrio")

    def write_laboratory(self, quantity="reflectance", wavelength_nm=WAVELENGTH_NM):
        ids = [f"S{i:02d}" for i in range(len(self.laboratory))]
        values = self.laboratory.astype(np.float32)
        path = self.folder / "lab.parquet"
        table = pd.DataFrame({"depth_cm": np.full(len(ids), 20.0)})
        write_spectra(Spectra(wavelength_nm, values, ids, table, quantity, path), path)
