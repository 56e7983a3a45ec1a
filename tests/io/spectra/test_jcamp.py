import numpy as np
import pytest
import spectra_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from geosoil.errors import GeosoilError, SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.jcamp import read_jcamp
from geosoil.io.spectra.reader import read_spectra

FORMS = ("AFFN", "PAC", "SQZ", "DIF", "DIFDUP", "pairs")
VALUES = [250, 250, 260, 270, 280, 280, 280, 0, -13, 5, 1000, 999, 998, 997, 996, 1234, 1234, 10, 100, 320]


def written(folder, text, name="soil.jdx"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("per_line", [3, 5, 20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_numbers_gives_the_values(tmp_path, form, per_line):
    stored = read_jcamp(written(tmp_path, files.jcamp(VALUES, form=form, per_line=per_line)))
    np.testing.assert_array_equal(stored.values, [np.array(VALUES) * 0.001])
    np.testing.assert_array_equal(stored.wavelength, np.round(1e7 / (4000 - 2.0 * np.arange(20)), 6))
    assert (stored.quantity, stored.table["title"].tolist()) == ("absorbance", ["soil"])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(-99999, 99999), min_size=2, max_size=40),
    form=st.sampled_from(FORMS),
    per_line=st.integers(1, 12),
)
def test_any_whole_numbers_are_read_back(tmp_path_factory, values, form, per_line):
    text = files.jcamp(values, form=form, per_line=per_line, factor=1.0)
    stored = read_jcamp(written(tmp_path_factory.getbasetemp(), text))
    assert stored.values[0].tolist() == values


def test_an_instrument_s_differences_and_duplicates_are_read(tmp_path):
    # The first two lines of dupdec1.jdx of R. J. Lancashire's test data, public domain, from a Perkin-Elmer 1600.
    lines = [
        "4400H225J3RJ1MmRj2rK0k9TJ5J0k7l9k2j6k1KJl4k6oj3j2Jk6m2k1j3k4j2j1l0k6J6",
        "4364G832",
    ]
    text = files.jcamp([0] * 37, factor=0.01, first=4400, last=4364, y_units="TRANSMITTANCE")
    head = text[: text.index("(X++(Y..Y))") + 11]
    stored = read_jcamp(written(tmp_path, "\n".join([head, *lines, "##END="])))
    assert stored.unclear == "transmittance"
    np.testing.assert_allclose(stored.values[0, [0, 1, 2, -2, -1]], [82.25, 82.38, 82.47, 78.16, 78.32], rtol=1e-12)
    np.testing.assert_allclose(np.diff(stored.values[0, 9:12]), [-0.29, -0.29])  # k9T: the difference -29 twice


def test_values_are_those_of_the_package_jcamp(tmp_path):
    jcamp = pytest.importorskip("jcamp", reason="needs jcamp, of the extra dev")
    for form in ("AFFN", "PAC", "SQZ", "DIF", "pairs"):
        path = written(tmp_path, files.jcamp(VALUES, form=form, factor=0.5))
        peer = jcamp.readfile(str(path))
        np.testing.assert_array_equal(read_jcamp(path).values[0], peer["y"][:20], err_msg=form)


def test_an_exponent_is_not_the_digit_five(tmp_path):
    text = files.jcamp([1, 2, 3]).replace("4000 1 2 3", "4000 1.5E+02 2.5E-1E3")
    assert read_jcamp(written(tmp_path, text)).values[0].tolist() == [0.15, 0.00025, 0.053]


def test_an_invalid_point_is_nan(tmp_path):
    text = files.jcamp([1, 2, 3]).replace("4000 1 2 3", "4000 1 ? 3")
    np.testing.assert_array_equal(read_jcamp(written(tmp_path, text)).values[0], [0.001, np.nan, 0.003])


@pytest.mark.parametrize(
    ("x_units", "first", "last"),
    [("1/CM", 25000, 10000), ("CM-1", 25000, 10000), ("NANOMETERS", 400, 1000), ("MICROMETERS", 0.4, 1)],
)
def test_the_unit_of_the_axis_is_that_of_the_file(tmp_path, x_units, first, last):
    text = files.jcamp([250, 260, 270, 280], x_units=x_units, first=first, last=last)
    spectra = read_spectra(written(tmp_path, text))
    assert (spectra.wavelength_nm[0], spectra.wavelength_nm[-1]) == (400, 1000)


def test_an_axis_without_unit_needs_one_and_another_kind_is_refused(tmp_path):
    path = written(tmp_path, files.jcamp(VALUES, x_units="ARBITRARY UNITS"))
    with pytest.raises(WavelengthError, match="--wavelength-unit"):
        read_spectra(path)
    assert read_spectra(path, wavelength_unit="cm-1").wavelength_nm[0] == 2500
    with pytest.raises(UnitsError, match="found XUNITS seconds"):
        read_spectra(written(tmp_path, files.jcamp(VALUES, x_units="SECONDS")))


@pytest.mark.parametrize(
    ("y_units", "quantity", "scale"),
    [
        ("ABSORBANCE", "absorbance", 1),
        ("log(1/R)", "absorbance", 1),
        ("REFLECTANCE", "reflectance", 1),
        ("% REFLECTANCE", "reflectance", 0.01),
        ("PERCENT REFLECTANCE", "reflectance", 0.01),
        ("TRANSMITTANCE", None, 1),
        ("%T", None, 1),
        ("ARBITRARY UNITS", None, 1),
    ],
)
def test_the_unit_of_the_values_is_their_quantity(tmp_path, y_units, quantity, scale):
    stored = read_jcamp(written(tmp_path, files.jcamp(VALUES, y_units=y_units)))
    assert (stored.quantity, stored.scale, bool(stored.unclear)) == (quantity, scale, quantity is None)


def test_a_file_of_several_blocks_is_a_row_each(tmp_path):
    blocks = [files.jcamp(VALUES, title="a"), files.jcamp(VALUES[::-1], form="DIF", title="b")]
    head = "##TITLE=both\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=2\n"
    spectra = read_spectra(written(tmp_path, head + "".join(blocks) + "##END=\n"))
    assert spectra.values.shape == (2, 20)
    assert spectra.table["title"].tolist() == ["a", "b"]
    assert spectra.ids == ["soil/1", "soil/2"]
    other = head + blocks[0] + files.jcamp(VALUES, first=5000) + "##END=\n"
    with pytest.raises(WavelengthError, match="block 2 with another axis"):
        read_spectra(written(tmp_path, other))


WHOLE, DIFFERENCES = files.jcamp(VALUES), files.jcamp(VALUES, form="DIFDUP", per_line=6)
MALFORMED = {
    "empty": "",
    "another text": "a table\nof text\n",
    "no data": WHOLE[: WHOLE.index("##XYDATA")] + "##END=\n",
    "no end": WHOLE.replace("##END=\n", ""),
    "a line is missing": WHOLE.replace(WHOLE.splitlines()[12] + "\n", ""),
    "two lines are exchanged": "\n".join(
        [*WHOLE.splitlines()[:11], *WHOLE.splitlines()[12:10:-1], *WHOLE.splitlines()[13:]]
    ),
    "the last line is missing": WHOLE.replace(WHOLE.splitlines()[-2] + "\n", ""),
    "too many points": files.jcamp(VALUES, points=10**9),
    "a part of a point": files.jcamp(VALUES, points=20.5),
    "no number of points": WHOLE.replace("##NPOINTS", "##POINTS"),
    "a factor of 0": files.jcamp(VALUES, factor=0),
    "no first x": WHOLE.replace("##FIRSTX", "##X"),
    "an axis of text": WHOLE.replace("##LASTX=3962", "##LASTX=far"),
    "other text in the numbers": WHOLE.replace(" 1000 ", " 10&0 "),
    "a value repeated without end": WHOLE.replace(" 1000 ", " 1000Z999999999999 "),
    "a difference without a value": WHOLE.replace("4000 250", "4000J5"),
    "a wrong check value": DIFFERENCES.replace("3988B80", "3988B81"),
    "a table of peaks": WHOLE.replace("##XYDATA=(X++(Y..Y))", "##PEAK TABLE=(XY..XY)"),
    "another form": WHOLE.replace("(X++(Y..Y))", "(X++(R..R))"),
    "a spectrum of magnetic resonance": WHOLE.replace("INFRARED", "NMR"),
    "zero bytes": WHOLE.replace("250", "\0\0\0"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line(tmp_path, name):
    assert MALFORMED[name] not in (WHOLE, DIFFERENCES)
    with pytest.raises((SamplesError, UnitsError), match=r"soil\.jdx: .*; ") as error:
        read_spectra(written(tmp_path, MALFORMED[name]))
    assert "\n" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(
    text=st.sampled_from([WHOLE, DIFFERENCES]),
    changes=st.lists(st.tuples(st.integers(0, 500), st.characters(max_codepoint=255)), min_size=1, max_size=6),
)
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path_factory, text, changes):
    letters = list(text)
    for at, letter in changes:
        letters[at % len(letters)] = letter
    try:
        spectra = read_spectra(written(tmp_path_factory.getbasetemp(), "".join(letters)))
    except GeosoilError as error:
        assert "soil.jdx: " in str(error)
    else:
        assert np.isfinite(spectra.wavelength_nm).all()
