"""A generated EMIT granule: the layout of the real MASK and OBS files, planted values, a rotated lookup table (GLT)."""

from pathlib import Path

import h5py
import numpy as np

WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)
SCENE = "001_20220815T042838_2222703_003"
FILL = np.float32(-9999)
STEP = 0.000542232520256367
FLAGS = ("Cloud flag", "Cirrus flag", "Water flag", "Spacecraft Flag", "Dilated Cloud Flag")
MASK_BANDS = (*FLAGS, "AOD550", "H2O (g cm-2)", "Aggregate Flag")
WATER_NM = ((1320.0, 1440.0), (1770.0, 1970.0))


def emit_nm(count=285):
    """Return band centres in nm `(count,)`, as the products space them."""
    return np.linspace(381.00558, 2492.9238, count).astype(np.float32)


def planted(bands, rows, columns, count=285):
    """Return the reflectance of bands, rows and columns, broadcast: a formula of the three numbers, 0.05 to 0.5."""
    bands, rows, columns = (np.asarray(numbers, np.float64) for numbers in (bands, rows, columns))
    ground = 0.5 + 0.25 * np.sin(0.013 * rows + 0.3) + 0.25 * np.cos(0.017 * columns)
    slope = 0.1 + 0.3 * bands / count
    grain = ((rows * 7919 + columns * 104729 + bands * 15485863) % 1009) / 1009
    return (0.03 + slope * ground + 0.01 * grain).astype(np.float32)


def lookup_table(rows, columns, angle_deg):
    """Return the 1-based columns and rows `(y, x)`, int32, of a swath that is turned by an angle; 0 is outside."""
    angle = np.deg2rad(angle_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows]])
    x, y = cos * corners[0] - sin * corners[1], sin * corners[0] + cos * corners[1]
    across, down = np.meshgrid(np.arange(np.floor(x.min()), np.ceil(x.max())) + 0.5,
                               np.arange(np.floor(y.min()), np.ceil(y.max())) + 0.5)  # fmt: skip
    column = np.floor(cos * across + sin * down).astype(np.int64)
    row = np.floor(-sin * across + cos * down).astype(np.int64)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return [np.where(inside, numbers + 1, 0).astype(np.int32) for numbers in (column, row)]


