import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared_material import shared

from geosoil.errors import OutputError, SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra

CSV = "sample_id,soc_pct,600,400,500.5\n007,1.2,0.3,0.1,0.2\n008,,0.6,,0.5\n"


def csv(folder, text=CSV, name="library.csv", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def parquet(folder, columns, metadata=None):
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({"geosoil": metadata})
    pq.write_table(table, folder / "library.parquet")
    return folder / "library.parquet"


def test_bands_are_sorted_by_wavelength_and_an_empty_cell_is_nan(tmp_path):
    spectra = read_spectra(csv(tmp_path))
    assert spectra.wavelength_nm.tolist() == [400, 500.5, 600]
    assert spectra.values.dtype == np.float32
    np.testing.assert_allclose(spectra.values, np.float32([[0.1, 0.2, 0.3], [np.nan, 0.5, 0.6]]))
    assert spectra.ids == ["007", "008"]  # and not 7, 8
    assert spectra.table.columns.tolist() == ["soc_pct"]
    assert (spectra.quantity, spectra.source) == ("reflectance", tmp_path / "library.csv")


@pytest.mark.parametrize(("separator", "name"), [(";", "a.csv"), ("\t", "a.tsv"), (",", "a.txt")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_separator_and_a_byte_order_mark_do_not_matter(tmp_path, separator, name, encoding):
    spectra = read_spectra(csv(tmp_path, CSV.replace(",", separator), name, encoding))
    assert spectra.ids == ["007", "008"]
    assert spectra.values.shape == (2, 3)


def test_percent_is_refused_until_it_is_declared(tmp_path):
    path = csv(tmp_path, "id,400,500\na,10,20\n")
    with pytest.raises(UnitsError, match=r"median of 15; expected reflectance as a fraction.*scale=0.01 for percent"):
        read_spectra(path)
    np.testing.assert_allclose(read_spectra(path, scale=0.01).values, [[0.1, 0.2]], rtol=1e-6)


def test_values_above_1_are_refused_until_it_is_stated_what_they_are(tmp_path):
    path = csv(tmp_path, "id,wn_2000,wn_1500,wn_1000\na,0.8,0.9,1.4\nb,0.7,1.0,1.3\n")
    with pytest.raises(UnitsError, match=r"33% of the values above 1.1; expected .*specify quantity='absorbance'"):
        read_spectra(path)
    for quantity in ("absorbance", "reflectance"):
        assert read_spectra(path, quantity=quantity).quantity == quantity
    bright = csv(tmp_path, "id," + ",".join(map(str, range(400, 600, 10))) + "\na,1.2" + ",0.9" * 19 + "\n")
    assert read_spectra(bright).quantity == "reflectance"


def test_a_code_for_no_data_is_refused(tmp_path):
    with pytest.raises(UnitsError, match="a value of -9999"):
        read_spectra(csv(tmp_path, "id,400,500,600\na,0.1,-9999,0.2\n"))


def test_micrometres_need_their_unit(tmp_path):
    path = csv(tmp_path, "id,0.4,2.201\na,0.1,0.2\n")
    with pytest.raises(WavelengthError, match=r"0.4 to 2.201 nm.*wavelength_unit='um'"):
        read_spectra(path)
    assert read_spectra(path, wavelength_unit="um").wavelength_nm.tolist() == [400, 2201]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("id,400,500\n", SamplesError, "2 band columns and 0 rows"),
        ("id,band_400,band_500\na,0.1,0.2\n", SamplesError, "0 band columns and 1 rows"),
        ("id,400,500,400\na,0.1,0.2,0.3\n", WavelengthError, "two columns at wavelength 400"),
        ("id,400,500,500.0\na,0.1,0.2,0.3\n", WavelengthError, "two columns at wavelength 500"),
        ("id,soc,soc,400,500\na,1,2,0.1,0.2\n", SamplesError, "two columns named 'soc'"),
        ("id,1,2,3\na,0.1,0.2,0.3\n", WavelengthError, "1 to 3 nm"),
        ("id,400,500\na,0.1,0.2\na,0.1,0.2\n", SamplesError, "'a' twice"),
        ("id,400,500\na,0.1,0.2\n,0.1,0.2\n", SamplesError, "no id in row 2"),
        ("id,400,500\na,0.1,0.2\nb,0.1,n.d.\n", SamplesError, "'n.d.' in column '500', row 2"),
        ("id,400,500\na,0.1,inf\n", SamplesError, "'inf' in column '500', row 1"),
        ("id,400,500\na,0.1,0.2\nb,0.2,0.3,0.4\n", SamplesError, "not a readable table"),
        ("id,400,500\na,,\n", SamplesError, "only empty cells in the bands"),
        ("", SamplesError, "not a readable table"),
    ],
)
def test_an_invalid_table_is_refused(tmp_path, text, error, message):
    with pytest.raises(error, match=message):
        read_spectra(csv(tmp_path, text))


def test_ids_may_come_from_any_column_from_several_or_from_the_row(tmp_path):
    path = csv(tmp_path, "soil,state,400,500\na,dry,0.1,0.2\na,wet,0.1,0.1\n")
    assert read_spectra(path).ids == ["1", "2"]
    spectra = read_spectra(path, id_column=["soil", "state"])
    assert spectra.ids == ["a/dry", "a/wet"]
    assert spectra.table["state"].tolist() == ["dry", "wet"]
    with pytest.raises(SamplesError, match=r"'a' twice.*several that are unique together"):
        read_spectra(path, id_column="soil")
    with pytest.raises(SamplesError, match=r'column "plot" is missing .columns: soil, state.'):
        read_spectra(path, id_column="plot")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantity": "radiance"}, "quantity='radiance'"),
        ({"wavelength_unit": "inch"}, "wavelength_unit='inch'"),
        ({"scale": 0.0}, "scale=0.0"),
    ],
    ids=str,
)
def test_an_invalid_argument_is_refused(tmp_path, arguments, message):
    with pytest.raises(UnitsError, match=message):
        read_spectra(csv(tmp_path), **arguments)


