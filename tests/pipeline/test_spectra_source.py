"""Tables of spectra with and without a library: what becomes a row, what the library may teach, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from small_cube import write_cube
from small_lead_data import NM, N, write_spectra_table
from small_library_data import N_SITE
from small_library_data import NM as SITE_NM
from small_recipes import LibraryRecipe, SpectraRecipe

from geosoil.errors import SamplesError, UnitsError, WavelengthError

NO_LIBRARY = ('library = "library.parquet"\nauxiliary = { column = "ph", title = "pH" }\n', "")
DROP = ('library = "library.parquet"', 'library = "library.parquet"\non_missing = "drop"')


@pytest.fixture
def case(tmp_path):
    return SpectraRecipe(tmp_path)


@pytest.fixture
def site(tmp_path):
    return LibraryRecipe(tmp_path)


def test_rows_are_the_samples_with_their_spectra_in_any_order_of_the_tables(case):
    rows = case.read()
    assert rows.ids.tolist() == case.samples.sample_id.tolist()
    np.testing.assert_array_equal(rows.X, case.R.astype(np.float32))
    np.testing.assert_array_equal(rows.y[:, 0], case.samples.pb_mg_kg)
    np.testing.assert_allclose(rows.xy_m, case.samples[["x_m", "y_m"]])
    assert rows.groups.tolist() == case.samples.site.tolist()
    order = np.random.default_rng(1).permutation(N)
    case.samples.iloc[order].to_csv(case.folder / "samples.csv", index=False)
    shuffled = case.read()
    np.testing.assert_array_equal(shuffled.X, rows.X[order])
    np.testing.assert_array_equal(shuffled.y, rows.y[order])


def test_the_places_of_the_map_are_those_of_the_cube_in_the_crs_of_the_samples(case):
    corner = Affine(30, 0, 600_000, 0, -30, 2_600_000)
    write_cube(case.folder / "cube.tif", crs="EPSG:32649", transform=corner, wavelength_nm=NM, values=whole_cube())
    rows = case.read(NO_LIBRARY, ('spectra = "spectra.parquet"', 'spectra = "spectra.parquet"\ncube = "cube.tif"'))
    x, y = Transformer.from_crs(rows.crs, 32649, always_xy=True).transform(*rows.map_places.T)
    assert rows.crs.to_epsg() == 32648
    assert ((x > 600_000) & (x < 600_000 + 20 * 30) & (y < 2_600_000) & (y > 2_600_000 - 10 * 30)).all()
    assert len(x) == 10 * 20 - 1  # one pixel of the file has no data
    assert case.read(NO_LIBRARY).map_places is None


def whole_cube():
    return np.random.default_rng(0).integers(1000, 5000, (len(NM), 10, 20)).astype(np.int16)


def test_the_library_has_the_auxiliary_property_on_the_bands_of_the_rows(case):
    library = case.read().library
    np.testing.assert_array_equal(library.X, case.R_library.astype(np.float32))
    np.testing.assert_array_equal(library.auxiliary, case.ph_library)
    assert library.y is None
    assert not library.holds_samples


def test_without_a_library_a_table_of_spectra_is_enough(case):
    columns = {"sample_id": case.samples.sample_id, "pb_mg_kg": case.samples.pb_mg_kg, "site": case.samples.site}
    write_spectra_table(case.folder / "spectra.parquet", columns, case.R)
    rows = case.read(NO_LIBRARY, ('samples = "samples.csv"\nx = "x_m"\ny = "y_m"\ncrs = "EPSG:32648"\n', ""))
    assert rows.library is None
    assert rows.xy is None
    assert len(rows) == N
    assert set(rows.groups) == {"north", "east", "south", "west"}


def test_without_a_library_the_auxiliary_property_is_in_the_samples(case):
    case.samples["ph"] = case.ph
    case.write()
    rows = case.read(('library = "library.parquet"\n', ""))
    np.testing.assert_allclose(rows.auxiliary, case.ph)


def test_a_group_can_be_in_the_table_of_spectra(case):
    site = case.samples.pop("site")
    case.samples.to_csv(case.folder / "samples.csv", index=False)
    order = np.arange(N)[::-1]
    columns = {"sample_id": case.samples.sample_id[order], "site": site[order]}
    write_spectra_table(case.folder / "spectra.parquet", columns, case.R[order])
    assert case.read().groups.tolist() == site.tolist()


def test_places_in_degrees_are_brought_to_metres(case):
    import geopandas as gpd

    points = gpd.GeoSeries(gpd.points_from_xy(case.samples.x_m, case.samples.y_m), crs="EPSG:32648").to_crs(4326)
    case.samples["x_m"], case.samples["y_m"] = points.x, points.y
    case.write()
    rows = case.read(("EPSG:32648", "EPSG:4326"))
    expected = SpectraRecipe(case.folder).samples
    np.testing.assert_allclose(rows.xy_m, expected[["x_m", "y_m"]], atol=0.01)


def test_library_rows_with_the_spectrum_of_a_sample_are_marked_with_that_sample(case):
    case.put_samples_into_library()
    rows = case.read()
    np.testing.assert_array_equal(rows.library.sample_of_row, [-1] * 90 + list(range(N)))
    assert np.isfinite(rows.library.auxiliary).all()
    assert any(f"{N} rows of the library are spectra of the samples" in note for note in rows.notes)
    test = np.array([0, 7])
    np.testing.assert_array_equal(rows.library.rows_without(test), np.delete(np.arange(90 + N), 90 + test))


def test_zeros_and_gaps_do_not_reach_the_library(case):
    case.R_library[3, 5], case.R_library[4, 5] = 0.0, np.nan
    case.ph_library[6] = np.nan
    case.write()
    rows = case.read()
    np.testing.assert_array_equal(rows.library.ids, [f"L{i:02d}" for i in range(90) if i not in (3, 4, 6)])
    assert "library: 1 of 90 rows left out without a value" in rows.notes
    assert "library: 2 of 90 rows left out with gaps or zeros" in rows.notes


def test_bands_of_a_sensor_are_taken_and_those_beyond_the_spectra_left_out(case):
    (case.folder / "bands.csv").write_text(
        "wavelength_nm,fwhm_nm\n" + "".join(f"{nm},60\n" for nm in range(520, 2700, 60))
    )
    rows = case.read(('library = "library.parquet"', 'library = "library.parquet"\nbands = "bands.csv"'))
    assert rows.wavelength_nm[0] == 520
    assert rows.wavelength_nm[-1] < NM[-1]
    assert {feature.fwhm_nm for feature in rows.features} == {60.0}
    assert rows.X.shape == (N, len(rows.features))
    assert rows.library.X.shape[1] == len(rows.features)
    assert any("left out beyond" in note for note in rows.notes)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_zero_or_less_is_refused_under_a_logarithm(case, value):
    case.samples.loc[7, "pb_mg_kg"] = value
    case.write()
    line = case.refusal(SamplesError)
    assert "P07" in line
    assert "zero or less" in line


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_spectrum_with_a_hole_is_refused_by_name_or_dropped(case, value):
    case.R[5, 20] = value
    case.write()
    assert "P05" in case.refusal(SamplesError)
    rows = case.read(DROP)
    assert rows.ids.tolist() == [name for name in case.samples.sample_id if name != "P05"]
    assert len(rows.xy) == len(rows.groups) == len(rows.y) == N - 1


def test_a_sample_without_a_spectrum_is_refused_by_name(case):
    write_spectra_table(case.folder / "spectra.parquet", {"sample_id": case.samples.sample_id[1:]}, case.R[1:])
    line = case.refusal(SamplesError, ('group = "site"\n', ""))
    assert "spectra.parquet: found no spectrum for P00" in line


def test_fewer_than_ten_samples_are_refused_and_fewer_than_twenty_are_noted(case):
    case.samples, case.R = case.samples.iloc[:9], case.R[:9]
    case.write()
    assert "9 samples" in case.refusal(SamplesError)
    again = SpectraRecipe(case.folder)
    again.samples, again.R = again.samples.iloc[:16], again.R[:16]
    again.write()
    assert any(note.startswith("16 values of pb_mg_kg: with fewer than 20") for note in again.read().notes)


def test_a_library_of_another_range_is_refused(case):
    columns = {"sample_id": [f"L{i:02d}" for i in range(90)], "ph": case.ph_library}
    write_spectra_table(case.folder / "library.parquet", columns, case.R_library, NM + 3000)
    assert "common bands" in case.refusal(WavelengthError)


def test_a_library_of_fewer_than_forty_rows_is_refused(case):
    case.ph_library, case.R_library = case.ph_library[:39], case.R_library[:39]
    case.write()
    assert "39 rows with a value" in case.refusal(SamplesError)


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ([('column = "pb_mg_kg"', 'column = "pb"')], "pb"),
        ([('column = "ph"', 'column = "ph_h2o"')], "ph_h2o"),
        ([('group = "site"', 'group = "place"')], "place"),
    ],
)
def test_an_absent_column_is_refused_by_its_name(case, changes, column):
    assert f"column {column}" in case.refusal(SamplesError, *changes).replace('"', "")


# A library that has the target


def test_site_and_library_have_the_target_and_the_country_is_marked(site):
    rows = site.read()
    np.testing.assert_array_equal(rows.X, site.site.values)
    np.testing.assert_array_equal(rows.y[:, 0], site.site.table.soc_pct)
    np.testing.assert_array_equal(rows.library.X, site.library.values)
    np.testing.assert_array_equal(rows.library.y[:, 0], site.library.table.soc_pct)
    np.testing.assert_array_equal(rows.library.in_country, np.arange(120) < 60)
    assert rows.library.auxiliary is None
    np.testing.assert_allclose(rows.xy_m, site.site.table[["x_m", "y_m"]])


def test_spectra_of_the_site_inside_the_library_are_left_out_and_counted(site):
    values = site.library.values.copy()
    values[:3] = site.site.values[5:8]
    site.change("library", values=values)
    rows = site.read()
    assert rows.library.ids.tolist() == site.library.ids[3:]
    assert not rows.library.holds_samples
    assert "library: 3 rows left out whose spectra are those of samples" in rows.notes


def test_a_library_with_target_and_auxiliary_property_keeps_the_auxiliary_value_of_a_samples_own_spectrum(site):
    values = site.library.values.copy()
    values[:3] = site.site.values[5:8]
    table = site.library.table.assign(ph=np.linspace(4, 8, 120))
    site.change("library", values=values, table=table)
    library = site.read(("[target]", 'auxiliary = { column = "ph" }\n[target]')).library
    assert len(library.ids) == 120
    np.testing.assert_array_equal(library.sample_of_row[:4], [5, 6, 7, -1])
    assert np.isnan(library.y[:3]).all()
    assert np.isfinite(library.y[3:]).all()
    np.testing.assert_array_equal(library.auxiliary, table.ph)


def test_of_several_targets_those_that_the_library_lacks_are_unknown_there(site):
    table = site.site.table.assign(clay_pct=np.linspace(10, 40, N_SITE))
    site.change("site", table=table)
    rows = site.read(
        ("[target]", "[[target]]"), ("[validation]", '[[target]]\ncolumn = "clay_pct"\nunit = "%"\n[validation]')
    )
    assert np.isfinite(rows.library.y[:, 0]).all()
    assert np.isnan(rows.library.y[:, 1]).all()
    np.testing.assert_array_equal(rows.y[:, 1], table.clay_pct)


def test_without_a_country_no_row_is_marked_and_few_rows_of_it_are_noted(site):
    assert site.read(('country = "here"\n', "")).library.in_country is None
    site.change("library", table=site.library.table.assign(country=["here"] * 29 + ["there"] * 91))
    rows = site.read()
    assert rows.library.in_country is None
    assert any("29 rows of here: too few to choose from" in note for note in rows.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("soc_pct", "clay_pct"), "no column clay_pct"),
        (('"here"', '"nowhere"'), "no row of nowhere"),
        (('country = "here"', 'country = "here"\ncountry_column = "land"'), "column land is missing"),
        (('"EPSG:32633"', '"EPSG:1"'), "a CRS"),
        (('x = "x_m"', 'x = "east"'), "column east"),
    ],
)
def test_what_the_tables_of_a_site_lack_is_refused_in_one_line(site, changes, message):
    line = site.refusal(SamplesError, changes)
    assert message in line or message.removeprefix("no ") in line.replace('"', "")


def test_a_library_with_the_property_in_another_unit_is_refused_by_the_units_name(site):
    site.change("site", table=site.site.table.assign(soc_g_kg=10 * site.site.table.soc_pct))
    line = site.refusal(SamplesError, ("soc_pct", "soc_g_kg"))
    assert "library.parquet" in line
    assert "soc_pct has another unit" in line


def test_percent_above_100_in_the_library_is_refused(site):
    table = site.library.table.copy()
    table.loc[4, "soc_pct"] = 101.0
    site.change("library", table=table)
    assert "soc_pct 101 of L004" in site.refusal(SamplesError)


def test_a_library_without_positive_values_is_refused_under_a_logarithm(site):
    table = site.library.table.copy()
    table.loc[4, "soc_pct"] = 0.0
    site.change("library", table=table)
    assert len(site.read().library.ids) == 120
    line = site.refusal(SamplesError, ('title = "SOC"', 'title = "SOC"\nlog = "naive"'))
    assert "zero or less for L004" in line


def test_tables_that_do_not_belong_together_are_refused(site):
    whole = site.site
    site.change("site", wavelength_nm=SITE_NM + 1000)
    assert "common bands" in site.refusal(WavelengthError)
    site.change("site", wavelength_nm=SITE_NM, values=np.where(np.arange(N_SITE)[:, None] < 3, 100, 1) * whole.values)
    assert "percent or absorbance" in site.refusal(UnitsError)
    site.site = replace(whole, values=whole.values[:4], ids=whole.ids[:4], table=whole.table.iloc[:4])
    site.write()
    assert "4 samples with a value of soc_pct" in site.refusal(SamplesError)


def test_samples_of_a_site_without_a_value_are_dropped_and_noted(site):
    table = site.site.table.copy()
    table.loc[[2, 9], "soc_pct"] = np.nan
    site.change("site", table=table)
    rows = site.read()
    assert rows.ids.tolist() == [name for i, name in enumerate(site.site.ids) if i not in (2, 9)]
    assert "dropped 2 samples without soc_pct" in rows.notes
    np.testing.assert_array_equal(rows.table.soc_pct, table.soc_pct.dropna())
