"""What is written has the right ending, and is never what is read."""

import pytest

from geosoil.errors import OutputError
from geosoil.io.output_paths import check_not_an_input, check_output_path


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "s3://bucket/a.tif"])
def test_an_ending_counts_in_whatever_case_and_place(name):
    assert check_output_path(name, (".tif", ".tiff"), "OUT.tif").name == name.rpartition("/")[2]


def test_another_ending_is_told_with_a_good_name():
    with pytest.raises(OutputError, match=r"a.shp: found ending .shp; expected .gpkg; name it SITES.gpkg"):
        check_output_path("a.shp", (".gpkg",), "SITES.gpkg")


def test_an_input_is_no_output_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tif").write_text("")
    (tmp_path / "link.tif").symlink_to("a.tif")
    for output in ("a.tif", "./a.tif", tmp_path / "a.tif", "link.tif"):
        with pytest.raises(OutputError, match="one of the inputs"):
            check_output_path(output, (".tif",), "OUT.tif", inputs=[None, "a.tif"])
    with pytest.raises(OutputError, match="one of the inputs"):
        check_not_an_input(["s3://bucket/a.tif"], ["s3://bucket/a.tif"])
    check_not_an_input(["b.tif", "s3://bucket/a.tif"], ["a.tif", "s3://other/a.tif", None])


def test_what_goes_beside_an_output_is_no_input_either():
    beside = ("_passes.csv", ".png")
    for name in ("rows.png", "rows_passes.csv"):
        with pytest.raises(OutputError, match=f"{name}: found one of the inputs"):
            check_output_path("rows.parquet", (".parquet",), "ROWS.parquet", inputs=[name], beside=beside)
    assert check_output_path("rows.parquet", (".parquet",), "ROWS.parquet", inputs=["passes.csv"], beside=beside)