@pytest.mark.parametrize("name", ["spectra.xlsx", "nothing.csv", "empty", "broken.parquet", "binary.csv"])
def test_a_file_without_spectra_is_refused_by_name(tmp_path, name):
    (tmp_path / "spectra.xlsx").write_bytes(b"PK")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01,\x80")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamplesError, match=name):
        read_spectra(tmp_path / name)


def test_a_quantity_that_contradicts_the_file_is_refused(tmp_path):
    columns = {"sample_id": ["a"], "400": [0.5], "500": [0.6]}
    path = parquet(tmp_path, columns, json.dumps({"spectra_kind": "absorbance_log10_1_over_R"}))
    assert read_spectra(path).quantity == "absorbance"
    with pytest.raises(UnitsError, match=r"found absorbance, as the file says; expected reflectance"):
        read_spectra(path, quantity="reflectance")
    assert read_spectra(parquet(tmp_path, columns), quantity="absorbance").quantity == "absorbance"
    assert read_spectra(parquet(tmp_path, columns, "{}")).quantity == "reflectance"
    for message in ('{"spectra_kind": "radiance"}', '{"spectra_kind": ["reflectance_fraction"]}', "not json", "[1]"):
        path = parquet(tmp_path, columns, message)
        with pytest.raises(UnitsError, match="spectra_kind"):
            read_spectra(path)
        assert read_spectra(path, quantity="reflectance").quantity == "reflectance"


def test_numbers_stored_as_text_are_numbers_and_other_text_is_refused(tmp_path):
    columns = {"sample_id": ["a", "b"], "400": ["0.5", "0.25"], "500": pa.array([0.1, None])}
    np.testing.assert_allclose(read_spectra(parquet(tmp_path, columns)).values, [[0.5, 0.1], [0.25, np.nan]])
    with pytest.raises(SamplesError, match="'wet' in column '400', row 2"):
        read_spectra(parquet(tmp_path, {**columns, "400": ["0.5", "wet"]}))
    with pytest.raises(SamplesError, match="'True' in column '400', row 1"):
        read_spectra(parquet(tmp_path, {**columns, "400": [True, False]}))


@pytest.mark.parametrize(
    ("name", "id_column", "shape", "quantity", "span_nm"),
    [
        ("geeves_australia", None, (391, 2151), "reflectance", (350, 2500)),
        ("geeves_moisture_epo", ["sample_id", "condition"], (300, 2151), "absorbance", (350, 2500)),
        ("limesoda_nrw_115_mir", None, (115, 1686), "reflectance", (2632.27, 18195.05)),
        ("limesoda_sc_93_visnir", None, (93, 2146), "reflectance", (355, 2500)),
        ("limesoda_sl_125_visnir", None, (125, 2081), "reflectance", (420, 2500)),
        ("limesoda_ssp_460_visnir", None, (460, 830), "reflectance", (350, 2498)),
        ("multisite_nir_1100_2390", None, (1956, 130), "reflectance", (1100, 2390)),
        ("multisite_visnir_450_2450", None, (1069, 201), "reflectance", (450, 2450)),
        ("nirsoil_wallonia", None, (825, 700), "absorbance", (1100, 2498)),
        ("usgs_mineral_reference", "mineral", (12, 2151), "reflectance", (350, 2500)),
        ("yamsys_west_africa_mir", None, (94, 1716), "absorbance", (2501.63, 20013.02)),
    ],
)
def test_a_real_library_is_read_as_its_table_says(name, id_column, shape, quantity, span_nm):
    path = shared(f"data/spectra/{name}.parquet")
    spectra = read_spectra(path, id_column=id_column)
    assert (spectra.values.shape, spectra.quantity) == (shape, quantity)
    assert (spectra.wavelength_nm[0], spectra.wavelength_nm[-1]) == span_nm
    assert len(set(spectra.ids)) == shape[0]
    column = pq.read_table(path, columns=[str(pq.read_schema(path).names[-1])]).column(0).to_numpy()
    np.testing.assert_array_equal(spectra.values[:, -1], column)


