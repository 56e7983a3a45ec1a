import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.chunks import iter_spectra
from geosoil.io.spectra.reader import read_spectra

NM = [350.0, 350.5, 900.0, 2500.0]
R = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]


def table(folder, names, rows=R, ids=("s1", "s2"), head="sample_id", name="t.csv"):
    lines = [",".join([head, "soc_2010", "soc_2011", *names])]
    lines += [",".join(map(str, [key, 1, 2, *row])) for key, row in zip(ids, rows, strict=True)]
    (folder / name).write_text("\n".join(lines))
    return folder / name


@pytest.mark.parametrize(
    "form",
    [
        *("{:g}", "X{:g}", "W{:g}", "x{:g}", "spc.{:g}", "scan_visnir.{:g}_ref", "{:g}nm", "{:g}_nm", "X{:g}.nm"),
        *("wl_{:g}", "R_{:g}", "ref_{:g}", "λ{:g}", "{:g} nm", "Reflectance {:g} nm", "lambda.{:g}"),
    ],
)
def test_the_wavelength_is_found_in_the_names_of_bands(tmp_path, form):
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        path = table(tmp_path, [form.format(NM[i]) for i in order], [[row[i] for i in order] for row in R])
        spectra = read_spectra(path)
        assert spectra.wavelength_nm.tolist() == NM and spectra.ids == ["s1", "s2"]
        np.testing.assert_allclose(spectra.values, R, rtol=1e-6)
        assert spectra.table.columns.tolist() == ["soc_2010", "soc_2011"]
        assert spectra.quantity == "reflectance"


@pytest.mark.parametrize(
    ("form", "nm_of"),
    [
        ("wn_{:g}", lambda n: 1e7 / n),
        ("{:g} cm-1", lambda n: 1e7 / n),
        ("wavenumber.{:g}", lambda n: 1e7 / n),
        ("scan_mir.{:g}_abs", lambda n: 1e7 / n),
        ("{:g}um", lambda n: 1e3 * n),
    ],
)
def test_names_in_other_units_are_converted_to_nm(tmp_path, form, nm_of):
    numbers = [0.4, 1.5, 2.2, 2.5] if form.endswith("um") else [600, 1500.5, 3799, 4000]
    path = table(tmp_path, [form.format(number) for number in numbers])
    spectra = read_spectra(path)
    np.testing.assert_allclose(spectra.wavelength_nm, sorted(map(nm_of, numbers)), atol=1e-6)
    assert spectra.quantity == ("absorbance" if "abs" in form else "reflectance")
    with pytest.raises(UnitsError, match="as the file says; expected nm"):
        read_spectra(path, wavelength_unit="nm")
    pq.write_table(pa.Table.from_pandas(pd.read_csv(path)), tmp_path / "t.parquet")
    [part] = iter_spectra(tmp_path / "t.parquet")
    np.testing.assert_array_equal(part.wavelength_nm, spectra.wavelength_nm)
    assert part.quantity == spectra.quantity


@pytest.mark.parametrize("numbers", [[599.8, 1500, 3799, 3999.7], [4000, 5000, 9000, 12500], [600, 800, 3000, 3201]])
def test_numbers_that_may_be_wavenumbers_need_their_unit(tmp_path, numbers):
    path = table(tmp_path, map(str, numbers))
    with pytest.raises(WavelengthError, match=r"without unit.*wavelength_unit='nm', 'um' or 'cm-1'"):
        read_spectra(path)
    found = read_spectra(path, wavelength_unit="cm-1")
    np.testing.assert_allclose(found.wavelength_nm, sorted(1e7 / np.array(numbers)), atol=1e-6)
    np.testing.assert_allclose(found.values[0], R[0][::-1], rtol=1e-6)
    assert read_spectra(path, wavelength_unit="nm").wavelength_nm.tolist() == numbers


def test_numbers_that_are_not_wavelengths_are_no_bands(tmp_path):
    for names in (["X1", "X2", "X3", "X4"], ["B1", "B2", "B3", "B4"], ["band_400", "band_500", "band_600", "band_700"]):
        with pytest.raises(SamplesError, match="0 band columns and 2 rows"):
            read_spectra(table(tmp_path, names))
    many = [f"channel{nm}" for nm in range(400, 600, 10)]
    assert len(read_spectra(table(tmp_path, many, [[0.1] * 20] * 2)).wavelength_nm) == 20


def test_bands_of_two_kinds_are_refused(tmp_path):
    with pytest.raises(SamplesError, match=r"2 kinds: scan_visnir.350_ref, scan_mir.600_abs"):
        read_spectra(
            table(tmp_path, ["scan_visnir.350_ref", "scan_visnir.400_ref", "scan_mir.600_abs", "scan_mir.700_abs"])
        )


def turned(folder, head, names=("a", "b"), rows=None, separator=",", ending="csv"):
    rows = zip(NM, *R, strict=True) if rows is None else rows
    path = folder / f"turned.{ending}"
    path.write_text("\n".join(separator.join(map(str, line)) for line in [(head, *names), *rows]))
    return path


