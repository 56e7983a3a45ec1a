"""`geosoil localise` writes the rows that RS-LOCAL chose, as a table that can be read back, with passes and figure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import OutputError, SamplesError
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.report.spectra_figures import library_figure
from geosoil.workflows.localise import localise

FARM = "Santa Catarina, Brazil"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Write a real library of three regions and 30 samples of a fourth; return the folder."""
    folder = tmp_path_factory.mktemp("real")
    spectra = read_spectra(shared("data/spectra/multisite_visnir_450_2450.parquet"), id_column=("site", "sample_id"))
    is_farm = (spectra.table.site == FARM).to_numpy()
    for name, rows in (("farm", np.flatnonzero(is_farm)[::3][:30]), ("library", np.flatnonzero(~is_farm)[::2])):
        table = spectra.table.iloc[rows].reset_index(drop=True).drop(columns="sample_id")
        part = replace(spectra, values=spectra.values[rows], ids=[spectra.ids[i] for i in rows], table=table)
        write_spectra(part, folder / f"{name}.parquet")
    return folder


def test_the_chosen_rows_are_those_of_the_library(real, tmp_path):
    result = localise(
        real / "library.parquet", real / "farm.parquet", tmp_path / "rows.parquet", target="clay_pct", k=60, b=6, r=0.2
    )
    rows, library = read_spectra(tmp_path / "rows.parquet"), read_spectra(real / "library.parquet")
    assert len(rows.ids) == len(set(rows.ids)) == 60
    assert rows.ids == [library.ids[i] for i in rows.table.library_row]
    assert (rows.values == library.values[rows.table.library_row]).all()
    assert sorted(rows.table.rs_local_order) == list(range(1, 61))
    assert (rows.table.sort_values("rs_local_order").rs_local_error.diff().dropna() >= 0).all()
    passes = pd.read_csv(tmp_path / "rows_passes.csv")
    assert passes.n_after.iloc[-1] == 60
    assert passes.median_error.iloc[-1] < passes.median_error.iloc[0]
    assert (tmp_path / "rows.png").stat().st_size > 10_000
    assert "60 of" in result.summary()


def test_the_rows_of_a_choice_are_no_library(real, tmp_path):
    target = {"target": "clay_pct", "k": 60, "b": 3, "r": 0.5}
    localise(real / "library.parquet", real / "farm.parquet", tmp_path / "rows.parquet", **target)
    with pytest.raises(SamplesError, match="give the library itself"):
        localise(tmp_path / "rows.parquet", real / "farm.parquet", tmp_path / "again.parquet", **target)


def test_the_command_leaves_with_2_and_one_line_where_the_property_is_absent(real, tmp_path, geosoil):
    tables = real / "library.parquet", real / "farm.parquet"
    code, said, _ = geosoil("localise", *tables, "--target", "soc_g_kg", "-o", tmp_path / "rows.parquet")
    assert code == 2
    assert said.count("\n") == 1
    assert "soc_pct has another unit" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("none/rows.parquet", "none/rows.parquet: the folder"),
        ("site.parquet", "site.parquet: is also an input"),
        ("library.parquet", "library.parquet: is also an input"),
        ("rows.csv", "ending .csv"),
    ],
)
def test_an_output_that_cannot_be_is_told_by_its_name_before_anything_is_read(tmp_path, monkeypatch, output, said):
    monkeypatch.chdir(tmp_path)
    for name in ("library.parquet", "site.parquet"):
        (tmp_path / name).write_text("as it was")
    with pytest.raises(OutputError, match=said):
        localise("library.parquet", "site.parquet", output, target="clay_pct")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("library.parquet", "site.parquet"), "as it was"
    )


def test_the_figure_shows_every_group_and_the_share_of_each_component():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 6)) * [9, 3, 1, 0.1, 0.1, 0.1]
    groups = {"library": X, "country": X[:40], "chosen": X[:20], "site": X[:8]}
    figure = library_figure(groups, {name: rows[:, 0] for name, rows in groups.items()}, target="soc_pct")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "library (n = 80)", "country (n = 40)", "chosen (n = 20)", "site (n = 8)",
    ]  # fmt: skip
    variance = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
    assert f"({variance[0] / variance.sum():.0%})" in figure.axes[0].get_xlabel()
    assert figure.axes[3].get_xlabel() == "soc_pct"
