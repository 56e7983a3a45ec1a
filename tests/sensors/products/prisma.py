"""A generated PRISMA L2D file: two cubes (line, band, sample), descending wavelengths with unused entries."""

from pathlib import Path

import h5py
import numpy as np

NAME = "PRS_L2D_STD_20201107101404_20201107101408_0001.he5"
FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
LIMITS = {"VNIR": (0.0, 1.2), "SWIR": (-0.01, 0.9)}
EASTING, NORTHING = 612_345.0, 4_523_415.0  # of the centre of the upper left pixel
UNUSED = {"VNIR": [0, 1, 2], "SWIR": [171, 172]}
COUNTS = {"VNIR": 66, "SWIR": 173}


def listed_nm(detector):
    """Return the list of wavelengths as the file has it, descending, 0 for unused bands."""
    first, last = {"VNIR": (1010.6, 402.4), "SWIR": (2497.1, 920.2)}[detector]
    numbers = np.zeros(COUNTS[detector], np.float32)
    used = np.setdiff1d(np.arange(numbers.size), UNUSED[detector])
    numbers[used] = np.linspace(first, last, used.size)
    return numbers


def planted_dn(detector, bands, rows, columns):
    """Return digital numbers, a formula of detector, stored band, row and column; at least 2000."""
    bands, rows, columns = (np.asarray(numbers, np.int64) for numbers in (bands, rows, columns))
    start = {"VNIR": 2000, "SWIR": 5000}[detector]
    ground = (9000 * (1 + np.sin(0.05 * rows) * np.cos(0.04 * columns))).astype(np.int64)
    return (start + 90 * bands + ground + (rows * 31 + columns * 17 + bands * 7) % 211).astype(np.uint16)


def planted(detector, bands, rows, columns):
    """Return the reflectance of stored bands."""
    low, high = LIMITS[detector]
    return low + planted_dn(detector, bands, rows, columns).astype(np.float64) * (high - low) / 65535


def is_outside(rows, columns):
    """Return which pixels are outside the scene: a corner."""
    row, column = np.ogrid[:rows, :columns]
    return row + column < min(rows, columns) // 4


def write_prisma(folder, *, rows=40, columns=36, chunks=None, compression="gzip", edges=False, name=NAME, errors=True):
    """Write a file; return its path.

    Parameters
    ----------
    folder : path
    rows, columns : int
        Shape.
    chunks : (int, int, int), optional
        Chunks of the cubes (default: 20 bands of 64 rows); False for none.
    edges : bool
        Whether the corners are those of the outer edges instead of the centres of pixels.
    errors : bool
        Whether to write the error matrices: pixel (20, 5) is invalid in VNIR band 30, (21, 6) is saturated in SWIR band
        10, and (22, 7) is negative in many bands.
    """
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    options = (
        {}
        if chunks is False
        else {"chunks": chunks or (min(rows, 64), 20, columns), "compression": compression, "shuffle": True}
    )
    row, column = np.ogrid[:rows, :columns]
    outside = is_outside(rows, columns)
    with h5py.File(path, "w") as file:
        for detector, count in COUNTS.items():
            title = detector.capitalize()
            file.attrs[f"List_Cw_{title}"] = listed_nm(detector)
            file.attrs[f"List_Fwhm_{title}"] = np.where(listed_nm(detector) > 0, 11.5, 0).astype(np.float32)
            for end, limit in zip(("Min", "Max"), LIMITS[detector], strict=True):
                file.attrs[f"L2Scale{title}{end}"] = np.float32(limit)
            cube = file.create_dataset(f"{FIELDS}/{detector}_Cube", (rows, count, columns), "u2", **options)
            for band in range(count):
                numbers = planted_dn(detector, band, row, column)
                numbers[outside] = 0
                cube[:, band] = 0 if band in UNUSED[detector] else numbers
            if errors:
                matrix = np.zeros((rows, count, columns), np.uint8)
                if detector == "VNIR":
                    matrix[20, 30, 5] = 1
                else:
                    matrix[21, 10, 6] = 4
                    matrix[22, 50:90, 7] = 2
                file.create_dataset(f"{FIELDS}/{detector}_PIXEL_L2_ERR_MATRIX", data=matrix, **options)
        shift = 15.0 if edges else 0.0
        across, down = 30.0 * (columns - (not edges)), 30.0 * (rows - (not edges))
        file.attrs.update({
            "Epsg_Code": np.int64(32632), "Processing_Level": np.bytes_("2D"),
            "Product_StartTime": np.bytes_("2020-11-07T10:14:04.123456"), "Sun_zenith_angle": np.float32(58.5),
            "Product_ULcorner_easting": EASTING - shift, "Product_ULcorner_northing": NORTHING + shift,
            "Product_LRcorner_easting": EASTING - shift + across, "Product_LRcorner_northing": NORTHING + shift - down,
        })  # fmt: skip
        file.create_dataset("HDFEOS/SWATHS/PRS_L2D_PCO/Data Fields/Cube", data=np.ones((6, 6), "u2"))
    return path