def test_three_scans_of_a_soil_need_unique_ids():
    with pytest.raises(SamplesError, match="twice"):
        read_spectra(shared("data/spectra/geeves_moisture_epo.parquet"), id_column="sample_id")


@pytest.mark.parametrize("name", ["limesoda_ssp_460_visnir", "yamsys_west_africa_mir"])
def test_what_is_written_is_read_back(tmp_path, name):
    spectra = read_spectra(shared(f"data/spectra/{name}.parquet"))
    spectra = replace(spectra, wavelength_nm=spectra.wavelength_nm + 1 / 3)
    write_spectra(spectra, tmp_path / "copy.parquet")
    again = read_spectra(tmp_path / "copy.parquet")
    np.testing.assert_array_equal(again.values, spectra.values)
    np.testing.assert_array_equal(again.wavelength_nm, spectra.wavelength_nm)
    assert (again.ids, again.quantity) == (spectra.ids, spectra.quantity)
    pd.testing.assert_frame_equal(again.table, spectra.table)
    assert pq.ParquetFile(tmp_path / "copy.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    spectra = read_spectra(csv(tmp_path))
    with pytest.raises(OutputError, match=r"absent"):
        write_spectra(spectra, tmp_path / "absent" / "a.parquet")
    with pytest.raises(SamplesError, match="'sample_id' in the table"):
        write_spectra(replace(spectra, table=pd.DataFrame({"sample_id": [1, 2]})), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_a_folder_of_asd_files_is_one_row_each(tmp_path):
    names = ["ossl_235157MD01.asd", "ossl_101453MD01.asd"]
    for name in names:
        shutil.copy(shared(f"data/spectra/asd/{name}"), tmp_path / name.replace(".asd", ".ASD"))
    spectra = read_spectra(tmp_path)
    assert spectra.ids == ["ossl_101453MD01", "ossl_235157MD01"]
    assert spectra.values.shape == (2, 2151)
    expected = pd.read_parquet(shared("data/spectra/asd/expected.parquet")).query("file == @names[0]")
    np.testing.assert_array_equal(spectra.values[1], np.float32(expected["reflectance"]))
    alone = read_spectra(shared(f"data/spectra/asd/{names[0]}"))
    np.testing.assert_array_equal(alone.values[0], spectra.values[1])


def test_asd_files_of_different_grids_are_refused(tmp_path):
    original = shared("data/spectra/asd/ossl_101453MD01.asd").read_bytes()
    (tmp_path / "a.asd").write_bytes(original)
    (tmp_path / "b.asd").write_bytes(original[:191] + np.float32(400).tobytes() + original[195:])
    with pytest.raises(WavelengthError, match=r"b.asd: found 2151 bands from 400 to 2550 nm"):
        read_spectra(tmp_path)


def test_spectra_with_contradictory_shapes_are_refused():
    with pytest.raises(SamplesError, match=r"values \(1, 2\)"):
        Spectra(
            np.array([400.0]), np.zeros((1, 2), np.float32), ["a"], pd.DataFrame(index=[0]), "reflectance", Path("a")
        )


SOIL_NM = [450, 500, 550, 800, 850, 900, 1780, 1850, 1915, 1945]
SOIL = np.array([0.10, 0.11, 0.12, 0.30, 0.31, 0.32, 0.42, 0.42, 0.35, 0.36])


def test_a_table_that_is_clearly_absorbance_needs_a_statement(tmp_path):
    def table(values):
        return csv(tmp_path, f"id,{','.join(map(str, SOIL_NM))}\na,{','.join(map(str, values))}\n")

    assert read_spectra(table(SOIL)).quantity == "reflectance"
    with pytest.raises(UnitsError, match=r"fall from 500 to 850 nm and rise at 1930 nm, as absorbance.*--quantity"):
        read_spectra(table(-np.log10(SOIL)))
    assert read_spectra(path := table(-np.log10(SOIL)), quantity="absorbance").quantity == "absorbance"
    assert read_spectra(path, quantity="reflectance").quantity == "reflectance"
    flat = np.where(np.array(SOIL_NM) > 1900, 0.05, SOIL[::-1])  # only one of the two signs
    assert read_spectra(table(flat)).quantity == "reflectance"
