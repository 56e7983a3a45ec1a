"""Tables of published libraries, as they are delivered, become one Parquet library with the values of the tables."""

import gzip
import json
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from geosoil.errors import GeosoilError, SamplesError, UnitsError
from geosoil.io.libraries import LIBRARIES, recognise_library
from geosoil.io.libraries.ossl import property_of
from geosoil.io.spectra.chunks import iter_spectra
from geosoil.io.spectra.reader import read_spectra
from geosoil.workflows.library import import_library
from geosoil_cli.main import group

NM = np.arange(350, 2501, 10)  # the library has steps of 2 nm


def soils(n, nm, seed=0):
    """Reflectance `(n, len(nm))` that rises as soils do, rounded as in the files."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.2, 0.5, (n, 1))
    return np.round(level * (1 - np.exp(-np.asarray(nm) / 900)) + rng.normal(0, 0.001, (n, len(nm))), 5)


def ossl(n=12, scans=True):
    """A table of the OSSL, level 0: two methods of carbon, a third of the places known to the county only."""
    row = np.arange(n)
    point = row % 3 > 0
    frame = {
        "dataset.code_ascii_txt": ["KSSL.SSL"] * n,
        "id.layer_uuid_txt": [f"u{i}" for i in row],
        "longitude.point_wgs84_dd": np.where(point, 10.5 + row, np.nan),
        "latitude.point_wgs84_dd": np.where(point, 50.0, np.nan),
        "longitude.county_wgs84_dd": np.where(row == 3, np.nan, -96.6888),
        "latitude.county_wgs84_dd": np.where(row == 3, np.nan, 40.78446),
        "layer.upper.depth_usda_cm": 0,
        "layer.lower.depth_usda_cm": 20,
        "location.country_iso.3166_txt": "USA",
        "surveyor.contact_ietf_email": "a@b.org",
        "clay.tot_usda.a334_w.pct": 10.0 + row,
        "oc_usda.c729_w.pct": np.where(row == 2, np.nan, 1.5),
        "oc_iso.10694_w.pct": 2.5,
        "ph.h2o_usda.a268_index": 6.5,
        "cec_usda.a723_cmolc.kg": 12.25,
        "efferv_usda.a479_class": "slight",
    }
    frame = pd.DataFrame(frame)
    if scans:
        visnir = pd.DataFrame(soils(n, NM), columns=[f"scan_visnir.{nm}_ref" for nm in NM])
        visnir.iloc[n - 1] = np.nan
        mir = pd.DataFrame(
            np.round(soils(n, np.arange(600, 4001, 20)), 5), columns=[f"scan_mir.{k}_abs" for k in range(600, 4001, 20)]
        )
        frame = pd.concat([frame, visnir, mir], axis=1)
    return frame


def metadata(path):
    return json.loads(pq.read_schema(path).metadata[b"geosoil"])


@pytest.mark.parametrize(
    ("column", "name", "unit", "method"),
    [
        ("clay.tot_usda.a334_w.pct", "clay_tot", "%", "usda.a334"),
        ("ph.h2o_usda.a268_index", "ph_h2o", "", "usda.a268"),
        ("cec_usda.a723_cmolc.kg", "cec", "cmol/kg", "usda.a723"),
        ("bd_iso.11272_g.cm3", "bd", "g/cm3", "iso.11272"),
        ("al.ext_aquaregia_g.kg", "al_ext", "g/kg", "aquaregia"),
        ("awc.33.1500kPa_usda.c80_w.frac", "awc_33_1500kPa", "", "usda.c80"),
    ],
)
def test_names_of_the_ossl_are_property_method_and_unit(column, name, unit, method):
    found = property_of(column)
    assert (found.name, found.unit, found.method) == (name, unit, method)


@pytest.mark.parametrize(
    "column",
    ["layer.lower.depth_usda_cm", "longitude.point_wgs84_dd", "scan_visnir.350_ref", "layer.sequence_usda_uint16",
     "dataset.license.title_ascii_txt", "scan.mir.model.name_utf8_txt", "observation.date.begin_iso.8601_yyyy.mm.dd"],
)  # fmt: skip
def test_other_columns_of_the_ossl_are_no_properties(column):
    assert property_of(column) is None


def test_a_table_of_the_ossl_keeps_spectra_properties_and_what_is_known_of_places(tmp_path):
    frame = ossl()
    with gzip.open(tmp_path / "ossl_all_L0_v1.2.csv.gz", "wt") as file:
        frame.to_csv(file, index=False)
    made = import_library(tmp_path / "ossl_all_L0_v1.2.csv.gz", tmp_path / "library.parquet")
    spectra = read_spectra(tmp_path / "library.parquet")
    assert spectra.quantity == "reflectance" and spectra.ids == [f"u{i}" for i in range(11)]
    np.testing.assert_array_equal(spectra.wavelength_nm, NM)
    expected = frame[[f"scan_visnir.{nm}_ref" for nm in NM]].to_numpy(np.float32)[:11]
    np.testing.assert_array_equal(spectra.values, expected)
    table = spectra.table
    np.testing.assert_array_equal(table["clay_tot_pct"], frame["clay.tot_usda.a334_w.pct"][:11])
    assert table["oc_usda_c729_pct"].isna().sum() == 1 and (table["oc_iso_10694_pct"] == 2.5).all()
    assert (table["cec_cmol_kg"] == 12.25).all() and (table["ph_h2o"] == 6.5).all()
    assert table["location"].tolist() == ["county", "point", "point", ""] + ["point", "point", "county"] * 2 + ["point"]
    assert table["longitude"].isna().tolist() == [word != "point" for word in table["location"]]
    assert table["county_longitude"][0] == -96.6888 and "surveyor" not in " ".join(table.columns)
    text = made.summary()
    assert "11 from 12 rows, reflectance" in text and "216 bands from 350 to 2500 nm" in text
    assert "7 as points, 3 known to the county only, 1 unknown" in text
    assert "left out   spectra of kind mir; import them with --spectra" in text
    assert "oc_usda_c729_pct 10 rows, 1.5 to 1.5, mean 1.5 %, usda.c729 (column oc_usda.c729_w.pct)" in text
    assert metadata(made.path)["properties"]["ph_h2o"]["method"] == "usda.a268"


def test_the_mid_infrared_of_the_same_table_is_absorbance_at_wavelengths_in_nm(tmp_path):
    ossl(4).to_csv(tmp_path / "t.csv", index=False)
    import_library(tmp_path / "t.csv", tmp_path / "mir.parquet", spectra="mir")
    spectra = read_spectra(tmp_path / "mir.parquet")
    assert spectra.quantity == "absorbance" and len(spectra.ids) == 4
    np.testing.assert_allclose(spectra.wavelength_nm[[0, -1]], [2500, 1e7 / 600], atol=1e-6)
    assert spectra.values[0, 0] == np.float32(ossl(4)["scan_mir.4000_abs"][0])


def test_tables_of_sites_laboratory_and_spectra_are_joined_by_their_ids(tmp_path):
    frame = ossl(10)
    bands = ["id.layer_uuid_txt", *(name for name in frame if name.startswith("scan_visnir."))]
    frame[bands][::-1].to_csv(tmp_path / "ossl_visnir.csv", index=False)
    ossl(8, scans=False).iloc[:, :9].to_csv(tmp_path / "ossl_soilsite.csv", index=False)
    ossl(8, scans=False).iloc[:, [1, *range(10, 16)]].to_csv(tmp_path / "ossl_soillab.csv", index=False)
    made = import_library(tmp_path, tmp_path / "library.parquet")
    spectra = read_spectra(tmp_path / "library.parquet")
    assert spectra.ids == [f"u{i}" for i in range(8, -1, -1)]
    clay = dict(zip(spectra.ids, spectra.table["clay_tot_pct"], strict=True))
    assert clay["u5"] == 15 and np.isnan(clay["u8"])
    assert spectra.table["dataset"].tolist()[1:] == ["KSSL.SSL"] * 8
    assert "2 rows without laboratory values of their id" in made.summary()  # one in each of the two tables


def lucas(points, year=2015, absorbance=True):
    """Spectra of LUCAS, two scans a point, and the table of the laboratory."""
    nm = np.arange(400, 2500, 7.5)  # the survey has steps of 0.5 nm
    values = soils(2 * len(points), nm)
    values = np.round(-np.log10(values), 6) if absorbance else values
    head = {"source": "C", "SampleID": range(2 * len(points)), "NUTS_0": "AT", "SampleN": 1}
    spectra = pd.DataFrame(head | {"PointID": np.repeat(points, 2)})
    names = [f"{n:g}" for n in nm]
    table = {
        "Point_ID": points,
        "pH(CaCl2)": 6.1,
        "pH(H2O)": 6.6,
        "EC": 12.0,
        "OC": [20.0, -999.0, 31.5][: len(points)],
    }
    table |= {"CaCO3": 1.0, "P": ["< LOD", "12,5", "20"][: len(points)], "N": 2.0, "K": 150.0, "Clay": 22.0}
    return pd.concat([spectra, pd.DataFrame(values, columns=names)], axis=1), pd.DataFrame(table), values


@pytest.mark.parametrize("absorbance", [True, False])
def test_lucas_scans_are_averaged_and_their_quantity_is_shown_by_their_shape(tmp_path, absorbance):
    points = [44682116, 26581768, 28181770]
    spectra, table, values = lucas(points, absorbance=absorbance)
    with zipfile.ZipFile(tmp_path / "LUCAS2015.zip", "w") as archive:
        archive.writestr("spectra/spectra_ AT .csv", spectra[:4].to_csv(index=False))
        archive.writestr("spectra/spectra_ BE .csv", spectra[4:].to_csv(index=False))
    table.to_csv(tmp_path / "LUCAS_Topsoil_2015.csv", index=False)
    made = import_library([tmp_path / "LUCAS2015.zip", tmp_path / "LUCAS_Topsoil_2015.csv"], tmp_path / "l.parquet")
    library = read_spectra(tmp_path / "l.parquet")
    assert library.ids == [str(point) for point in points]
    assert library.quantity == ("absorbance" if absorbance else "reflectance")
    assert library.wavelength_nm[1] == 407.5 and library.values.shape == (3, 280)
    np.testing.assert_allclose(library.values, values.reshape(3, 2, -1).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(library.table["oc_g_kg"], [20.0, np.nan, 31.5])
    np.testing.assert_array_equal(library.table["p_mg_kg"], [np.nan, 12.5, 20])
    assert (library.table["ec_mS_m"] == 12).all() and (library.table["country"] == "AT").all()
    text = made.summary()
    assert "3 repeated scans that were averaged" in text and "1 negative laboratory values" in text
    assert "1 cells of p_mg_kg with text" in text


def test_a_sheet_of_laboratory_values_of_lucas_2009_is_joined(tmp_path):
    spectra, _, _ = lucas([1, 2])
    spectra.to_csv(tmp_path / "s.csv", index=False)
    names = [
        "POINT_ID",
        "coarse",
        "clay",
        "silt",
        "sand",
        "pH_in_H2O",
        "pH_in_CaCl2",
        "OC",
        "CaCO3",
        "N",
        "P",
        "K",
        "CEC",
    ]
    sheet = pd.DataFrame([[1, *range(12)], [2, *range(1, 13)]], columns=names).assign(GPS_LONG=12.5, GPS_LAT=47.5)
    sheet.to_excel(tmp_path / "LUCAS_TOPSOIL_v1.xlsx", index=False)
    import_library([tmp_path / "s.csv", tmp_path / "LUCAS_TOPSOIL_v1.xlsx"], tmp_path / "l.parquet")
    table = read_spectra(tmp_path / "l.parquet").table
    assert table["cec_cmol_kg"].tolist() == [11, 12] and table["clay_pct"].tolist() == [1, 2]
    assert table["location"].tolist() == ["point", "point"] and table["longitude"].tolist() == [12.5, 12.5]


def test_neospectra_is_percent_and_descends(tmp_path):
    numbers = np.round(np.linspace(2550, 1350, 257), 4)
    values = np.round(100 * soils(3, numbers), 3)
    frame = pd.DataFrame({"kssl_id": [7, 7, 8], "lay_id": 1, "eoc_tot_c": 1.25, "p_mehlich3": 3.0, "p_el_meh3": 4.0})
    frame = frame.assign(**{"long.xcntr": -90.0, "lat.ycntr": 40.0, "scanner_SerialNo": "x"})
    frame = pd.concat([frame, pd.DataFrame(values, columns=[f"{n}" for n in numbers])], axis=1)
    frame.to_csv(tmp_path / "n.csv", index=False)
    made = import_library(tmp_path / "n.csv", tmp_path / "n.parquet")
    library = read_spectra(tmp_path / "n.parquet")
    assert library.ids == ["7", "7/2", "8"] and library.table["kssl_sample_id"].tolist() == ["7", "7", "8"]
    np.testing.assert_allclose(library.values, values[:, ::-1] / 100, rtol=1e-6)
    assert library.table["oc_pct"].tolist() == [1.25] * 3
    assert (library.table["p_ext_usda_a652_mg_kg"] == 3).all() and (library.table["p_ext_usda_a1070_mg_kg"] == 4).all()
    assert library.table["location"].tolist() == ["county"] * 3
    assert "1 rows with an id that an earlier row has" in made.summary()


def test_kssl_is_absorbance_of_wavenumbers_or_reflectance_of_raca(tmp_path):
    numbers = np.arange(600, 4001, 20)
    frame = pd.DataFrame(soils(2, numbers), columns=[str(n) for n in numbers])
    frame.insert(0, "sample_id", ["123XS", "124XN"])
    frame.to_csv(tmp_path / "KSSL_202207_MIR_spectra_all_avg.csv", index=False)
    import_library(tmp_path / "KSSL_202207_MIR_spectra_all_avg.csv", tmp_path / "m.parquet")
    library = read_spectra(tmp_path / "m.parquet")
    assert library.ids == ["123", "124"] and library.quantity == "absorbance"
    np.testing.assert_allclose(library.wavelength_nm[[0, -1]], [2500, 1e7 / 600], atol=1e-6)
    assert library.table["kssl_sample_id"].tolist() == ["123XS", "124XN"]
    raca = pd.DataFrame(soils(2, NM), columns=[f"X{nm}" for nm in NM])
    raca.insert(0, "smp_id", [123, 124])
    raca.insert(1, "asdfilename", ["a.asd", "b.asd"])
    raca.to_csv(tmp_path / "RaCA_measured.csv", index=False)
    import_library(tmp_path / "RaCA_measured.csv", tmp_path / "r.parquet")
    assert read_spectra(tmp_path / "r.parquet").quantity == "reflectance"


def test_codes_for_no_data_become_empty_and_are_counted(tmp_path):
    frame = ossl(5)
    frame.loc[1, "scan_visnir.400_ref"] = -9999
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = import_library(tmp_path / "t.csv", tmp_path / "l.parquet")
    assert np.isnan(read_spectra(tmp_path / "l.parquet").values[1, 5])
    assert "1 values of spectra that are codes for no data" in made.summary()


def test_a_large_table_is_written_in_groups_and_read_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("geosoil.io.libraries.tables.BLOCK_BYTES", 40_000)
    monkeypatch.setattr("geosoil.io.libraries.writer.ROW_GROUP_BYTES", 12_000)
    frame = ossl(60)
    frame.to_csv(tmp_path / "t.csv", index=False)
    import_library(tmp_path / "t.csv", tmp_path / "l.parquet")
    assert pq.ParquetFile(tmp_path / "l.parquet").num_row_groups == 3
    parts = list(iter_spectra(tmp_path / "l.parquet", rows=25))
    values = np.concatenate([part.values for part in parts])
    expected = frame[[f"scan_visnir.{nm}_ref" for nm in NM]].to_numpy(np.float32)[:59]
    np.testing.assert_array_equal(values, expected)


def test_scans_of_one_point_in_two_batches_are_averaged(tmp_path, monkeypatch):
    monkeypatch.setattr("geosoil.io.libraries.tables.BLOCK_BYTES", 6_000)
    spectra, _, values = lucas([1, 2, 3])
    pd.concat([spectra[1:], spectra[:1].assign(PointID=9)]).to_csv(tmp_path / "t.csv", index=False)
    import_library(tmp_path / "t.csv", tmp_path / "l.parquet")
    library = read_spectra(tmp_path / "l.parquet")
    assert library.ids == ["1", "2", "3", "9"]
    np.testing.assert_allclose(library.values[1], values[2:4].mean(axis=0), atol=1e-6)


def cut_gzip(path):
    packed = gzip.compress(ossl(40).to_csv(index=False).encode())
    path.write_bytes(packed[: len(packed) // 2])


def wrong_number(path):
    path.write_text(ossl(3).to_csv(index=False).replace("slight,0.", "slight,o.", 1))


def percent(path):
    frame = ossl(3)
    bands = [name for name in frame if name.startswith("scan_visnir.")]
    frame[bands] *= 100
    frame.to_csv(path, index=False)


BAD = {
    "unknown": ("t.csv", lambda p: p.write_text("site,350,352\na,0.1,0.2\n"), "of no library that is known"),
    "number": ("t.csv", wrong_number, "column scan_visnir.350_ref"),
    "ragged": ("t.csv", lambda p: p.write_text(ossl(3).to_csv(index=False) + "a,b\n"), "cannot be read"),
    "cut": ("t.csv.gz", cut_gzip, "cannot be read"),
    "not gzip": ("t.csv.gz", lambda p: p.write_text("x"), "cannot be read"),
    "not zip": ("t.zip", lambda p: p.write_text("x"), "cannot be read"),
    "empty": ("t.csv", lambda p: p.write_text(""), "the file is empty"),
    "labels": ("t.csv", lambda p: ossl(3, scans=False).to_csv(p, index=False), "tables without spectra"),
    "R": ("t.rds", lambda p: p.write_text("x"), "write.csv"),
    "no rows": ("t.csv", lambda p: ossl(3)[:0].to_csv(p, index=False), "no row with a spectrum"),
    "percent": ("t.csv", percent, "reflectance as a fraction"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_imported_is_one_line_and_leaves_nothing(tmp_path, name):
    file, write, said = BAD[name]
    write(tmp_path / file)
    with pytest.raises(GeosoilError) as error:
        import_library(tmp_path / file, tmp_path / "l.parquet")
    assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 600
    assert sorted(path.name for path in tmp_path.iterdir()) == [file]


def test_tables_of_two_libraries_or_of_other_bands_are_refused_together(tmp_path):
    ossl(3).to_csv(tmp_path / "a.csv", index=False)
    lucas([1])[0].to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(SamplesError, match="import each library by itself"):
        import_library([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "l.parquet")
    ossl(3).drop(columns="scan_visnir.500_ref").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(SamplesError, match="215 bands"):
        import_library([tmp_path / "a.csv", tmp_path / "c.csv"], tmp_path / "l.parquet")


def test_spectra_without_a_shape_of_soils_need_the_quantity(tmp_path):
    spectra, _, _ = lucas([1, 2])
    spectra.iloc[:, 5:] = 0.4
    spectra.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UnitsError, match="--quantity"):
        import_library(tmp_path / "t.csv", tmp_path / "l.parquet")
    import_library(tmp_path / "t.csv", tmp_path / "l.parquet", quantity="absorbance")
    assert read_spectra(tmp_path / "l.parquet").quantity == "absorbance"
    ossl(3).to_csv(tmp_path / "o.csv", index=False)
    with pytest.raises(UnitsError, match="leave --quantity out"):
        import_library(tmp_path / "o.csv", tmp_path / "o.parquet", quantity="absorbance")


def test_a_row_that_is_no_row_of_a_table_is_not_collected_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("geosoil.io.libraries.tables.BLOCK_BYTES", 12_000)
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write(ossl(2).to_csv(index=False) + "a" * 100_000)
    with pytest.raises(SamplesError, match=r"a row of more than"):
        import_library(tmp_path / "t.csv.gz", tmp_path / "l.parquet")


def test_semicolons_and_decimal_commas_are_read(tmp_path):
    ossl(3).to_csv(tmp_path / "t.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    import_library(tmp_path / "t.csv", tmp_path / "l.parquet")
    library = read_spectra(tmp_path / "l.parquet")
    assert library.values[0, 0] == np.float32(ossl(3)["scan_visnir.350_ref"][0])
    assert library.table["cec_cmol_kg"].tolist() == [12.25, 12.25]


def test_each_kind_is_recognised_by_its_columns_alone():
    assert set(LIBRARIES) == {"ossl", "lucas", "kssl", "neospectra"}
    assert recognise_library(["id", "350", "351"]) is None
    assert recognise_library(list(ossl(2).columns))[0].name == "ossl"
    assert recognise_library(list(lucas([1])[1].columns))[0].name == "lucas"


def test_the_command_prints_the_summary(tmp_path):
    ossl(4).to_csv(tmp_path / "t.csv", index=False)
    words = ["library", "import", str(tmp_path / "t.csv"), "-o", str(tmp_path / "l.parquet")]
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    assert "kind       Open Soil Spectral Library" in done.output and "clay_tot_pct" in done.output
