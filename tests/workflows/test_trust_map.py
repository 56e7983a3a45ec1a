"""The trust map beside a map: its values are those of the trust state, and it changes no pixel of the map."""

import hashlib

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from matplotlib.colors import to_rgba
from rio_cogeo.cogeo import cog_validate
from small_cube import NODATA, WAVELENGTH_NM, save_trained_model, spectra, trained_model, write_cube
from small_trust import save_trusted, trust_of

from geosoil.errors import ModelFileError, SamplesError
from geosoil.mapping.plan import plan_map
from geosoil.models.compose import Ensemble
from geosoil.models.store import read_card
from geosoil.models.trust import load_trust
from geosoil.models.trusted import TrustedModel, round_values
from geosoil.report.quicklooks import AREA_CLASSES, trust_quicklook
from geosoil.sensors.cube import open_cube
from geosoil.trust.local_scale import LocalScale
from geosoil.workflows.map import map_cube, prepare_cube
from geosoil.workflows.predictor import load_model
from geosoil_cli.main import group

pytestmark = pytest.mark.usefixtures("without_pictures")

SHAPE = (61, 83)
BRIGHT = np.s_[:, 40:, :]  # rows whose reflectance no sample has
BANDS = ("share_pct lower", "share_pct upper", "dissimilarity", "density", "inside")


def pixels(path):
    with rasterio.open(path) as source:
        return source.read()


