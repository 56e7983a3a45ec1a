"""Every format is recognised, alone and in a folder of several; what is not a spectrum is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spectra_files as files

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.formats import FORMATS, find_format
from geosoil.io.spectra.reader import is_spectra, read_spectra

NM = [500.0, 600.0, 700.0, 800.0]
VALUES = [0.25, 0.5, 0.375, 0.125]
CONTENTS = {
    "a.asd": files.asd(VALUES, [1, 1, 1, 1], first=500.0, step=100.0),
    "b.0": files.opus(
        files.opus_block(files.OPUS_REFLECTANCE, np.float32(VALUES), first=0.5, last=0.8, unit=b"MI"),
    ),
    "c.spc": files.spc([VALUES], first=500, last=800),
    "d.sed": files.sed(NM, np.array(VALUES) * 100).encode(),
    "e.sig": files.sig(NM, np.array(VALUES) * 100).encode(),
    "f.jdx": files.jcamp(
        [250, 500, 375, 125], x_units="NANOMETERS", y_units="REFLECTANCE", first=500, last=800
    ).encode(),
    "h.csv": b"id;500;600;700;800\nh;0,25;0,5;0,375;0,125\n",
}


def folder_of(folder, names=tuple(CONTENTS)):
    for name in names:
        (folder / name).write_bytes(CONTENTS[name])
    if "h.csv" in names:
        files.envi_library(folder / "g.sli", NM, [VALUES], names=["g"])
    return folder


def test_a_folder_may_mix_all_formats(tmp_path):
    spectra = read_spectra(folder_of(tmp_path))
    assert spectra.wavelength_nm.tolist() == NM
    assert spectra.ids == list("abcdefgh")
    np.testing.assert_array_equal(spectra.values, np.float32([VALUES] * 8))
    assert spectra.table["file"].tolist() == [*list(CONTENTS)[:6], "g.sli", "h.csv"]
    assert spectra.notes == ()


@pytest.mark.parametrize("name", CONTENTS)
def test_each_format_is_read_alone_and_recognised(tmp_path, name):
    path = folder_of(tmp_path, [name]) / name
    spectra = read_spectra(path)
    np.testing.assert_array_equal(spectra.values, np.float32([VALUES]))
    assert is_spectra(path)
    assert is_spectra(tmp_path) == (name != "h.csv")


def test_the_content_decides_before_the_ending(tmp_path):
    for name, content in CONTENTS.items():
        if name[0] in "abef":  # formats with a signature
            path = tmp_path / f"{name[0]}.dat"
            path.write_bytes(content)
            np.testing.assert_array_equal(read_spectra(path).values, np.float32([VALUES]))


def test_files_that_are_not_spectra_are_named(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "README.txt").write_text("measured on Monday\nby us\n")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "labels.csv").write_text("id,soc_pct\na,1.5\n")
    (tmp_path / "more").mkdir()
    pd.DataFrame({"id": ["a"], "clay_pct": [3.0]}).to_excel(tmp_path / "labels.xlsx", index=False)
    (tmp_path / "cube.hdr").write_text("ENVI\nsamples = 2\nlines = 2\nbands = 1\ndata type = 1\n")
    (tmp_path / "cube.dat").write_bytes(b"\0\1\2\3")
    [note] = read_spectra(tmp_path).notes
    named = "README.txt, cube.dat, cube.hdr, labels.csv, labels.xlsx, more/, photo.jpg"
    assert note == f"{tmp_path.name}: not spectra, and left out: {named}"


def test_a_damaged_file_in_a_folder_is_an_error_and_not_left_out(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "c.spc").write_bytes(CONTENTS["c.spc"][:-3])
    with pytest.raises(SamplesError, match=r"c\.spc: found \d+ bytes.*truncated"):
        read_spectra(tmp_path)


def test_different_wavelengths_in_a_folder_need_a_grid(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "c.spc").write_bytes(files.spc([VALUES], first=500, last=900))
    with pytest.raises(WavelengthError, match=r"c\.spc: found 4 bands from 500 to 900 nm.*as in a\.asd.*--wavelengths"):
        read_spectra(tmp_path)


def test_reflectance_and_absorbance_are_not_mixed(tmp_path):
    folder_of(tmp_path)
    (tmp_path / "c.spc").write_bytes(files.spc([VALUES], first=500, last=800, y_type=2))
    with pytest.raises(UnitsError, match=r"reflectance in a\.asd and absorbance in c\.spc"):
        read_spectra(tmp_path)


def test_replicates_with_one_stem_have_the_names_of_their_files(tmp_path):
    for name in ("soil.0", "soil.1", "other.0"):
        (tmp_path / name).write_bytes(CONTENTS["b.0"])
    assert read_spectra(tmp_path).ids == ["other", "soil.0", "soil.1"]


def test_a_folder_without_spectra_is_refused(tmp_path):
    (tmp_path / "README.txt").write_text("nothing")
    with pytest.raises(SamplesError, match="no file of spectra"):
        read_spectra(tmp_path)


@pytest.mark.parametrize("name", ["cube.tif", "notes", "table.docx"])
def test_an_unknown_file_is_refused_by_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"what")
    with pytest.raises(SamplesError, match=rf"{name}: found a file named .*; expected .*\.spc.*Bruker OPUS"):
        read_spectra(tmp_path / name)


def test_no_two_formats_have_the_same_ending_or_signature():
    endings = [ending for form in FORMATS for ending in form.endings]
    assert len(endings) == len(set(endings))
    assert all(find_format(Path(f"x{ending}")) for ending in endings)


TABLES = {
    "plain": "id,500,600,700,800\ns,0.25,0.5,0.375,0.125\n",
    "R": '"","id","X500","X600","X700","X800"\n"1","s",0.25,0.5,0.375,0.125\n',
    "wl": "id,wl_500,wl_600,wl_700,wl_800\ns,0.25,0.5,0.375,0.125\n",
    "OSSL": f"id,{','.join(f'scan_visnir.{nm}_ref' for nm in (500, 600, 700, 800))}\ns,0.25,0.5,0.375,0.125\n",
    "wavenumbers": "id,wn_20000,wn_16666.666667,wn_14285.714286,wn_12500\ns,0.25,0.5,0.375,0.125\n",
    "descending": "id,800,700,600,500\ns,0.125,0.375,0.5,0.25\n",
    "German": "\ufeffid;500;600;700;800\ns;0,25;0,5;0,375;0,125\n",
    "for Excel": "sep=;\nid;500;600;700;800\ns;0,25;0,5;0,375;0,125\n",
    "turned": "wavelength,s\n500,0.25\n600,0.5\n700,0.375\n800,0.125\n",
    "tabs": "id\t500\t600\t700\t800\ns\t0.25\t0.5\t0.375\t0.125\n",
    "micrometres": "id,0.5 um,0.6 um,0.7 um,0.8 um\ns,0.25,0.5,0.375,0.125\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_every_common_shape_of_a_text_table_is_read(tmp_path, name):
    path = tmp_path / "table.csv"
    path.write_text(TABLES[name], encoding="utf-8")
    spectra = read_spectra(path)
    np.testing.assert_allclose(spectra.wavelength_nm, NM, atol=1e-4)
    assert spectra.values.tolist() == [VALUES]
    assert spectra.ids == ["s"]


@pytest.mark.parametrize("headers", [[500, 600, 700, 800], ["X500", "X600", "X700", "X800"]])
def test_an_excel_table_is_read(tmp_path, headers):
    pd.DataFrame([["s", *VALUES]], columns=["id", *headers]).to_excel(tmp_path / "table.xlsx", index=False)
    spectra = read_spectra(tmp_path / "table.xlsx")
    assert (spectra.wavelength_nm.tolist(), spectra.values.tolist(), spectra.ids) == (NM, [VALUES], ["s"])


def test_values_beyond_those_of_any_instrument_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,500,600,700\ns,20,30,40\n")
    with pytest.raises(UnitsError, match=r"median of 30; expected absorbance.*scale=0\.01"):
        read_spectra(path, quantity="absorbance")
    path.write_text("id,500,600,700\ns,0.2,0.3,-9999\n")
    with pytest.raises(UnitsError, match="a value of -9999; expected absorbance above 0"):
        read_spectra(path, quantity="absorbance")
    path.write_text("id,500,600,700\ns,0.2,0.3,1e35\n")
    with pytest.raises(SamplesError, match=r"a value of 1e\+35"):
        read_spectra(path)


def test_lines_of_an_instrument_before_the_header_are_left_out_with_a_note(tmp_path):
    before = "Instrument;NeoScanner 2,5\nDate;2026-11-30\n\nOperator;A\n"
    nm = range(400, 440)
    path = tmp_path / "table.csv"
    row = ";".join(["0,25"] * 40)
    path.write_text(f"{before}id;{';'.join(map(str, nm))}\na;{row}\nb;{row}\n")
    spectra = read_spectra(path)
    assert (spectra.ids, spectra.wavelength_nm.tolist(), spectra.values[1, 3]) == (["a", "b"], [*nm], 0.25)
    assert spectra.notes == ("table.csv: 4 lines before the header are left out",)
    path.write_text(before + "Wavelength (nm);a\n" + "".join(f"{x};0,5\n" for x in nm))
    assert read_spectra(path).values.tolist() == [[0.5] * 40]
    assert read_spectra(tmp_path).ids == ["a"]  # as a file of a folder


def test_a_wavelength_in_two_rows_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("wavelength,a\n400,0.5\n500,0.5\n400,x\n")
    with pytest.raises(WavelengthError, match="two rows at wavelength 400"):
        read_spectra(path)
