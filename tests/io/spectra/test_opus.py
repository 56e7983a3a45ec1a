import struct

import numpy as np
import pytest
import spectra_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from geosoil.errors import GeosoilError, SamplesError, UnitsError
from geosoil.io.spectra.opus import read_opus
from geosoil.io.spectra.reader import read_spectra

ABSORBANCE = np.float32([0.5, 0.75, 1.0, 1.25])
REFLECTANCE = np.float32([0.25, 0.5, 0.375, 0.125])


def written(folder, *spectra, name="soil.0", **options):
    path = folder / name
    path.write_bytes(files.opus(*spectra, **options))
    return path


def of(kind, values=ABSORBANCE, **options):
    return files.opus_block(kind, values, **options)


def test_wavenumbers_become_increasing_wavelengths_and_values_are_those_of_the_result(tmp_path):
    spectra = read_spectra(
        written(tmp_path, of(files.OPUS_ABSORBANCE, first=4000.0, last=1000.0), sample_name=b"plot 7")
    )
    assert spectra.wavelength_nm.tolist() == [2500, 3333.333333, 5000, 10000]
    assert spectra.values.tolist() == [ABSORBANCE.tolist()]
    assert (spectra.quantity, spectra.ids) == ("absorbance", ["soil"])
    assert spectra.table.to_dict("list") == {"file": ["soil.0"], "sample_name": ["plot 7"]}


def test_the_result_is_taken_and_never_a_single_channel_spectrum_wherever_it_is(tmp_path):
    single = [of(files.OPUS_SAMPLE, ABSORBANCE * 90), of(files.OPUS_REFERENCE, ABSORBANCE * 70)]
    for position in range(3):
        blocks = [*single[:position], of(files.OPUS_ABSORBANCE), *single[position:]]
        assert read_opus(written(tmp_path, *blocks)).values.tolist() == [ABSORBANCE.tolist()]
    with pytest.raises(SamplesError, match="only single-channel spectra; expected a spectrum of reflectance"):
        read_opus(written(tmp_path, *single))


def test_of_several_results_the_last_one_or_the_named_quantity_is_taken_with_a_note(tmp_path):
    path = written(tmp_path, of(files.OPUS_REFLECTANCE, REFLECTANCE), of(files.OPUS_ABSORBANCE))
    spectra = read_spectra(path)
    assert (spectra.quantity, spectra.values[0].tolist()) == ("absorbance", ABSORBANCE.tolist())
    assert spectra.notes == ("soil.0: of 2 spectra (reflectance, absorbance), the last one of absorbance is taken",)
    assert read_spectra(path, quantity="reflectance").values[0].tolist() == REFLECTANCE.tolist()
    path = written(tmp_path, of(files.OPUS_ABSORBANCE), of(files.OPUS_ABSORBANCE, ABSORBANCE / 2))
    assert read_opus(path).values[0].tolist() == (ABSORBANCE / 2).tolist()


@pytest.mark.parametrize(
    ("kind", "name"), [(files.OPUS_TRANSMITTANCE, "transmittance"), ((3, 3, 15, 0, 0), "log reflectance")]
)
def test_other_results_are_taken_only_if_the_user_states_what_they_are(tmp_path, kind, name):
    path = written(tmp_path, of(kind, REFLECTANCE))
    with pytest.raises(UnitsError, match=rf"found {name}, as the file says; .*specify quantity='reflectance'"):
        read_spectra(path)
    assert read_spectra(path, quantity="reflectance").values[0].tolist() == REFLECTANCE.tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"factor": 0.5}, ABSORBANCE / 2),
        ({"form": 2, "factor": 0.25, "values": [1, 2, 3, 4]}, [0.25, 0.5, 0.75, 1.0]),
        ({"padding": 5}, ABSORBANCE),
        ({"kind": (3, 3, 4, 0, 4)}, ABSORBANCE),  # compact: the numbers are at the end of the block
    ],
    ids=["factor", "integers", "padding", "compact"],
)
def test_every_form_of_numbers_is_read(tmp_path, options, expected):
    block = files.opus_block(**({"kind": files.OPUS_ABSORBANCE, "values": ABSORBANCE} | options))
    np.testing.assert_array_equal(read_opus(written(tmp_path, block)).values[0], expected)


