"""Outputs have an allowed ending, and are never an input."""

import pytest

from geosoil.errors import OutputError
from geosoil.io.output_paths import check_not_an_input, check_output_path


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "s3://bucket/a.tif"])
def test_the_case_of_an_ending_does_not_matter(name):
    assert check_output_path(name, (".tif", ".tiff"), "OUT.tif").name == name.rpartition("/")[2]


def test_another_ending_is_refused_with_a_valid_name():
    with pytest.raises(OutputError, match=r"a.shp: found the ending .shp; .* use a name such as SITES.gpkg"):
        check_output_path("a.shp", (".gpkg",), "SITES.gpkg")


def test_an_input_is_refused_as_output_under_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tif").write_text("")
    (tmp_path / "link.tif").symlink_to("a.tif")
    for output in ("a.tif", "./a.tif", tmp_path / "a.tif", "link.tif"):
        with pytest.raises(OutputError, match="is also an input"):
            check_output_path(output, (".tif",), "OUT.tif", inputs=[None, "a.tif"])
    with pytest.raises(OutputError, match="is also an input"):
        check_not_an_input(["s3://bucket/a.tif"], ["s3://bucket/a.tif"])
    check_not_an_input(["b.tif", "s3://bucket/a.tif"], ["a.tif", "s3://other/a.tif", None])


def test_further_files_of_an_output_are_checked_too():
    beside = ("_passes.csv", ".png")
    for name in ("rows.png", "rows_passes.csv"):
        with pytest.raises(OutputError, match=f"{name}: is also an input"):
            check_output_path("rows.parquet", (".parquet",), "ROWS.parquet", inputs=[name], beside=beside)
    assert check_output_path("rows.parquet", (".parquet",), "ROWS.parquet", inputs=["passes.csv"], beside=beside)
