"""Small recipes of the pipeline on disk, one for each kind of data."""

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from recipe_on_disk import RecipeOnDisk
from small_cube_data import CubeData
from small_lead_data import LeadData
from small_library_data import LibraryData
from small_profile_data import ProfileData
from written_rasters import TRANSFORM, UTM, write_raster

SIDE, N_POINTS = 24, 70


class CubeRecipe(CubeData):
    """Copper of 30 samples on a cube of 40 bands, with laboratory spectra."""

    text = """
name = "cu"
[data]
kind = "cube"
cube = "cube.tif"
samples = "samples.gpkg"
laboratory = "lab.parquet"
[target]
column = "cu_mg_kg"
unit = "mg/kg"
[features]
use = "mix"
fusion = { hidden = [8, 4], latent = 2, epochs = 2, n_members = 1 }
selection = { method = "cars", n_runs = 5, n_components = 3 }
[validation]
n_folds = 3
processes = 1
"""


class SpectraRecipe(LeadData):
    """Lead of 48 samples with places and sites, and a library that has pH."""

    text = """
name = "pb"
[data]
kind = "spectra"
spectra = "spectra.parquet"
samples = "samples.csv"
x = "x_m"
y = "y_m"
crs = "EPSG:32648"
group = "site"
library = "library.parquet"
auxiliary = { column = "ph", title = "pH" }
[target]
column = "pb_mg_kg"
unit = "mg/kg"
title = "Pb"
log = "smearing"
[validation]
n_folds = 3
block_m = 300.0
processes = 1
"""


class LibraryRecipe(LibraryData):
    """SOC of 40 samples of a site, and a library of 120 rows that has SOC too."""

    text = """
name = "farm"
[data]
kind = "spectra"
spectra = "site.parquet"
library = "library.parquet"
country = "here"
x = "x_m"
y = "y_m"
crs = "EPSG:32633"
on_missing = "drop"
[target]
column = "soc_pct"
unit = "%"
title = "SOC"
[validation]
split = ["kennard_stone", "holdout"]
n_train = 12
n_repeats = 2
processes = 1
"""


class ProfileRecipe(ProfileData):
    """SOC of 60 profiles at three depths, and patches of covariates around them."""

    text = """
name = "soc"
[data]
kind = "profiles"
horizons = "horizons.csv"
x = "x_m"
y = "y_m"
crs = "EPSG:32633"
covariates = ["covariates/*.tif"]
classes = { landuse = "landuse_classes.csv" }
layers_cm = [0, 10, 30, 60]
patch = 5
[target]
column = "soc_g_kg"
unit = "g/kg"
title = "SOC"
[validation]
n_folds = 3
block_m = 150.0
processes = 1
"""


class CovariateRecipe(RecipeOnDisk):
    """PH follows `wet` and land use, Pb follows pH; half of the points have no Pb; `wet` has a gap without a point."""

    text = """
name = "lead"
[data]
kind = "covariates"
samples = "points.gpkg"
sample_id = "id"
covariates = ["*.tif"]
classes = { landuse = [1, 2, 3] }
auxiliary = { column = "ph", unit = "1", title = "pH" }
[target]
column = "pb_mg_kg"
unit = "mg/kg"
title = "Pb"
log = "naive"
[validation]
n_folds = 3
block_m = 150.0
processes = 1
"""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
        wet = np.sin(6 * rows) + np.cos(5 * columns) + rng.normal(0, 0.1, rows.shape)
        slope, landuse = rng.uniform(1, 9, rows.shape), 1 + (columns > 0.5)
        place = 1 + rng.permutation(SIDE * SIDE - 1)[:N_POINTS]
        self.rows, self.columns = np.divmod(place, SIDE)
        at = self.rows, self.columns
        ph = (6 + wet + (landuse == 2))[at] + rng.normal(0, 0.1, N_POINTS)
        pb = np.exp(7 - 0.4 * ph + rng.normal(0, 0.1, N_POINTS))
        pb[::2] = np.nan
        self.wet = wet[at]
        wet[0, 0] = np.nan
        write_raster(folder / "wet.tif", wet[None].astype("float32"), nodata=np.nan)
        write_raster(folder / "slope.tif", slope[None].astype("float32"))
        write_raster(folder / "landuse.tif", landuse[None].astype("uint8"))
        x, y = rasterio.transform.xy(TRANSFORM, *at)
        ids = [f"p{i}" for i in range(N_POINTS)]
        self.points = gpd.GeoDataFrame(
            {"id": ids, "ph": ph, "pb_mg_kg": pb}, geometry=gpd.points_from_xy(x, y), crs=UTM
        )
        self.write_points()

    def write_points(self):
        self.points.to_file(self.folder / "points.gpkg", engine="pyogrio")


class TableRecipe(RecipeOnDisk):
    """Clay of 40 samples from two columns of a table, with labels of their site and fold."""

    text = """
name = "clay"
[data]
kind = "table"
table = "table.csv"
columns = ["depth_cm", "colour"]
[target]
column = "clay_pct"
unit = "%"
[validation]
n_folds = 4
processes = 1
"""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        depth, colour = rng.uniform(0, 50, 40).round(2), rng.uniform(0, 9, 40).round(2)
        self.table = pd.DataFrame(
            {
                "sample_id": [f"{i:03d}" for i in range(40)],
                "depth_cm": depth,
                "colour": colour,
                "clay_pct": (20 + 0.2 * depth + colour).round(2),
                "sand_pct": rng.uniform(20, 60, 40).round(1),
                "lon": rng.uniform(13.0, 13.1, 40),
                "lat": rng.uniform(52.0, 52.1, 40),
                "site": np.repeat(["a", "b", "c", "d"], 10),
                "fold": np.tile(["1", "2"], 20),
            }
        )
        self.write()

    def write(self):
        self.table.to_csv(self.folder / "table.csv", index=False)