def test_derivatives_and_imaginary_parts_are_not_results(tmp_path):
    others = [of((2, 3, 4, 0, 0)), of((3, 3, 4, 1, 0)), of((3, 1, 4, 0, 0)), of((3, 2, 4, 0, 0))]
    path = written(tmp_path, *others, of(files.OPUS_REFLECTANCE, REFLECTANCE), *others)
    assert read_opus(path).values[0].tolist() == REFLECTANCE.tolist()


def test_micrometres_are_an_axis_and_other_units_are_refused(tmp_path):
    path = written(tmp_path, of(files.OPUS_ABSORBANCE, first=1.0, last=2.5, unit=b"MI"))
    assert read_spectra(path).wavelength_nm.tolist() == [1000, 1500, 2000, 2500]
    with pytest.raises(UnitsError, match="an axis in MIN"):
        read_spectra(written(tmp_path, of(files.OPUS_ABSORBANCE, unit=b"MIN")))


def test_values_and_axis_are_those_of_brukeropus(tmp_path):
    brukeropus = pytest.importorskip("brukeropus", reason="needs brukeropus, of the extra dev")
    values = np.random.default_rng(1).uniform(0.1, 2, 999).astype(np.float32)
    blocks = [  # the factor is a power of 2, since brukeropus multiplies in float32
        of(files.OPUS_SAMPLE, values * 5),
        of(files.OPUS_REFERENCE, values * 7),
        of(files.OPUS_ABSORBANCE, values, first=7498.3, last=599.9, padding=1),
        of(files.OPUS_REFLECTANCE, values / 3, first=7498.3, last=599.9, factor=0.5),
    ]
    path = written(tmp_path, *blocks)
    peer = brukeropus.read_opus(str(path))
    for quantity, data in (("absorbance", peer.a), ("reflectance", peer.r)):
        stored = read_opus(path, quantity)
        np.testing.assert_array_equal(stored.values[0], data.y)
        np.testing.assert_array_equal(stored.wavelength, np.round(1e7 / data.x, 6))


def _changed(at, code, value):
    content = bytearray(files.opus(of(files.OPUS_ABSORBANCE)))
    struct.pack_into(code, content, at, value)
    return bytes(content)


WHOLE = files.opus(of(files.OPUS_ABSORBANCE))
MALFORMED = {
    "another file": b"PK\3\4" + WHOLE[4:],
    "only the start": WHOLE[:4],
    "no directory": WHOLE[:30],
    "truncated block": WHOLE[:-80],
    "directory before the header": _changed(12, "<i", 4),
    "directory beyond the file": _changed(12, "<i", 10**9),
    "too many blocks": _changed(16, "<i", 2**31 - 1),
    "block beyond the file": _changed(24 + 12 + 8, "<i", 2**31 - 1),
    "negative size": _changed(24 + 12 + 4, "<i", -5),
    "negative parameter": _changed(WHOLE.index(b"NPT\0") + 6, "<h", -4),
    "no number of bands": WHOLE.replace(b"NPT", b"XXX"),
    "too many bands": _changed(WHOLE.index(b"NPT\0") + 8, "<i", 2**31 - 1),
    "more bands than numbers": _changed(WHOLE.index(b"NPT\0") + 8, "<i", 5),
    "axis of NaN": _changed(WHOLE.index(b"FXV\0") + 8, "<d", float("nan")),
    "no status": WHOLE[:56] + struct.pack("<I", 1) + WHOLE[60:],
    "values of NaN": WHOLE.replace(ABSORBANCE.tobytes(), b"\xff" * 16),
    "infinite factor": _changed(WHOLE.index(b"CSF\0") + 8, "<d", float("inf")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line(tmp_path, name):
    path = tmp_path / "soil.0"
    path.write_bytes(MALFORMED[name])
    with pytest.raises(GeosoilError, match=r"soil\.0: .*; ") as error:
        read_spectra(path)
    assert "\n" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path_factory, changes):
    content = bytearray(WHOLE)
    for at, byte in changes:
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "soil.0"
    path.write_bytes(content)
    try:
        spectra = read_spectra(path)
    except GeosoilError as error:
        assert "soil.0: " in str(error)
    else:
        assert np.isfinite(spectra.wavelength_nm).all()
