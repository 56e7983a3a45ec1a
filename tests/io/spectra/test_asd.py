import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared
from spectra_files import NUMBERS, asd

from geosoil.errors import GeosoilError, SamplesError
from geosoil.io.spectra.asd import read_asd


def written(folder, content):
    path = folder / "soil.asd"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "asdreader_soil_v8",
        "csiro_example_v7",
        "kaitastic_v6sample00000",
        "kaitastic_v7_field",
        "kaitastic_v7sample00003",
        "kaitastic_v8sample00001",
        "ossl_101453MD01",
        "ossl_235157MD01",
    ],
)
def test_a_real_file_gives_the_reflectance_of_other_readers(name):
    expected = pd.read_parquet(shared("data/spectra/asd/expected.parquet")).query("file == @name + '.asd'")
    spectrum = read_asd(shared(f"data/spectra/asd/{name}.asd"))
    np.testing.assert_array_equal(spectrum.wavelength, expected["wavelength_nm"])
    np.testing.assert_allclose(spectrum.values[0], expected["reflectance"], rtol=1e-12)


def test_a_real_file_of_radiance_is_refused():
    with pytest.raises(SamplesError, match=r"v7sample00000.asd: found radiance"):
        read_asd(shared("data/spectra/asd/kaitastic_v7sample00000.asd"))


@pytest.mark.parametrize("data_format", NUMBERS)
@pytest.mark.parametrize("note", [b"", b"white panel, 99 %"])
def test_every_number_format_is_read_and_a_note_before_the_reference_is_skipped(tmp_path, data_format, note):
    content = asd([1, 2, 6], [4, 8, 12], data_format=data_format, note=note, first=1000.0, step=0.5)
    spectrum = read_asd(written(tmp_path, content))
    assert spectrum.wavelength.tolist() == [1000.0, 1000.5, 1001.0]
    assert spectrum.values[0].tolist() == [0.25, 0.25, 0.5]


def test_a_band_without_reference_is_nan(tmp_path):
    spectrum = read_asd(written(tmp_path, asd([1, 0, 6], [0, 0, 12])))
    np.testing.assert_array_equal(spectrum.values[0], [np.nan, np.nan, 0.5])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"version": b"ASD"}, "starts with b'ASD'"),
        ({"data_type": 2}, "radiance"),
        ({"data_type": 77}, "type 77"),
        ({"data_format": 3}, "number format 3"),
        ({"flag": 0}, "no white reference"),
        ({"first": float("nan")}, "from nan nm"),
        ({"step": 0.0}, "by 0 nm"),
    ],
    ids=str,
)
def test_a_file_without_reflectance_is_refused(tmp_path, change, found):
    with pytest.raises(SamplesError, match=found):
        read_asd(written(tmp_path, asd([1, 2], [4, 4], **change)))


def test_a_truncated_file_is_refused(tmp_path):
    content = asd([1, 2, 6], [4, 8, 12], note=b"panel")
    for size in [*range(0, len(content), 11), 483, 484, len(content) - 1]:
        with pytest.raises(SamplesError, match=r"truncated|starts with"):
            read_asd(written(tmp_path, content[:size]))


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 560), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path_factory, changes):
    content = bytearray(asd([1, 2, 6], [4, 8, 12]))
    for at, byte in changes:
        content[at % len(content)] = byte
    try:
        spectrum = read_asd(written(tmp_path_factory.getbasetemp(), content))
    except GeosoilError as error:
        assert "soil.asd: " in str(error)
    else:
        assert spectrum.wavelength.shape == spectrum.values[0].shape
        assert not np.isinf(spectrum.values).any()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SamplesError, match=r"gone.asd: No such file"):
        read_asd(tmp_path / "gone.asd")