@pytest.mark.parametrize(
    "head", ["Wavelength", "wavelength_nm", "Wavelength (nm)", "nm", "wl", "Wellenlänge", "lambda"]
)
@pytest.mark.parametrize("names", [("a", "b"), ("1001", "1002")])
def test_a_table_with_a_row_per_wavelength_is_turned(tmp_path, head, names):
    for path in (turned(tmp_path, head, names), turned(tmp_path, head, names, separator="\t", ending="txt")):
        spectra = read_spectra(path)
        assert spectra.wavelength_nm.tolist() == NM and spectra.ids == list(names)
        np.testing.assert_allclose(spectra.values, R, rtol=1e-6)
        assert spectra.table.columns.tolist() == []


def test_a_turned_table_of_wavenumbers_with_properties_in_its_rows(tmp_path):
    rows = [("soc_pct", 1.5, 2.5), (4000, 0.1, 0.2), (2000, 0.3, 0.4)]
    spectra = read_spectra(turned(tmp_path, "Wavenumber (cm-1)", rows=rows))
    assert spectra.wavelength_nm.tolist() == [2500, 5000]
    np.testing.assert_allclose(spectra.values, [[0.1, 0.3], [0.2, 0.4]], rtol=1e-6)
    assert spectra.table["soc_pct"].tolist() == [1.5, 2.5]


def test_row_names_of_r_may_be_wavelengths(tmp_path):
    rows = [(nm, 0.1, 0.2) for nm in range(350, 600, 10)]
    assert read_spectra(turned(tmp_path, '""', rows=rows)).values.shape == (2, 25)
    path = turned(tmp_path, '""', ("1001", "1002"), rows)
    with pytest.raises(SamplesError, match=r"rows and of columns that may both be wavelengths.*name it wavelength"):
        read_spectra(path)
    # Row names that are not wavelengths are ids.
    spectra = read_spectra(turned(tmp_path, '""', ("X400", "X500"), [("P1", 0.1, 0.2), ("P2", 0.3, 0.4)]))
    assert spectra.ids == ["P1", "P2"] and spectra.wavelength_nm.tolist() == [400, 500]


def test_parquet_with_wavelengths_as_index_is_turned(tmp_path):
    frame = pd.DataFrame(np.transpose(R), columns=["a", "b"], index=pd.Index(NM, name="wavelength"))
    frame.to_parquet(tmp_path / "t.parquet")
    for spectra in (read_spectra(tmp_path / "t.parquet"), *iter_spectra(tmp_path / "t.parquet")):
        assert spectra.ids == ["a", "b"] and spectra.wavelength_nm.tolist() == NM
        np.testing.assert_allclose(spectra.values, R, rtol=1e-6)


def test_a_workbook_of_spectra_is_read(tmp_path):
    book = openpyxl.Workbook()
    for row in (["id", "soc", *NM], [7, 1.5, *R[0]], [8, 2, *R[1]]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    spectra = read_spectra(tmp_path / "t.xlsx")
    assert spectra.ids == ["7", "8"] and spectra.wavelength_nm.tolist() == NM
    np.testing.assert_allclose(spectra.values, R, rtol=1e-6)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_of_spectra(tmp_path, separator):
    lines = [["Name", "400", "500"], ["Höhe", "0,1444", "0,25"], ["007", "0,3", ""]]
    path = tmp_path / "t.csv"
    path.write_bytes("\r\n".join(separator.join(line) for line in lines).encode("cp1252"))
    spectra = read_spectra(path, id_column="Name")
    np.testing.assert_allclose(spectra.values, [[0.1444, 0.25], [0.3, np.nan]], rtol=1e-6)
    assert spectra.ids == ["Höhe", "007"]


def test_percent_with_three_decimals_and_commas_needs_the_decimal_mark_unless_semicolons_show_it(tmp_path):
    (tmp_path / "t.csv").write_text("id\t400\t500\na\t12,345\t23,456\n")
    with pytest.raises(SamplesError, match=r"'12,345' in column '400', row 1.*decimal=','"):
        read_spectra(tmp_path / "t.csv", scale=0.01)
    np.testing.assert_allclose(read_spectra(tmp_path / "t.csv", scale=0.01, decimal=",").values, [[0.12345, 0.23456]])
    (tmp_path / "s.csv").write_text("id;400;500\na;12,345;23,456\n")
    np.testing.assert_allclose(read_spectra(tmp_path / "s.csv", scale=0.01).values, [[0.12345, 0.23456]])


def test_binary_ids_and_broken_notes_of_pandas_do_not_matter(tmp_path):
    columns = {"id": pa.array([b"a", b"b"]), "400": [0.1, 0.2], "500": [0.1, 0.2]}
    pq.write_table(pa.table(columns).replace_schema_metadata({"pandas": "{broken"}), tmp_path / "t.parquet")
    assert read_spectra(tmp_path / "t.parquet").ids == ["a", "b"]
    assert [part.ids for part in iter_spectra(tmp_path / "t.parquet", rows=1)] == [["a"], ["b"]]
