"""A library's net brought to a site: what is frozen, which net is the base, what it descends from, what is refused."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, read_card, save_model
from geosoil.training.site_transfer import transfer_instances, transfer_representations

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(140, 24)).cumsum(axis=1) / 4).astype(np.float32)
LIBRARY, LOCAL, UNSEEN = slice(0, 80), slice(80, 100), slice(100, 140)
Y = 3 + X[:, 5] - X[:, 18]
SITE = Y + 2.0  # the site's contents lie 2 above what the library would say
FAST = {
    "architecture": {"convolutions": [{"filters": 6, "kernel": 5, "stride": 2}], "dense": [{"nodes": 8}]},
    "n_folds": 4,
    "epochs": 60,
    "learning_rate": 0.01,
}


def rmse(model, y):
    return float(np.sqrt(np.mean((model.predict(X[UNSEEN]) - y[UNSEEN]) ** 2)))


@pytest.fixture(scope="module")
def library():
    return SpectralCNN(**FAST).fit(X[LIBRARY], Y[LIBRARY])


@pytest.fixture(scope="module")
def representations(library):
    return transfer_representations(library, X[LOCAL], SITE[LOCAL])


def test_rows_of_the_library_make_up_for_samples_that_the_site_has_not():
    alone = SpectralCNN(**FAST).fit(X[LOCAL], Y[LOCAL])
    settings = {"n_folds": 3, "epochs": 40, "n_trials": 1, "minutes": 5.0}
    localised = transfer_instances(X[LIBRARY], Y[LIBRARY], X[LOCAL], Y[LOCAL], **settings)
    assert rmse(localised.model, Y) < 0.7 * rmse(alone, Y)
    assert localised.model.n_samples_ == 100
    assert localised.rmse == pytest.approx(localised.model.cross_validated_rmse_, rel=1e-6)
    assert localised.notes[0] == "80 library rows and 20 samples of the site"


def test_a_librarys_net_learns_the_sites_offset_and_is_better_than_the_net_as_it_was(library, representations):
    assert rmse(representations.model, SITE) < 0.4 * rmse(library, SITE)


def test_every_number_of_front_blocks_is_tried_and_the_least_error_wins(library, representations):
    history = representations.history
    assert history.frozen.tolist() == ["convolutions.0", "convolutions.0, dense.0"]
    assert representations.rmse == history.rmse.min()
    base = ((library.predict_members(X[LOCAL]) - SITE[LOCAL, None].T) ** 2).mean(axis=1).argmin()
    for name, value in representations.model.weights_.items():
        layer = name.partition("/")[2]
        frozen = layer.startswith(tuple(history.frozen[history.rmse.idxmin()].split(", ")))
        assert np.array_equal(value, library.weights_[f"{base}/{layer}"]) == frozen, layer


def test_the_base_is_chosen_by_the_local_samples_though_chosen_rows_train_too(library):
    # Whatever the chosen rows hold, the same net of the library is the base.
    alone = transfer_representations(library, X[LOCAL], SITE[LOCAL], epochs=1)
    rows = {"X_chosen": X[LIBRARY], "y_chosen": Y[::-1][LIBRARY]}
    both = transfer_representations(library, X[LOCAL], SITE[LOCAL], **rows, epochs=1)
    assert both.model.n_samples_ == 100
    begun = [next(note for note in one.notes if note.startswith("started from network")) for one in (alone, both)]
    assert begun[0] == begun[1]


def test_a_stored_model_is_brought_to_the_site_and_its_card_says_where_it_comes_from(tmp_path):
    estimator = make_pipeline(StandardScaler(), SpectralCNN(**FAST | {"epochs": 20})).fit(X[LIBRARY], Y[LIBRARY])
    features = tuple(Feature(f"b{i}", 1000.0 + 10 * i, None, -3.0, 3.0) for i in range(24))
    training = TrainingCard(n_samples=80, recipe_sha256="", table_sha256="")
    save_model(PixelModel(estimator, features, (Target("soc_pct", "%"),)), tmp_path / "library", name="library",
               study="t", preprocessing=[], training=training)  # fmt: skip
    localised = transfer_representations(tmp_path / "library", X[LOCAL], SITE[LOCAL], epochs=5)
    assert isinstance(localised.model, PixelModel)
    save_model(localised.model, tmp_path / "site", name="site", study="t", preprocessing=[], training=training)
    descent = read_card(tmp_path / "site").descent
    assert [(one.name, one.target, one.n_samples) for one in descent] == [("library", "soc_pct", 80)]
    block = np.ascontiguousarray(X[UNSEEN].T).reshape(24, 5, 8)
    again = load_model(tmp_path / "site").predict(block)
    np.testing.assert_array_equal(again, localised.model.predict(block))
    np.testing.assert_allclose(again.ravel(), localised.model.estimator.predict(X[UNSEEN]), rtol=1e-6)


def test_a_net_of_the_logarithm_goes_on_to_learn_the_logarithm():
    content = np.exp(Y / 3)
    source = LogTarget(SpectralCNN(**FAST)).fit(X[LIBRARY], content[LIBRARY])
    localised = transfer_representations(source, X[LOCAL], content[LOCAL])
    assert localised.model.estimator_.target_mean_ == pytest.approx((Y[LOCAL] / 3).mean())
    assert np.corrcoef(localised.model.predict(X[UNSEEN]), content[UNSEEN])[0, 1] > 0.9


def test_what_makes_no_sense_is_refused_in_one_line(library):
    with pytest.raises(RecipeError, match="type PartialLeastSquares"):
        transfer_representations(PartialLeastSquares().fit(X, Y), X[LOCAL], Y[LOCAL])
    with pytest.raises(RecipeError, match="that is not fitted"):
        transfer_representations(SpectralCNN(), X[LOCAL], Y[LOCAL])
    with pytest.raises(SamplesError, match="pass both for DTL-IR"):
        transfer_representations(library, X[LOCAL], Y[LOCAL], X_chosen=X[LIBRARY])
    with pytest.raises(SamplesError, match="resample them to the same bands"):
        transfer_instances(X[LIBRARY, :20], Y[LIBRARY], X[LOCAL], Y[LOCAL])
