import io
import struct

import numpy as np
import pytest
import spectra_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from geosoil.errors import GeosoilError, UnitsError, WavelengthError
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.spc import read_spc

VALUES = [0.25, 0.5, 0.375, 0.125]
WHOLE_NUMBERS = [2**28, 2**29, 3 * 2**27, -(2**27)]  # times 2 ** (1 - 32)
FRACTIONS = [0.125, 0.25, 0.1875, -0.0625]


def written(folder, content, name="soil.spc"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_on_an_even_axis_are_read_in_either_byte_order(tmp_path, order):
    spectra = read_spectra(written(tmp_path, files.spc([VALUES], first=400, last=700, order=order)))
    assert spectra.wavelength_nm.tolist() == [400, 500, 600, 700]
    assert spectra.values.tolist() == [VALUES]
    assert (spectra.quantity, spectra.ids) == ("reflectance", ["soil"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "numbers"), [(32, WHOLE_NUMBERS), (16, [n // 2**16 for n in WHOLE_NUMBERS])])
def test_integers_are_scaled_by_their_exponent(tmp_path, order, bits, numbers):
    content = files.spc([numbers], exponent=1, bits=bits, order=order)
    np.testing.assert_array_equal(read_spc(written(tmp_path, content)).values, [FRACTIONS])


def test_several_spectra_have_their_exponents_and_one_has_that_of_the_header(tmp_path):
    several = files.spc([WHOLE_NUMBERS, WHOLE_NUMBERS], exponent=0, exponents=[1, 2])
    assert read_spc(written(tmp_path, several)).values.tolist() == [FRACTIONS, [2 * value for value in FRACTIONS]]
    single = files.spc([WHOLE_NUMBERS], exponent=1, exponents=[9])
    assert read_spc(written(tmp_path, single)).values.tolist() == [FRACTIONS]


def test_an_old_file_has_integers_with_exchanged_words(tmp_path):
    spectra = read_spectra(written(tmp_path, files.spc_old([WHOLE_NUMBERS], first=400, last=700)))
    assert spectra.wavelength_nm.tolist() == [400, 500, 600, 700]
    assert spectra.values.tolist() == [FRACTIONS]
    several = read_spc(written(tmp_path, files.spc_old([WHOLE_NUMBERS, WHOLE_NUMBERS[::-1]])))
    assert several.values.tolist() == [FRACTIONS, FRACTIONS[::-1]]


def test_several_spectra_with_one_axis_are_rows(tmp_path):
    x = np.float32([700, 600, 500, 400.5])
    spectra = read_spectra(written(tmp_path, files.spc([VALUES, VALUES[::-1]], x=x)))
    assert spectra.wavelength_nm.tolist() == [400.5, 500, 600, 700]
    assert spectra.values.tolist() == [VALUES[::-1], VALUES]
    assert spectra.ids == ["soil/1", "soil/2"]


def test_each_spectrum_may_have_its_axis_if_they_are_equal(tmp_path):
    x = [400, 500, 650, 700]
    stored = read_spc(written(tmp_path, files.spc([VALUES, VALUES], x=[x, x])))
    assert stored.wavelength.tolist() == x
    with pytest.raises(WavelengthError, match=r"2 spectra with different axes.*one file each"):
        read_spc(written(tmp_path, files.spc([VALUES, VALUES], x=[x, x[::-1]])))


@pytest.mark.parametrize(("x_type", "first", "last"), [(1, 25000, 10000), (2, 0.4, 1.0), (3, 400, 1000)])
def test_the_type_of_the_axis_is_its_unit(tmp_path, x_type, first, last):
    content = files.spc([VALUES], x_type=x_type, first=first, last=last)
    spectra = read_spectra(written(tmp_path, content))
    assert (spectra.wavelength_nm[0], spectra.wavelength_nm[-1]) == (400, 1000)


def test_an_axis_without_unit_needs_one_from_the_user(tmp_path):
    path = written(tmp_path, files.spc([VALUES], x_type=0, first=4000, last=1000))
    with pytest.raises(WavelengthError, match=r"without unit, from 1000 to 4000; .*--wavelength-unit"):
        read_spectra(path)
    assert read_spectra(path, wavelength_unit="cm-1").wavelength_nm[0] == 2500
    labelled = files.spc([VALUES], x_type=0, first=4000, last=1000, labels=b"Wavenumber (cm-1)\0Reflectance\0")
    assert read_spectra(written(tmp_path, labelled)).wavelength_nm[0] == 2500


@pytest.mark.parametrize(("y_type", "quantity"), [(2, "absorbance"), (10, "absorbance"), (129, "reflectance")])
def test_the_type_of_the_values_is_their_quantity(tmp_path, y_type, quantity):
    path = written(tmp_path, files.spc([VALUES], y_type=y_type))
    assert read_spectra(path).quantity == quantity
    other = {"absorbance": "reflectance", "reflectance": "absorbance"}[quantity]
    with pytest.raises(UnitsError, match=f"found {quantity}, as the file says"):
        read_spectra(path, quantity=other)


@pytest.mark.parametrize(("y_type", "name"), [(0, "arbitrary units"), (11, "percent"), (128, "transmittance")])
def test_values_of_another_type_need_a_statement_of_the_user(tmp_path, y_type, name):
    path = written(tmp_path, files.spc([VALUES], y_type=y_type))
    with pytest.raises(UnitsError, match=rf"found .*{name}, as the file says; .*--quantity"):
        read_spectra(path)
    assert read_spectra(path, quantity="reflectance").values.tolist() == [VALUES]


@pytest.mark.parametrize(("options", "found"), [({"x_type": 13}, "axis of type 13"), ({"y_type": 1}, "of type 1")])
def test_raman_shifts_and_interferograms_are_refused(tmp_path, options, found):
    with pytest.raises(UnitsError, match=found):
        read_spectra(written(tmp_path, files.spc([VALUES], **options)))


@pytest.mark.parametrize(
    "options",
    [{}, {"exponent": 3}, {"exponent": 2, "bits": 16}, {"x": np.float32([1, 2, 4, 7])}],
    ids=["floats", "int32", "int16", "axis"],
)
def test_values_and_axis_are_those_of_spc_io(tmp_path, options):
    spc_io = pytest.importorskip("spc_io", reason="needs spc-io, of the extra dev")
    rng = np.random.default_rng(2)
    limit = 2 ** (options.get("bits", 32) - 1)
    numbers = rng.integers(-limit, limit, (3, 4)) if "exponent" in options else rng.random((3, 4))
    content = files.spc(numbers, **options)
    peer = spc_io.SpcRaw.from_bytes_io(io.BytesIO(content))
    stored = read_spc(written(tmp_path, content))
    np.testing.assert_array_equal(stored.values, [spectrum.yarray for spectrum in peer.subs])
    if "x" in options:
        np.testing.assert_array_equal(stored.wavelength, peer.xarray)


def _changed(content, at, code, value):
    content = bytearray(content)
    struct.pack_into(code, content, at, value)
    return bytes(content)


NEW, OLD = files.spc([VALUES]), files.spc_old([WHOLE_NUMBERS])
MALFORMED = {
    "empty": b"",
    "another file": b"%PDF-1.7 and more",
    "Shimadzu": b"\0\xcf" + NEW[2:],
    "no header": NEW[:300],
    "no values": NEW[:544],
    "truncated values": NEW[:-1],
    "no bands": _changed(NEW, 4, "<I", 0),
    "too many bands": _changed(NEW, 4, "<I", 2**32 - 1),
    "no spectra": _changed(NEW, 24, "<I", 0),
    "too many spectra": _changed(NEW, 24, "<I", 2**32 - 1),
    "axis of NaN": _changed(NEW, 8, "<d", float("nan")),
    "infinite axis": _changed(_changed(NEW, 8, "<d", 1e308), 16, "<d", -1e308),
    "values of NaN": NEW[:544] + b"\xff" * 16,
    "huge values": NEW[:544] + np.float32([1e38] * 4).tobytes(),
    "old and truncated": OLD[:-3],
    "old without header": OLD[:100],
    "old with a part of a band": _changed(OLD, 4, "<f", 3.5),
    "old with a band of NaN": _changed(OLD, 4, "<f", float("nan")),
    "old with two exponents": _changed(OLD, 225, "<b", 9),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line(tmp_path, name):
    with pytest.raises(GeosoilError, match=r"soil\.spc: .*; ") as error:
        read_spectra(written(tmp_path, MALFORMED[name]))
    assert "\n" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(
    is_old=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path_factory, is_old, changes):
    content = bytearray(OLD if is_old else NEW)
    for at, byte in changes:
        content[at % len(content)] = byte
    try:
        spectra = read_spectra(written(tmp_path_factory.getbasetemp(), content))
    except GeosoilError as error:
        assert "soil.spc: " in str(error)
    else:
        assert np.isfinite(spectra.wavelength_nm).all()
