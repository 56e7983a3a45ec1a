"""A library and a site meet on the same bands and in the same units, and no row of the site hides in the library."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.unify import Spectra
from geosoil.samples.libraries import align_library, find_duplicates, localisation_space

NM = np.arange(400.0, 2001.0, 20.0)


def soils(n, name, nm=NM, seed=0, **columns):
    """Return n smooth reflectance spectra that rise with wavelength, as those of soils do."""
    rng = np.random.default_rng(seed)
    amount = rng.uniform(0.5, 1.5, (n, 3))
    absorbers = np.stack([np.exp(-(((nm - at) / 250) ** 2)) for at in (500, 1400, 1900)])
    R = 0.1 + 0.3 * (nm - 400) / 1600 - 0.05 * amount @ absorbers + 0.03 * amount[:, :1]
    table = pd.DataFrame({"soc_pct": amount[:, 0]} | columns)
    ids = [f"{name}{i}" for i in range(n)]
    return Spectra(nm, R.astype(np.float32), ids, table, "reflectance", Path(f"{name}.parquet"))


def test_the_same_grid_is_left_alone_and_preprocessed():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    aligned = align_library(library, site, target="soc_pct")
    assert aligned.notes == ()
    assert aligned.X_library == pytest.approx(localisation_space(library.values))
    assert aligned.y_site == pytest.approx(site.table.soc_pct)
    assert aligned.X_library.std(axis=1, ddof=1) == pytest.approx(np.ones(30))


@pytest.mark.parametrize("site_nm", [np.arange(600.0, 2401.0, 30.0), np.arange(350.0, 1800.0, 1.0)])
def test_other_grids_are_brought_together_and_it_is_said(site_nm):
    library, site = soils(30, "library"), soils(8, "farm", nm=site_nm, seed=1)
    aligned = align_library(library, site, target="soc_pct")
    assert aligned.X_library.shape[1] == aligned.X_site.shape[1] == len(aligned.wavelength_nm)
    assert "resampled" in aligned.notes[0]
    assert aligned.wavelength_nm[0] >= max(NM[0], site_nm[0])
    assert aligned.wavelength_nm[-1] <= min(NM[-1], site_nm[-1])
    assert np.isin(aligned.wavelength_nm, NM).all() or np.isin(aligned.wavelength_nm, site_nm).all()
    expected = localisation_space(soils(8, "farm", nm=aligned.wavelength_nm, seed=1).values)
    assert aligned.X_site == pytest.approx(expected, abs=0.02)


def test_the_first_and_the_last_common_band_are_kept():
    fine, coarse = np.arange(400.0, 801.0, 8.0), np.arange(400.0, 801.0, 10.0)
    aligned = align_library(soils(20, "library", nm=fine), soils(8, "farm", nm=coarse, seed=1), target="soc_pct")
    assert aligned.wavelength_nm[[0, -1]].tolist() == [400.0, 800.0]


def test_no_common_bands_are_refused():
    with pytest.raises(WavelengthError, match="2200 to 2490 nm against 400 to 2000"):
        align_library(soils(9, "library"), soils(8, "farm", nm=np.arange(2200.0, 2500.0, 10.0)), target="soc_pct")


def test_spectra_of_the_site_inside_the_library_are_dropped_and_counted():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    values = library.values.copy()
    values[[4, 20]] = site.values[[0, 7]].round(4)  # a table of four digits
    values[5] = site.values[1] + 0.002  # another scan
    aligned = align_library(replace(library, values=values), site, target="soc_pct")
    assert np.setdiff1d(np.arange(30), aligned.library_rows).tolist() == [4, 20]
    assert aligned.notes == ("library: 2 rows left out whose spectra are those of the site",)


def test_a_site_row_without_content_leaks_no_less():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    site.table.loc[3, "soc_pct"] = np.nan
    values = library.values.copy()
    values[2] = site.values[3]
    aligned = align_library(replace(library, values=values), site, target="soc_pct")
    assert 2 not in aligned.library_rows
    assert len(aligned.y_site) == 7


def test_a_library_that_is_the_site_is_refused():
    site = soils(8, "farm")
    with pytest.raises(SamplesError, match="a library of other soils"):
        align_library(site, site, target="soc_pct")


def test_absorbance_and_reflectance_meet_where_the_files_say_which():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    as_absorbance = replace(library, values=-np.log10(library.values), quantity="absorbance")
    expected = align_library(library, site, target="soc_pct").X_library
    assert align_library(as_absorbance, site, target="soc_pct").X_library == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda R: 100 * R, "percent or absorbance in library3"),
        (lambda R: -np.log10(R), "apparent absorbance in library3"),
    ],
)
def test_rows_in_another_unit_are_named(wrong, message):
    library = soils(30, "library")
    library.values[3] = wrong(library.values[3])
    with pytest.raises(UnitsError, match=message):
        align_library(library, soils(8, "farm", seed=1), target="soc_pct")


def test_a_whole_table_of_absorbance_that_claims_reflectance_is_refused():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    with pytest.raises(UnitsError, match=r"spectra that decrease where those of library.parquet increase"):
        align_library(library, replace(site, values=-np.log10(site.values)), target="soc_pct")


def test_the_property_in_another_unit_is_named():
    site = soils(8, "farm", seed=1)
    site = replace(site, table=site.table.rename(columns={"soc_pct": "soc_g_kg"}))
    with pytest.raises(SamplesError, match=r'"soc_pct" is missing .*soc_g_kg has another unit.*convert soc_g_kg'):
        align_library(soils(30, "library"), site, target="soc_pct")


def test_an_absent_property_and_an_impossible_percentage_are_refused():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    with pytest.raises(SamplesError, match='column "ph" is missing'):
        align_library(library, site, target="ph")
    site.table.loc[2, "soc_pct"] = 150.0
    with pytest.raises(SamplesError, match="soc_pct 150 of farm2"):
        align_library(library, site, target="soc_pct")


def test_four_samples_of_a_site_are_too_few():
    with pytest.raises(SamplesError, match="4 samples with soc_pct"):
        align_library(soils(30, "library"), soils(4, "farm", seed=1), target="soc_pct")


def test_rows_with_holes_are_left_out_and_counted():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    library.values[1, 5] = np.nan
    library.values[2, 5] = 0.0
    library.table.loc[3, "soc_pct"] = np.nan
    aligned = align_library(library, site, target="soc_pct")
    assert np.setdiff1d(np.arange(30), aligned.library_rows).tolist() == [1, 2, 3]
    assert len(aligned.notes) == 2


def test_duplicates_are_those_of_a_plain_search():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (200, 5)) * 1e-4
    of = rng.integers(0, 3, (7, 5)) * 1e-4
    plain = (np.abs(X[:, None] - of).max(axis=2) <= 1.5e-4).any(axis=1)
    assert find_duplicates(X, of, 1.5e-4).tolist() == plain.tolist()


def test_no_real_library_is_taken_for_a_mixture():
    spectra = read_spectra(shared("data/spectra/multisite_visnir_450_2450.parquet"), id_column=("site", "sample_id"))
    is_farm = (spectra.table.site == "Santa Catarina, Brazil").to_numpy()
    farm, library = (
        replace(
            spectra,
            values=spectra.values[rows],
            ids=[spectra.ids[i] for i in np.flatnonzero(rows)],
            table=spectra.table[rows].reset_index(drop=True),
        )
        for rows in (is_farm, ~is_farm)
    )
    aligned = align_library(library, farm, target="clay_pct")
    assert len(aligned.y_site) == 93
    assert len(aligned.y_library) > 900


def test_contents_that_are_all_the_same_are_refused():
    library, site = soils(30, "library"), soils(8, "farm", seed=1)
    same = replace(site, table=site.table.assign(soc_pct=2.0))
    with pytest.raises(SamplesError, match=r"farm.parquet: found the same soc_pct in all 8 samples, 2; .* that differ"):
        align_library(library, same, target="soc_pct")
    same = replace(library, table=library.table.assign(soc_pct=2.0))
    with pytest.raises(SamplesError, match="found the same soc_pct in all 30 samples"):
        align_library(same, site, target="soc_pct")
