"""Transfer: the source is unchanged, frozen layers keep their state, spectra are resampled, the ancestry is kept."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import RecipeError, SamplesError, WavelengthError
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.resnet import ResNet1D
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.state import describe, regressor_of
from geosoil.models.store import load_model, model_sha256, read_card, save_model
from geosoil.spectra.absorbance import Absorbance
from geosoil.training.transfer import fine_tune

RNG = np.random.default_rng(1)
NM = np.linspace(400, 2400, 60)
X = (0.4 + RNG.normal(size=(60, 60)).cumsum(axis=1) / 200).astype(np.float32)
PH = 6 + 10 * (X[:, 20] - X[:, 40])
PB = np.exp(4 + 10 * (X[:24, 20] - X[:24, 10]))


@pytest.fixture(scope="module")
def source():
    return make_pipeline(Absorbance(), ResNet1D(epochs=15, patience=15)).fit(X, PH)


def arrays_of(estimator):
    arrays = {}
    tree = describe(estimator, arrays)
    return tree, {name: array.copy() for name, array in arrays.items()}


def test_the_source_is_untouched_to_the_last_bit(source):
    tree, before = arrays_of(source)
    fine_tune(source, X[:24], PH[:24] + 1, epochs=5)
    again, after = arrays_of(source)
    assert tree == again
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_frozen_layers_keep_weights_and_batch_statistics_and_the_rest_learns(source):
    old = source[-1].weights_
    new = fine_tune(source, X[:24], PH[:24] + 1, epochs=5)[-1].weights_
    frozen = source[-1].default_freeze()
    for name, weight in old.items():
        same = np.array_equal(new[name], weight)
        assert same == name.startswith(frozen), name
    assert any("running_mean" in name for name in old)


def test_adapted_batch_norms_follow_the_new_rows_and_keep_their_weights(source):
    old = source[-1].weights_
    new = fine_tune(source, X[:24] * 0.7, PH[:24], bn="adapt", epochs=3)[-1].weights_
    assert not np.array_equal(new["batch_norm.running_mean"], old["batch_norm.running_mean"])
    np.testing.assert_array_equal(new["batch_norm.weight"], old["batch_norm.weight"])
    np.testing.assert_array_equal(new["residual_1.convolution_1.weight"], old["residual_1.convolution_1.weight"])


def test_the_target_is_standardised_anew_and_its_logarithm_given_back(source):
    tuned = fine_tune(source, X[:24], PB, retransform="naive", epochs=20, batch_size=16)
    assert isinstance(tuned, LogTarget)
    assert regressor_of(tuned).target_mean_ == pytest.approx(np.log(PB).mean())
    predicted = tuned.predict(X[:24])
    assert PB.min() / 3 < np.median(predicted) < PB.max() * 3


def test_preprocessing_is_kept_as_it_was_fitted():
    source = make_pipeline(StandardScaler(), ResNet1D(output="linear", epochs=2)).fit(X, PH)
    tuned = fine_tune(source, X[:24] + 5, PH[:24], epochs=2)
    np.testing.assert_array_equal(tuned[0].mean_, source[0].mean_)
    assert tuned[0] is not source[0]


def test_another_grid_is_brought_to_the_source_s_and_said(source):
    finer = np.linspace(400, 2400, 239)
    spectra = np.array([np.interp(finer, NM, row) for row in X[:24]], np.float32)
    tuned = fine_tune(source, spectra, PH[:24], wavelength_nm=finer, source_wavelength_nm=NM, epochs=3)
    assert "interpolated linearly from 239 bands to the 60 bands of the source" in " ".join(tuned[-1].notes_)
    plain = fine_tune(source, X[:24], PH[:24], epochs=3)
    np.testing.assert_allclose(tuned.predict(spectra), plain.predict(X[:24]), atol=0.02)


@pytest.mark.parametrize(("low", "high", "words"), [(3000, 4000, "cover none"), (700, 2400, "train the source on 700")])
def test_spectra_that_do_not_cover_the_source_are_refused(source, low, high, words):
    with pytest.raises(WavelengthError, match=words):
        fine_tune(source, X[:24], PH[:24], wavelength_nm=np.linspace(low, high, 60), source_wavelength_nm=NM)


def test_a_stored_model_is_tuned_and_its_card_tells_the_descent(source, tmp_path):
    features = tuple(Feature(f"{nm:g} nm", float(nm)) for nm in NM)
    training = TrainingCard(n_samples=60, recipe_sha256="", table_sha256="")
    ph = PixelModel(source, features, (Target("ph_h2o", "pH"),))
    save_model(ph, tmp_path / "ph", name="ph", study="t", preprocessing=[], training=training)
    options = {"epochs": 2, "retransform": "smearing", "target": Target("pb_mg_kg", "mg/kg")}
    pb = fine_tune(tmp_path / "ph", X[:24], PB, **options)
    assert pb.targets[0].name == "pb_mg_kg"
    assert pb.training_columns[0].training_high == pytest.approx(X[:24, 0].max())
    card = save_model(pb, tmp_path / "pb", name="pb", study="t", preprocessing=[], training=training)
    assert [(d.sha256, d.name, d.target, d.n_samples) for d in card.descent] == [
        (model_sha256(tmp_path / "ph"), "ph", "ph_h2o", 60)
    ]
    # One more generation: the chain stays whole through the file.
    zn = fine_tune(load_model(tmp_path / "pb"), X[:24], PB * 2, **options)
    save_model(zn, tmp_path / "zn", name="zn", study="t", preprocessing=[], training=training)
    assert [d.target for d in read_card(tmp_path / "zn").descent] == ["ph_h2o", "pb_mg_kg"]


def test_a_dense_net_on_covariates_is_transferred_by_the_same_words():
    source = DenseNet(hidden=[6, 4], epochs=5).fit(X[:, :5], PH)
    tuned = fine_tune(source, X[:24, :5], PB, retransform="naive", freeze=["layers.0"], epochs=5)
    new, old = regressor_of(tuned).weights_, source.weights_
    np.testing.assert_array_equal(new["layers.0.weight"], old["layers.0.weight"])
    assert not np.array_equal(new["layers.1.weight"], old["layers.1.weight"])


def test_few_samples_are_warned_of_and_fewer_refused(source):
    with pytest.warns(UserWarning, match="12 samples; below 20"):
        fine_tune(source, X[:12], PH[:12], epochs=1)
    with pytest.raises(SamplesError, match="at least 10"):
        fine_tune(source, X[:9], PH[:9], epochs=1)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"X": np.where(np.arange(24)[:, None] == 2, np.nan, X[:24])}, SamplesError, "NaN in 1 of 24"),
        ({"y": PB * 0, "retransform": "naive"}, SamplesError, "zero or less"),
        ({"freeze": ["pooling"]}, RecipeError, "found pooling"),
        ({"bn": "thaw"}, RecipeError, "keep or adapt"),
        ({"X": X[:24, :50]}, WavelengthError, "50 features"),
        ({"source": PartialLeastSquares(n_components=2).fit(X, PH)}, RecipeError, "type PartialLeastSquares"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(source, change, kind, words):
    given = {"source": source, "X": X[:24], "y": PB, "epochs": 1} | change
    with pytest.raises(kind, match=words) as caught:
        fine_tune(**given)
    assert len(str(caught.value).splitlines()) == 1
