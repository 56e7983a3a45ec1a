"""SED files of Spectral Evolution and SIG files of Spectra Vista."""

import numpy as np
import pytest
import spectra_files as files
from shared_material import shared

from geosoil.errors import GeosoilError
from geosoil.io.spectra.reader import read_spectra

NM, PERCENT = [350.0, 351.0, 352.0, 353.0], [9.4758, 9.3972, 9.2851, 25.5]
OTHERS = ("Rad. (Ref.)", "Rad. (Target)")


def written(folder, text, name):
    path = folder / name
    path.write_text(text)
    return path


def test_a_real_sed_file_gives_its_columns_of_text():
    path = shared("data/spectra/asd/csiro_example.sed")
    expected = np.loadtxt(path, skiprows=path.read_text("latin-1").splitlines().index("Data:") + 2)
    spectra = read_spectra(path)
    np.testing.assert_array_equal(spectra.wavelength_nm, expected[:, 0])
    np.testing.assert_array_equal(spectra.values[0], (expected[:, 1] * 0.01).astype(np.float32))
    assert spectra.values.shape == (1, 2151)


@pytest.mark.parametrize("more", [(), OTHERS])
@pytest.mark.parametrize("comma", [False, True])
def test_percent_of_an_sed_file_becomes_a_fraction(tmp_path, more, comma):
    spectra = read_spectra(written(tmp_path, files.sed(NM, PERCENT, more=more, comma=comma), "soil.sed"))
    assert spectra.wavelength_nm.tolist() == NM
    assert spectra.values[0].tolist() == (np.array(PERCENT) * 0.01).astype(np.float32).tolist()
    assert (spectra.ids, spectra.quantity) == (["soil"], "reflectance")


@pytest.mark.parametrize("column", ["Reflect. [1.0]", "Reflectance", "Reflect. 1.0"])
def test_a_fraction_of_an_sed_file_stays_a_fraction(tmp_path, column):
    text = files.sed(NM, [0.25, 0.5, 0.375, 0.125], column=column)
    assert read_spectra(written(tmp_path, text, "soil.sed")).values[0].tolist() == [0.25, 0.5, 0.375, 0.125]


def test_percent_of_a_sig_file_becomes_a_fraction_whatever_its_name(tmp_path):
    for name in ("soil.sig", "soil.txt"):
        spectra = read_spectra(written(tmp_path, files.sig(NM, [25, 50, 37.5, 12.5]), name))
        assert spectra.values[0].tolist() == [0.25, 0.5, 0.375, 0.125]


def test_overlapping_detectors_of_a_sig_file_are_joined_in_the_middle_with_a_note(tmp_path):
    nm = [960.0, 970.0, 980.0, 990.0, 1000.0, 975.0, 985.0, 995.0, 1005.0]
    path = written(tmp_path, files.sig(nm, [1, 2, 3, 4, 5, 60, 70, 80, 90]), "soil.sig")
    spectra = read_spectra(path)
    assert spectra.wavelength_nm.tolist() == [960, 970, 980, 995, 1005]  # the overlap is 975 to 1000, its middle 987.5
    np.testing.assert_allclose(spectra.values[0], [0.01, 0.02, 0.03, 0.8, 0.9], rtol=1e-6)
    assert spectra.notes == ("soil.sig: detectors overlap and are joined at 987.5 nm",)


SED, SIG = files.sed(NM, PERCENT), files.sig(NM, PERCENT)
MALFORMED = {
    "soil.sed": {
        "empty": "",
        "no data": SED[: SED.index("Data:")],
        "no rows": SED[: SED.index(" 350.0")],
        "one row": SED[: SED.index(" 351.0")],
        "truncated": SED[: SED.index(" 353.0")],
        "truncated in a row": files.sed(NM, PERCENT, channels="many")[:-12] + "\n",
        "no reflectance": SED.replace("Reflect. %", "Rad. (Target)"),
        "two columns of reflectance": files.sed(NM, PERCENT, more=("Reflect. %",)),
        "text in a row": SED.replace("9.3972", "n.d."),
        "a wavelength twice": SED.replace("351.0", "350.0"),
        "zero bytes": SED.replace("9.3972", "\0"),
    },
    "soil.sig": {
        "empty": "",
        "another text": SIG[3:],
        "no data": SIG.replace("data= ", "data "),
        "no rows": SIG[: SIG.index("350.0")],
        "truncated in a row": SIG[:-8] + "\n",
        "three columns": SIG.replace("  81.06", ""),
        "text in a row": SIG.replace("9.40", "n.d."),
        "wavelengths in disorder": files.sig([400.0, 350.0] * 10, [9.0] * 20),
    },
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in MALFORMED for case in MALFORMED[name]])
def test_a_malformed_file_is_one_line(tmp_path, name, case):
    assert MALFORMED[name][case] not in (SED, SIG)
    with pytest.raises(GeosoilError, match=rf"{name}: .*; ") as error:
        read_spectra(written(tmp_path, MALFORMED[name][case], name))
    assert "\n" not in str(error.value)
