"""A library that was imported is one that `geosoil localise` and recipes take, with the values of its source."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_library_data import NM, LibraryData

from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.sources import read_rows
from geosoil.workflows.library import import_library
from geosoil.workflows.localise import localise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site, and a library as the OSSL delivers it, whose import is library.parquet."""
    folder = tmp_path_factory.mktemp("imported")
    data = LibraryData(folder)
    source = data.library
    table = {"id.layer_uuid_txt": source.ids, "oc_usda.c729_w.pct": source.table["soc_pct"]}
    table |= {"location.country_iso.3166_txt": source.table["country"]}
    bands = pd.DataFrame(source.values.astype(np.float64), columns=[f"scan_visnir.{nm:g}_ref" for nm in NM])
    pd.concat([pd.DataFrame(table), bands], axis=1).to_csv(folder / "ossl.csv.gz", index=False)
    site = replace(data.site, table=data.site.table.rename(columns={"soc_pct": "oc_pct"}))
    write_spectra(site, folder / "site.parquet")
    import_library(folder / "ossl.csv.gz", folder / "library.parquet")
    read = read_spectra(folder / "library.parquet")
    assert read.ids == source.ids and read.table["country"].tolist() == source.table["country"].tolist()
    np.testing.assert_array_equal(read.values, source.values)
    np.testing.assert_array_equal(read.table["oc_pct"], source.table["soc_pct"])
    return folder


def test_rows_of_it_are_localised(folder, tmp_path):
    settings = {"target": "oc_pct", "k": 60, "b": 2, "r": 0.5}
    chosen = localise(folder / "library.parquet", folder / "site.parquet", tmp_path / "rows.parquet", **settings)
    assert len(set(chosen.chosen)) == 60
    assert read_spectra(tmp_path / "rows.parquet").ids == [f"L{row:03d}" for row in chosen.chosen]


def recipe(path, data):
    path.write_text(f"""
    name = "oc"
    [data]
    kind = "spectra"
    {data}
    [target]
    column = "oc_pct"
    unit = "%"
    [features]
    preprocessing = [{{ step = "absorbance" }}, {{ step = "snv" }}]
    [model]
    kind = "pls"
    [validation]
    split = ["random"]
    n_folds = 3
    """)
    return read_recipe(path)


def test_a_recipe_learns_from_its_rows(folder, tmp_path):
    rows = read_rows(recipe(tmp_path / "recipe.toml", f'spectra = "{folder / "library.parquet"}"'))
    assert rows.X.shape == (120, len(NM)) and rows.ids[0] == "L000"
    np.testing.assert_array_equal(rows.y[:, 0], read_spectra(folder / "library.parquet").table["oc_pct"])


def test_it_is_the_library_of_a_recipe_for_a_site(folder, tmp_path):
    data = f'spectra = "{folder / "site.parquet"}"\n    library = "{folder / "library.parquet"}"'
    rows = read_rows(recipe(tmp_path / "recipe.toml", data))
    np.testing.assert_array_equal(rows.library.y[:, 0], read_spectra(folder / "library.parquet").table["oc_pct"])
