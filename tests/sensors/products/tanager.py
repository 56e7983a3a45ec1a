"""Generated Tanager-1 files: reflectance and radiance, on a map (ortho) and in sensor geometry (basic)."""

from pathlib import Path

import h5py
import numpy as np

FILL = np.float32(-9999)
LEFT, TOP, PIXEL_M = 351_000.0, 3_771_330.0, 30.0
STRUCTURE = """GROUP=GridStructure
\tGROUP=GRID_1
\t\tGridName="HYP"
\t\tXDim={columns}
\t\tYDim={rows}
\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})
\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})
\t\tProjection=HE5_GCTP_UTM
\t\tZoneCode={zone}
\t\tSphereCode=12
\tEND_GROUP=GRID_1
END_GROUP=GridStructure
END
"""


def tanager_nm(count=426):
    """Return band centres in nm `(count,)`."""
    return np.linspace(376.44, 2499.02, count)


def planted(bands, rows, columns, count=426):
    """Return the values of bands, rows and columns, a formula of them, from 0.05 to 0.6."""
    bands, rows, columns = (np.asarray(numbers, np.float64) for numbers in (bands, rows, columns))
    ground = 0.5 + 0.3 * np.sin(0.07 * rows) * np.cos(0.05 * columns + 0.4)
    return (0.05 + (0.2 + 0.5 * bands / count) * ground + 1e-4 * ((rows * 13 + columns * 7) % 29)).astype(np.float32)


def write_tanager(folder, *, ortho=True, reflectance=True, rows=36, columns=44, count=426, zone=11, epsg=32611,
                  lists="attributes", chunks=None, masks=True, name=None):  # fmt: skip
    """Write a file of one of the four variants; return its path.

    Parameters
    ----------
    folder : path
    ortho : bool
        Whether the cube is on a map.
    reflectance : bool
        Whether it is surface reflectance, else radiance.
    zone, epsg : int or None
        UTM zone in the text of HDF-EOS, and the code among the attributes of the group.
    lists : {"attributes", "data sets"}
        Where the wavelengths are.
    masks : bool
        Whether to write the three layers: row 0 has no data, a rectangle is cloud and another is cirrus.
    """
    kind = "sr" if reflectance else "radiance"
    path = Path(folder) / (name or f"20250516_164837_16_4001_{'ortho' if ortho else 'basic'}_{kind}_hdf5.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    group = f"HDFEOS/{'GRIDS' if ortho else 'SWATHS'}/HYP"
    fields = f"{group}/Data Fields"
    row, column = np.ogrid[:rows, :columns]
    nm = tanager_nm(count)
    with h5py.File(path, "w") as file:
        cube = file.create_dataset(
            f"{fields}/{'surface_reflectance' if reflectance else 'toa_radiance'}", (count, rows, columns), "f4",
            chunks=chunks or (1, rows, columns), compression="gzip", fillvalue=FILL,
        )  # fmt: skip
        for band in range(count):
            values = planted(band, row, column, count) * (1 if reflectance else 100)
            values[0] = FILL
            cube[band] = values
        cube.attrs["_FillValue"] = FILL
        cube.attrs["units"] = "unitless" if reflectance else "W/(m^2 sr um)"
        if lists == "attributes":
            cube.attrs.update({"wavelengths": nm, "fwhm": np.full(count, 5.5)})
        else:
            file[f"{fields}/Wavelength"], file[f"{fields}/FWHM"] = nm, np.full(count, 5.5)
        if ortho:
            text = STRUCTURE.format(rows=rows, columns=columns, left=LEFT, top=TOP, zone=zone,
                                    right=LEFT + PIXEL_M * columns, bottom=TOP - PIXEL_M * rows)  # fmt: skip
            file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(text)
            if epsg is not None:
                file[group].attrs["epsg_code"] = epsg
        else:
            latitude, longitude = 34.0 - 3e-4 * (row + 0.1 * column), -118.0 + 3e-4 * (column - 0.1 * row)
            geolocation = f"{group}/Geolocation Fields"
            file[f"{geolocation}/Latitude"], file[f"{geolocation}/Longitude"] = latitude, longitude
        if masks:
            outside, cloud, cirrus = (np.zeros((rows, columns), np.uint8) for _ in range(3))
            outside[0], cloud[5:9, 3:10], cirrus[20:22, 30:40] = 1, 1, 1
            for key, layer in (("nodata_pixels", outside), ("beta_cloud_mask", cloud), ("beta_cirrus_mask", cirrus)):
                file.create_dataset(f"{fields}/{key}", data=layer, compression="gzip")
    return path
