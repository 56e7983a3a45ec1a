"""Results show their summary and their picture; a map shows a bar on request."""

import base64

import pytest
from small_cube import save_trained_model, write_cube

from geosoil.estimators.pls import PartialLeastSquares
from geosoil.workflows.explain import ExplainResult
from geosoil.workflows.map import map_cube
from geosoil.workflows.progress import reported


@pytest.fixture
def place(tmp_path):
    save_trained_model(tmp_path / "share", estimator=PartialLeastSquares(n_components=2))
    write_cube(tmp_path / "cube.tif")
    return tmp_path


def test_a_map_is_shown_by_its_summary_and_its_picture_and_its_progress_by_a_bar(place, capsys):
    result = map_cube(place / "cube.tif", place / "share", place / "map.tif", progress=True)
    bar = capsys.readouterr().err
    assert "map: 100%" in bar
    assert "1.96k/1.96k" in bar
    assert repr(result) == f"MapResult\n{result.summary()}"
    page = result._repr_html_()
    assert base64.b64encode((place / "map.png").read_bytes()).decode() in page
    (place / "map.png").unlink()
    assert "<img" not in result._repr_html_()


def test_no_bar_is_shown_without_request(place, capsys):
    map_cube(place / "cube.tif", place / "share", place / "map.tif")
    assert capsys.readouterr().err == ""


def test_a_result_in_an_object_store_is_text_and_escaped():
    result = ExplainResult(("s3://b/shap.tif", "s3://b/shap.png"), ("<b>",))
    assert result._repr_html_() == (
        "<pre>ExplainResult\n&lt;b&gt;\nwrote      s3://b/shap.tif\nwrote      s3://b/shap.png</pre>"
    )


def test_a_callable_receives_the_progress_unchanged():
    with reported(print) as progress:
        assert progress is print