def beside(path):
    return path.with_name(f"{path.stem}_trust.tif")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust_maps")
    model = trained_model()
    save_trusted(folder / "share", model, trust_of(model))
    save_trusted(folder / "few", model, trust_of(model, n=8))
    save_trained_model(folder / "plain")
    values = np.rint(spectra(SHAPE, 1)[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    values[BRIGHT] = values[BRIGHT] * 1.5
    profile = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    write_cube(folder / "cube.tif", shape=SHAPE, values=values, **profile)
    write_cube(folder / "bright.tif", shape=(21, 83), values=values[BRIGHT], **profile)
    return folder


@pytest.fixture(scope="module")
def result(folder):
    return map_cube(folder / "cube.tif", folder / "share", folder / "map.tif", threads=2)


def test_every_band_is_what_the_trust_state_says_of_the_same_rows(folder, result):
    cube, loaded = open_cube(folder / "cube.tif"), load_model(folder / "share")
    trust = load_trust(folder / "share", read_card(folder / "share"))
    rows = cube.values[loaded.model.used_columns].reshape(len(loaded.model.features), -1).T
    complete = np.isfinite(rows).all(axis=1)
    predicted = pixels(folder / "map.tif")[0].reshape(-1)[complete]
    area = trust.applicability.assess(rows[complete])
    state = trust.targets["share_pct"].intervals
    rounded = round_values(area.dissimilarity)
    np.testing.assert_allclose(rounded, area.dissimilarity, rtol=2**-13)
    ((lower, upper),) = state.bounds(predicted, [0.9], {"dissimilarity": rounded}, (0.0, 100.0))
    of_area = rounded, area.density, area.inside
    bands = pixels(result.trust.path).reshape(5, -1)
    for band, expected in zip(
        bands[:, complete], (round_values(lower, -1), round_values(upper, 1), *of_area), strict=True
    ):
        np.testing.assert_array_equal(band, np.asarray(expected, np.float32))
    assert np.isnan(bands[:, ~complete]).all() and not complete.all()
    assert 0 < area.inside.mean() < 1 and not area.inside[-83:].any()


def test_the_map_has_the_pixels_that_it_has_without_trust(folder, result, tmp_path):
    plain = map_cube(folder / "cube.tif", folder / "share", tmp_path / "plain.tif", trust=False)
    assert pixels(plain.path).tobytes() == pixels(result.path).tobytes()
    assert plain.trust is None and sorted(f.suffix for f in tmp_path.iterdir()) == [".png", ".qmd", ".qml", ".tif"]
    assert not any("trust" in note for note in plain.notes)


def test_the_trust_map_is_a_cog_with_names_units_exact_statistics_style_and_picture(folder, result):
    assert cog_validate(str(result.trust.path))[0]
    with rasterio.open(result.trust.path) as source, rasterio.open(result.path) as mapped:
        assert source.descriptions == BANDS
        assert source.units == ("%", "%", None, "samples", None)
        assert source.transform == mapped.transform and source.crs == mapped.crs
        assert source.tags()["GEOSOIL_LEVEL"] == "0.9"
        values = source.read()
        assert float(source.tags(5)["STATISTICS_MEAN"]) == np.nanmean(values[4], dtype=np.float64)
    assert 'type="paletted" band="5"' in result.trust.style.read_text().replace("'", '"')
    assert result.trust.quicklook.stat().st_size > 5000


def test_the_picture_shows_the_area_as_two_classes_and_everything_else_with_a_scale(result):
    figure = trust_quicklook(result.trust.path, result.trust.cog.bands, 0.9, ["share"])
    panels, bars = figure.axes[:4], figure.axes[4:]
    titles = [
        "share_pct: width of the 90 % interval", "dissimilarity to the training samples", "training samples nearby",
        "area of applicability",
    ]  # fmt: skip
    assert [axes.get_title(loc="left") for axes in panels] == titles
    assert [label.get_text() for label in bars[3].get_yticklabels()] == ["outside", "inside"]
    image, inside = panels[3].images[0], pixels(result.trust.path)[4]
    shown = image.to_rgba(image.get_array())[np.isfinite(inside)]
    for value, (_, colour) in enumerate(AREA_CLASSES):
        of_class = shown[inside[np.isfinite(inside)] == value]
        assert len(of_class) and np.abs(of_class - to_rgba(colour)).max() < 1 / 255


def test_the_summary_has_the_share_inside_and_the_median_width(result):
    lower, upper, _, _, inside = pixels(result.trust.path)
    share, width = np.nanmean(inside), np.nanmedian(upper - lower)
    assert f"{100 * share:.0f} % of the pixels lie inside the area of applicability" in result.summary()
    assert f"median width of the 90 % interval: share_pct {width:.3g} %" in result.summary()
    assert result.trust.median_widths["share_pct"] == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize(("block", "threads"), [(7, 1), (32, 3), (200, 2)])
def test_no_byte_of_any_band_depends_on_block_or_threads(folder, result, tmp_path, block, threads):
    again = map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", block=block, threads=threads)
    for path, other in ((result.path, again.path), (result.trust.path, again.trust.path)):
        assert hashlib.sha256(pixels(path).tobytes()).digest() == hashlib.sha256(pixels(other).tobytes()).digest()


def test_only_applicable_leaves_out_the_pixels_outside_and_nothing_else(folder, result, tmp_path):
    kept = map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", only_applicable=True)
    inside = pixels(result.trust.path)[4] == 1
    np.testing.assert_array_equal(pixels(kept.path)[0], np.where(inside, pixels(result.path)[0], np.nan))
    assert pixels(kept.trust.path).tobytes() == pixels(result.trust.path).tobytes()
    alone = map_cube(folder / "cube.tif", folder / "share", tmp_path / "a.tif", only_applicable=True, trust=False)
    assert pixels(alone.path).tobytes() == pixels(kept.path).tobytes()
    assert alone.trust is None and not beside(tmp_path / "a.tif").exists()


def test_a_model_without_trust_state_maps_as_before_and_says_so_once(folder, result, tmp_path):
    plain = map_cube(folder / "cube.tif", folder / "plain", tmp_path / "m.tif")
    assert pixels(plain.path).tobytes() == pixels(result.path).tobytes()
    assert sum("no trust state" in note for note in plain.notes) == 1
    assert plain.trust is None and not beside(plain.path).exists()


def test_a_trust_map_of_an_earlier_run_is_named(folder, tmp_path):
    map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif")
    again = map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", trust=False)
    assert "m_trust.tif beside the map belongs to an earlier map, not to this one" in again.notes


def test_a_scene_outside_is_written_and_said_loudly(folder, tmp_path):
    made = map_cube(folder / "bright.tif", folder / "share", tmp_path / "m.tif")
    assert np.isfinite(pixels(made.path)).any() and np.nanmax(pixels(made.trust.path)[4]) == 0
    assert any("ALL pixels lie outside" in warning for warning in made.warnings)
    assert "0 % of the pixels lie inside" in made.summary()
    empty = map_cube(folder / "bright.tif", folder / "share", tmp_path / "e.tif", only_applicable=True)
    assert np.isnan(pixels(empty.path)).all() and empty.style is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--level", "1.5"], "level: found 1.5"),
        (["--level", "0.99"], "at most 98.3 %"),
        (["--model", "plain", "--only-applicable"], "without an area of applicability"),
        (["--outputs", "prediction,lower"], "OUT_trust.tif"),
        (["--model", "share", "--model", "plain", "--only-applicable"], "a map for each property with --separate"),
    ],
)
def test_what_is_not_possible_is_one_line_and_leaves_nothing(folder, tmp_path, words, said):
    words = [str(folder / word) if word in ("plain", "share") else word for word in words]
    words = words if "--model" in words else [*words, "--model", str(folder / "share")]
    done = CliRunner().invoke(group, ["map", "--cube", str(folder / "cube.tif"), "-o", str(tmp_path / "m.tif"), *words])
    text = done.output if done.exception is None or isinstance(done.exception, SystemExit) else str(done.exception)
    assert said in text and done.exit_code and not any(tmp_path.iterdir())


