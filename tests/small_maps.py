"""Small maps with trust maps beside them, on a UTM, a rotated and a geographic grid."""

import numpy as np
from affine import Affine

from geosoil.io.rasters.cog import write_cog
from geosoil.raster.layout import make_raster

ROTATED = Affine(*(30 * np.array([np.cos(0.4), np.sin(0.4)])), 500_000, 30 * np.sin(0.4), -30 * np.cos(0.4), 5_200_000)
GRIDS = {
    "utm": ("EPSG:32632", Affine(30, 0, 500_000, 0, -30, 5_200_000)),
    "rotated": ("EPSG:32632", ROTATED),
    "geographic": ("EPSG:4326", Affine(3e-4, 0, 7, 0, -3e-4, 47)),
}
TAGS = {"GEOSOIL_IDENTITY": "one run", "GEOSOIL_LEVEL": "0.9", "GEOSOIL_MODEL": "small"}
SHAPE = (90, 120)


def map_values(shape=SHAPE, seed=0):
    """Return values `(y, x)` float32 with a corner and some pixels without data."""
    values = np.random.default_rng(seed).gamma(2, 20, shape).astype(np.float32)
    values[:7, :9] = np.nan
    values[shape[0] // 2, shape[1] // 3] = np.nan
    return values


def write_map(folder, grid="utm", *, shape=SHAPE, name="soil_mg_kg", unit="mg/kg", trust=True, file="soil.tif"):
    """Write a map, with its trust map beside it, and return its path."""
    crs, transform = GRIDS[grid]
    values = map_values(shape)

    def write(bands, path, units):
        raster = make_raster(np.stack(list(bands.values())), names=list(bands), crs=crs, transform=transform)
        write_cog(raster, path, tags=TAGS, band_units=units)

    path = folder / file
    write({name: values}, path, [unit])
    if trust:
        dissimilarity = np.where(np.isnan(values), np.nan, values / 100).astype(np.float32)
        bands = {
            f"{name} lower": values * np.float32(0.5),
            f"{name} upper": values * np.float32(1.75),
            "dissimilarity": dissimilarity,
            "density": np.float32(30) - dissimilarity,
            "inside": np.where(np.isnan(values), np.nan, values < 60).astype(np.float32),
        }
        write(bands, path.with_name(f"{path.stem}_trust.tif"), [unit, unit, "", "samples", ""])
    return path
