"""Exported CSV files hold no text that a spreadsheet executes."""

from pathlib import Path

import pandas as pd
import pytest

import geosoil
from geosoil.io.tables.writer import write_csv


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://example.org")', "@SUM(A1)", "+1+cmd|' /C calc'!A0", "-A1", "\t=1"]
)
def test_a_formula_in_a_cell_or_a_column_name_becomes_text(tmp_path, text):
    write_csv(pd.DataFrame({"id": [text, "a"], text: [1.0, 2.0]}), tmp_path / "t.csv")
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["id"].tolist() == [f"'{text}", "a"]
    assert read.columns.tolist() == ["id", f"'{text}"]


@pytest.mark.parametrize("text", ["-7", "+1.5", "-1.5e-3", "P-1", "a=b", "x@y"])
def test_a_number_with_its_sign_and_ordinary_text_are_not_changed(tmp_path, text):
    write_csv(pd.DataFrame({"id": [text]}), tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv", dtype=str)["id"].tolist() == [text]


def test_numbers_and_empty_cells_are_written_as_before(tmp_path):
    table = pd.DataFrame({"id": ["a", None], "value": [-1.23456789, float("nan")]})
    write_csv(table, tmp_path / "t.csv", index_label="pass")
    assert (tmp_path / "t.csv").read_text() == "pass,id,value\n0,a,-1.23457\n1,,\n"


def test_every_csv_file_of_the_package_is_written_by_this_module():
    package = Path(geosoil.__file__).parent
    writers = {path.name for path in package.rglob("*.py") if ".to_csv(" in path.read_text()}
    assert writers == {"writer.py"}