def netcdf_chunks(shape, itemsize=4, most_bytes=16 * 2**20):
    """Return the chunks that the netCDF library chooses for a shape: (256, 249, 57) for a whole granule."""
    ratio = (most_bytes / (np.prod(shape, dtype=float) * itemsize)) ** (1 / len(shape))
    if ratio >= 1:
        return tuple(shape)
    chunks = [max(int(side * ratio - 0.5), 1) for side in shape]
    return tuple(-(-side // -(-side // chunk)) for side, chunk in zip(shape, chunks, strict=True))


def write_emit(folder, *, rows=40, columns=32, count=285, angle_deg=25.0, chunks=None, mask=True, shuffle=True,
               compression="gzip", name=None, values=planted, version="V001"):  # fmt: skip
    """Write a reflectance granule, and its MASK file beside it; return the path of the first.

    Parameters
    ----------
    folder : path
    rows, columns, count : int
        Shape of the swath; 1280, 1242 and 285 for a whole granule.
    angle_deg : float
        By how much the swath is turned on the ground.
    chunks : (int, int, int), optional
        Chunks of the cube (default: as the netCDF library chooses them).
    mask : bool
        Whether to write a MASK file: `planted_flags`.
    values : callable
        The planted values.
    """
    path = Path(folder) / (name or f"EMIT_L2A_RFL_{SCENE}.nc")
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (rows, columns, count)
    chunks = chunks or netcdf_chunks(shape)
    nm = emit_nm(count)
    with h5py.File(path, "w", track_order=True) as file:
        _attributes(file, "EMIT L2A Estimated Surface Reflectance 60 m V001", version)
        dims = _dimensions(file, {"downtrack": rows, "crosstrack": columns, "bands": count})
        cube = file.create_dataset("reflectance", shape, "f4", chunks=chunks, fillvalue=FILL, shuffle=shuffle,
                                   compression=compression, compression_opts=4 if compression else None)  # fmt: skip
        cube.attrs.update({"_FillValue": np.array([FILL]), "long_name": np.bytes_("Surface Reflectance"),
                           "units": np.bytes_("unitless")})  # fmt: skip
        _scales(cube, [dims["downtrack"], dims["crosstrack"], dims["bands"]])
        for top in range(0, rows, chunks[0]):
            height = min(chunks[0], rows - top)
            row, column, band = np.ogrid[top : top + height, :columns, :count]
            cube[top : top + height] = values(band, row, column)
        good = np.ones(count, np.float32)
        for low, high in WATER_NM:
            good[(nm >= low) & (nm <= high)] = 0
        group = file.create_group("sensor_band_parameters")
        for key, numbers in (("wavelengths", nm), ("fwhm", np.full(count, 8.5, "f4")), ("good_wavelengths", good)):
            group.create_dataset(key, data=numbers).dims[0].attach_scale(dims["bands"])
        _location(file, dims, rows, columns, angle_deg)
    if mask:
        write_mask(path.parent, rows=rows, columns=columns, angle_deg=angle_deg)
    return path


def planted_flags(rows, columns):
    """Return the bands of a mask `(y, x, 8)`, float32: each flag is a rectangle of its own."""
    flags = np.zeros((rows, columns, len(MASK_BANDS)), np.float32)
    flags[2:6, 3:8, 0] = 1  # cloud
    flags[1:7, 2:9, 4] = 1  # and around it
    flags[10:14, 0:5, 1] = 1  # cirrus
    flags[20:26, 12:18, 2] = 1  # water
    flags[30, :4, 3] = 1  # a part of the station
    flags[..., 5], flags[..., 6] = 0.2, 1.3
    flags[..., 7] = flags[..., [0, 2, 3, 4]].any(axis=2)
    flags[34, 20, 7] = 1  # for another reason
    return flags


def write_mask(folder, *, rows=40, columns=32, angle_deg=25.0, name=None, flags=None):
    """Write a MASK file; return its path."""
    path = Path(folder) / (name or f"EMIT_L2A_MASK_{SCENE}.nc")
    flags = planted_flags(rows, columns) if flags is None else flags
    with h5py.File(path, "w", track_order=True) as file:
        _attributes(file, "EMIT L2A Masks 60 m V001", "V001")
        dims = _dimensions(file, {"downtrack": rows, "crosstrack": columns, "bands": len(MASK_BANDS)})
        stored = file.create_dataset("mask", data=flags, chunks=flags.shape, fillvalue=FILL, shuffle=True,
                                     compression="gzip")  # fmt: skip
        stored.attrs["_FillValue"] = np.array([FILL])
        _scales(stored, [dims["downtrack"], dims["crosstrack"], dims["bands"]])
        group = file.create_group("sensor_band_parameters")
        group.create_dataset("mask_bands", data=np.array(MASK_BANDS, dtype=object), dtype=h5py.string_dtype())
        _location(file, dims, rows, columns, angle_deg)
    return path


def _attributes(file, title, version):
    file.attrs.update({
        "title": np.bytes_(title), "sensor": np.bytes_("EMIT (Earth Surface Mineral Dust Source Investigation)"),
        "instrument": np.bytes_("EMIT"), "platform": np.bytes_("ISS"), "product_version": np.bytes_(version),
        "time_coverage_start": np.bytes_("2022-08-15T04:28:38+0000"), "spatial_ref": np.bytes_(WKT),
        "spatialResolution": np.array([STEP]), "geotransform": np.array([61.64, STEP, -0.0, 36.39, -0.0, -STEP]),
        # As in a real OBS file, these are swapped and are not those of the lookup table.
        "easternmost_longitude": np.array([61.159]), "westernmost_longitude": np.array([62.373]),
    })  # fmt: skip


def _dimensions(file, lengths):
    dims = {}
    for name, length in lengths.items():
        dims[name] = file.create_dataset(name, data=np.zeros(length, ">f4"))
        dims[name].make_scale(f"This is a netCDF dimension but not a netCDF variable.{length:10d}")
    return dims


def _location(file, dims, rows, columns, angle_deg):
    group = file.create_group("location")
    glt_x, glt_y = lookup_table(rows, columns, angle_deg)
    dims |= _dimensions(file, {"ortho_y": glt_x.shape[0], "ortho_x": glt_x.shape[1]})
    row, column = np.mgrid[:rows, :columns]
    for name, numbers in (("lon", 61.64 + STEP * column), ("lat", 36.39 - STEP * row), ("elev", 500.0 + 0 * row)):
        stored = group.create_dataset(name, data=numbers, shuffle=True, compression="gzip")
        _scales(stored, [dims["downtrack"], dims["crosstrack"]])
    for name, numbers in (("glt_x", glt_x), ("glt_y", glt_y)):
        stored = group.create_dataset(name, data=numbers, chunks=netcdf_chunks(numbers.shape), shuffle=True,
                                      compression="gzip", fillvalue=-2147483647)  # fmt: skip
        _scales(stored, [dims["ortho_y"], dims["ortho_x"]])


def _scales(stored, scales):
    for axis, scale in zip(stored.dims, scales, strict=True):
        axis.attach_scale(scale)
