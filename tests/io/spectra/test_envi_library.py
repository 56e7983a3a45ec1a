import numpy as np
import pytest
import spectra_files as files

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.envi_library import read_envi_library
from geosoil.io.spectra.reader import read_spectra

STORED = np.array([[1000, 2000, 3000], [1500, -999, 3500]])


def library(folder, numbers=STORED, kind="<i2", code=2, cut=0, header_name="clay.hdr", without=(), **changes):
    """Write a library as ENVI does, with some keys of its header changed or left out."""
    keys = {
        "description": "{two clays,\n of a test}",
        "samples": numbers.shape[1],
        "lines": numbers.shape[0],
        "bands": 1,
        "header offset": 0,
        "file type": "ENVI Spectral Library",
        "data type": code,
        "interleave": "bsq",
        "byte order": 1 if kind.startswith(">") else 0,
        "wavelength units": "Micrometers",
        "reflectance scale factor": 10000,
        "data ignore value": -999,
        "wavelength": "{0.45, 0.55,\n 2.201}",
        "spectra names": "{kaolinite KGa-1, illite}",
        **{key.replace("_", " "): value for key, value in changes.items()},
    }
    text = "\n".join(f"{key} = {value}" for key, value in keys.items() if key not in without)
    (folder / header_name).write_text(f"ENVI\n{text}\n")
    content = b"\0" * int(keys.get("header offset") or 0) + numbers.astype(kind).tobytes()
    (folder / "clay.sli").write_bytes(content[: len(content) - cut])
    return folder / "clay.sli"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("<i2", 2), (">i2", 2), ("<i4", 3), ("<f4", 4), (">f4", 4), ("<f8", 5), ("<i8", 14)],
)
@pytest.mark.parametrize("offset", [0, 128])
def test_a_library_comes_back_as_fractions_and_nanometres(tmp_path, kind, code, offset):
    spectra = read_spectra(library(tmp_path, kind=kind, code=code, header_offset=offset))
    assert spectra.wavelength_nm.tolist() == [450, 550, 2201]
    assert spectra.ids == ["kaolinite KGa-1", "illite"]
    np.testing.assert_allclose(spectra.values, [[0.1, 0.2, 0.3], [0.15, np.nan, 0.35]], rtol=1e-6)
    assert spectra.quantity == "reflectance"


def test_the_header_may_be_given_and_may_keep_the_suffix_of_the_data(tmp_path):
    library(tmp_path)
    assert read_spectra(tmp_path / "clay.hdr").values.shape == (2, 3)
    (tmp_path / "clay.hdr").rename(tmp_path / "clay.sli.hdr")
    assert read_spectra(tmp_path / "clay.sli").values.shape == (2, 3)
    assert read_spectra(tmp_path / "clay.sli.hdr").values.shape == (2, 3)


def test_bands_marked_bad_are_left_out(tmp_path):
    assert read_spectra(library(tmp_path, bbl="{1, 0, 1}")).wavelength_nm.tolist() == [450, 2201]


def test_a_scale_that_is_given_replaces_that_of_the_header(tmp_path):
    spectra = read_spectra(library(tmp_path), scale=5e-5)
    np.testing.assert_allclose(spectra.values[0], [0.05, 0.1, 0.15], rtol=1e-6)


def test_numbers_without_a_scale_are_refused_if_they_are_not_fractions(tmp_path):
    with pytest.raises(UnitsError, match=r"median of .*scale=0.0001"):
        read_spectra(library(tmp_path, without=["reflectance scale factor"]))


def test_a_unit_of_wavelength_is_never_guessed(tmp_path):
    path = library(tmp_path, without=["wavelength units"])
    with pytest.raises(WavelengthError, match="wavelengths without unit"):
        read_spectra(path)
    assert read_spectra(path, wavelength_unit="um").wavelength_nm.tolist() == [450, 550, 2201]
    with pytest.raises(UnitsError, match="furlongs"):
        read_spectra(library(tmp_path, wavelength_units="furlongs"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"cut": 1}, "11 bytes; expected 12"),
        ({"lines": 2000000000}, "12 bytes; expected 12000000000"),
        ({"samples": "many"}, "samples = many"),
        ({"samples": "-3"}, "samples = -3"),
        ({"bands": 3}, "bands = 3"),
        ({"data_type": 6}, "data type = 6"),
        ({"byte_order": 2}, "byte order = 2"),
        ({"wavelength": "{0.45, 0.55}"}, "wavelength of 2 items"),
        ({"wavelength": "{0.45, blue, 0.65}"}, "wavelength of 3 items"),
        ({"without": ["wavelength"]}, "no wavelength"),
        ({"spectra_names": "{kaolinite}"}, "1 spectra names"),
    ],
    ids=str,
)
def test_an_inconsistent_header_is_refused(tmp_path, change, found):
    with pytest.raises(SamplesError, match=found):
        read_envi_library(library(tmp_path, **change))


def test_a_library_without_its_header_or_data_is_refused(tmp_path):
    path = library(tmp_path)
    (tmp_path / "clay.hdr").unlink()
    with pytest.raises(SamplesError, match=r"no header; expected clay.hdr or clay.sli.hdr"):
        read_envi_library(path)
    (tmp_path / "text.hdr").write_text("no header")
    (tmp_path / "text.sli").write_bytes(b"")
    with pytest.raises(SamplesError, match="expected an ENVI header"):
        read_envi_library(tmp_path / "text.hdr")


def test_wavenumbers_become_wavelengths(tmp_path):
    values = np.float32([0.25, 0.5, 0.125])
    files.envi_library(tmp_path / "a.sli", [4000, 2000, 1000], [values], names=["a"], units="Wavenumber")
    spectra = read_spectra(tmp_path / "a.sli")
    assert spectra.wavelength_nm.tolist() == [2500, 5000, 10000]
    assert spectra.values.tolist() == [values.tolist()]
