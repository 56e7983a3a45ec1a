"""A Parquet table of spectra is read in chunks of rows that hold what `read_spectra` reads at once."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.spectra.chunks import iter_spectra
from geosoil.io.spectra.reader import read_spectra

ROWS = {
    "site": ["a", "b", "c", "d", "e"],
    "600": [0.3, 0.4, 0.5, 0.6, 0.7],
    "400": [0.1, None, 0.3, 0.4, 0.5],
    "500.5": pa.array([1, 2, 3, 4, 5], pa.int16()),
    "soc": [1.0, 2.0, 3.0, 4.0, 5.0],
}


def parquet(folder, columns=ROWS, **entries):
    table = pa.table(columns)
    if entries:
        table = table.replace_schema_metadata({"geosoil": json.dumps(entries)})
    pq.write_table(table, folder / "t.parquet", row_group_size=3)
    return folder / "t.parquet"


def test_chunks_hold_the_rows_of_the_whole_table_in_their_order(tmp_path):
    path = parquet(tmp_path)
    whole = read_spectra(path, id_column="site", quantity="absorbance", scale=0.5)
    parts = list(iter_spectra(path, rows=2, id_column="site", quantity="absorbance", scale=0.5))
    assert [len(part.ids) for part in parts] == [2, 2, 1]
    assert [name for part in parts for name in part.ids] == whole.ids == list("abcde")
    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), whole.values)
    np.testing.assert_allclose(whole.values[1], [np.nan, 1.0, 0.2])
    assert parts[0].wavelength_nm.tolist() == [400, 500.5, 600]
    pd.testing.assert_frame_equal(
        pd.concat([part.table for part in parts], ignore_index=True), whole.table, check_dtype=False
    )


def test_rows_without_an_id_are_numbered_through_all_chunks(tmp_path):
    path = parquet(tmp_path, {"400": [0.1, 0.2, 0.3], "500": [0.1, 0.2, 0.3]})
    assert [part.ids for part in iter_spectra(path, rows=2)] == [["1", "2"], ["3"]]


def test_the_quantity_that_the_file_states_applies_to_every_chunk(tmp_path):
    path = parquet(tmp_path, spectra_kind="absorbance_log10_1_over_R")
    assert {part.quantity for part in iter_spectra(path, rows=2)} == {"absorbance"}


def test_percent_is_refused_in_the_chunk_that_holds_it(tmp_path):
    path = parquet(tmp_path, {"400": [0.1, 0.2, 10.0, 20.0], "500": [0.1, 0.2, 30.0, 20.0]})
    chunks = iter_spectra(path, rows=2)
    assert len(next(chunks).ids) == 2
    with pytest.raises(UnitsError, match="median of 20; expected reflectance as a fraction"):
        next(chunks)


def test_a_repeated_id_is_no_error_where_rows_are_only_predicted(tmp_path):
    columns = {"id": ["a", "a"], "400": [0.1, 0.2], "500": [0.1, 0.2]}
    assert [part.ids for part in iter_spectra(parquet(tmp_path, columns))] == [["a", "a"]]
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    assert [part.ids for part in iter_spectra(tmp_path / "t.csv")] == [["a", "a"]]


def test_a_cell_of_text_in_a_band_is_reported_with_its_row_of_the_file(tmp_path):
    path = parquet(tmp_path, {"400": ["0.1", "0.2", "n.d."], "500": [0.1, 0.2, 0.3]})
    with pytest.raises(SamplesError, match=r"'n.d.' in column '400', row 3"):
        list(iter_spectra(path, rows=2))


def test_an_empty_id_is_reported_with_its_row_of_the_file(tmp_path):
    path = parquet(tmp_path, {"id": ["a", "b", None], "400": [0.1, 0.2, 0.3], "500": [0.1, 0.2, 0.3]})
    with pytest.raises(SamplesError, match="no id in row 3"):
        list(iter_spectra(path, rows=2))


def test_a_chunk_of_empty_spectra_is_read(tmp_path):
    path = parquet(tmp_path, {"400": [0.1, 0.2, None, None], "500": [0.1, 0.2, None, None]})
    assert np.isnan(list(iter_spectra(path, rows=2))[1].values).all()