def test_too_few_samples_for_the_default_level_leave_out_the_intervals_alone(folder, tmp_path):
    made = map_cube(folder / "cube.tif", folder / "few", tmp_path / "m.tif")
    assert [band.name for band in made.trust.cog.bands] == list(BANDS[2:])
    assert any("too few samples for 90 % intervals; --level can be 88.8 %" in note for note in made.notes)
    level = map_cube(folder / "cube.tif", folder / "few", tmp_path / "l.tif", level=0.85)
    assert [band.name for band in level.trust.cog.bands] == list(BANDS)
    with pytest.raises(SamplesError, match=r"level of share_pct.* at most 88\.8 %"):
        map_cube(folder / "cube.tif", folder / "few", tmp_path / "n.tif", level=0.9)


def test_nine_samples_are_enough_for_90_percent():
    model = trained_model()
    assert [len(TrustedModel(model, trust_of(model, n)).bounded) for n in (8, 9)] == [0, 1]


def test_several_models_have_their_trust_side_by_side(folder, result, tmp_path):
    made = map_cube(folder / "cube.tif", [folder / "share", folder / "few"], tmp_path / "m.tif")
    names = [band.name for band in made.trust.cog.bands]
    assert names == [
        "share_pct lower", "share_pct upper", *(f"{m}_{k}" for k in BANDS[2:] for m in ("share", "few")),
    ]  # fmt: skip
    both, alone = pixels(made.trust.path), pixels(result.trust.path)
    for k, name in enumerate(BANDS):
        at = names.index(name) if name in names else names.index(f"share_{name}")
        np.testing.assert_array_equal(both[at], alone[k])


def test_predict_gives_the_same_bands_lazily(folder, result):
    kinds = ["prediction", "lower", "upper", "dissimilarity", "density", "inside"]
    with pytest.warns(UserWarning, match="unlike those that it learned from"):
        lazy = load_model(folder / "share").predict(open_cube(folder / "cube.tif"), outputs=kinds)
    assert lazy.chunks is not None
    np.testing.assert_array_equal(lazy.values, np.concatenate([pixels(result.path), pixels(result.trust.path)]))
    with pytest.raises(ModelFileError, match='no output "inside"'):
        load_model(folder / "plain").predict(open_cube(folder / "cube.tif"), outputs=["inside"])


