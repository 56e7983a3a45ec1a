"""The text of a model or a card is one line, its table in a notebook is escaped."""

from small_cube import save_trained_model, trained_model

import geosoil
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.evaluate.metrics import ALL_DEPTHS_MEANING
from geosoil.models.compose import Ensemble
from geosoil.models.display import describe_card
from geosoil.models.store import read_card

PLS = PartialLeastSquares(n_components=2)


def test_a_model_and_an_ensemble_are_one_line():
    model = trained_model(PLS)
    assert repr(model) == "PixelModel of share_pct (%) from 100 bands, 420 to 2400 nm"
    assert repr(Ensemble((model, model))) == "Ensemble of share_pct (%) from 100 bands, 420 to 2400 nm"


def test_a_card_and_a_predictor_are_tables_without_code_of_the_file(tmp_path):
    save_trained_model(tmp_path / "share", estimator=PLS)
    card = read_card(tmp_path / "share")
    assert repr(card) == str(card) == "ModelCard of share: share_pct (%), 60 training samples"
    harmful = card.model_copy(update={"study": "<script>alert(1)</script>"})
    assert "&lt;script&gt;" in harmful._repr_html_()
    assert "<script" not in harmful._repr_html_()
    shown = geosoil.load_model(tmp_path / "share")._repr_html_()
    assert "100 of 100 bands of reflectance, 420 to 2400 nm" in shown


def test_the_figures_of_all_depths_never_appear_without_what_they_mean(tmp_path):
    save_trained_model(tmp_path / "share", estimator=PLS)
    card = read_card(tmp_path / "share")
    figures = {"r2": 0.5, "rmse": 1.0}
    depths = card.model_copy(update={"metrics": {"spatial": {"soc 0-5 cm": figures, "all depths": figures}}})
    accuracy = [text for title, text in describe_card(depths) if title == "accuracy, spatial"]
    assert [text.split("  ")[0] for text in accuracy[:2]] == ["soc 0-5 cm", "all depths"]
    assert accuracy[2] == ALL_DEPTHS_MEANING
    single = card.model_copy(update={"metrics": {"spatial": {"soc": figures}}})
    assert ALL_DEPTHS_MEANING not in [text for _, text in describe_card(single)]