def test_another_sensor_is_compared_in_the_bands_of_the_training(folder, tmp_path):
    shifted = WAVELENGTH_NM + 5
    values = np.rint(spectra(SHAPE, 1)[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    write_cube(tmp_path / "other.tif", shape=SHAPE, wavelength_nm=shifted, values=values)
    made = map_cube(tmp_path / "other.tif", folder / "share", tmp_path / "m.tif")
    model = prepare_cube(tmp_path / "other.tif", folder / "share", tmp_path / "n.tif").job.predict.model
    assert isinstance(model, TrustedModel) and model.training_bands is not None
    stored = pixels(tmp_path / "other.tif").astype(np.float32)
    cube = np.where(stored == NODATA, np.nan, stored * np.float32(1e-4))
    names = [feature.wavelength_nm for feature in model.features]
    at = [int(np.abs(shifted - nm).argmin()) for nm in names]
    rows = cube[at].reshape(len(at), -1).T @ model.training_bands.T
    expected = model.trust.applicability.assess(rows).dissimilarity
    found = pixels(made.trust.path)[2].reshape(-1)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_spread_of_an_ensemble_widens_its_intervals(folder):
    members = tuple(trained_model() for _ in range(2))
    ensemble = Ensemble(members)
    scale = LocalScale(0.0, ("spread",), *np.array([[1.0], [1.0], [-9.0], [9.0]]))
    trust = trust_of(members[0], scale=scale)
    model = TrustedModel(ensemble, trust)
    block = open_cube(folder / "cube.tif").values[members[0].used_columns][:, :9, :9]
    values = dict(zip(model.outputs, model.predict(block, model.outputs), strict=True))
    mean, spread = (values[output] for output in ensemble.outputs)
    np.testing.assert_array_equal(mean, ensemble.predict(block)[0])
    state = trust.targets["share_pct"].intervals
    ((lower, upper),) = state.bounds(np.clip(mean, 0, 100), [0.9], {"spread": spread}, (0.0, 100.0))
    np.testing.assert_array_equal(values[model.outputs[2]], round_values(lower, -1))
    np.testing.assert_array_equal(values[model.outputs[3]], round_values(upper, 1))


def test_rounded_ends_contain_the_exact_ones_and_change_by_less_than_a_thousandth():
    exact = np.random.default_rng(0).normal(0, 100, 10_000).astype(np.float32)
    for direction, side in ((-1, np.less_equal), (1, np.greater_equal)):
        rounded = round_values(exact, direction)
        assert side(rounded, exact).all() and (rounded != exact).mean() > 0.9
        np.testing.assert_allclose(rounded, exact, rtol=2**-12)
    np.testing.assert_allclose(round_values(exact), exact, rtol=2**-13)
    special = np.array([0.0, np.inf, -np.inf, np.nan, 7.0, -0.5], np.float32)
    for direction in (-1, 0, 1):
        np.testing.assert_array_equal(round_values(special, direction), special)


def test_the_plan_counts_the_memory_of_the_trust_bands(folder):
    plain, trusted = (
        prepare_cube(folder / "cube.tif", folder / "share", folder / "p.tif", trust=trust).job
        for trust in (False, True)
    )
    assert trusted.working_bytes((100, 100)) > plain.working_bytes((100, 100)) + 5 * 4 * 100 * 100
    assert plan_map(trusted, threads=1, probe=False).blocks.names[1:] == BANDS


@pytest.mark.usefixtures("result")
def test_a_model_that_is_saved_again_keeps_its_trust_state(folder, tmp_path):
    load_model(folder / "share").save(tmp_path / "again")
    load_model(folder / "plain").save(tmp_path / "plain")
    kept = map_cube(folder / "cube.tif", tmp_path / "again", tmp_path / "map.tif", threads=2)
    assert pixels(kept.trust.path).tobytes() == pixels(beside(folder / "map.tif")).tobytes()
    assert load_trust(tmp_path / "plain", read_card(tmp_path / "plain")) is None
