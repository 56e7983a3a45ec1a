"""The sections of a report say what the figures mean, and draw what the rows hold."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pyproj import CRS
from small_rows import candidate, patch_rows, spectral_rows, task

from geosoil.pipeline.validation import validate
from geosoil.pipeline.validation_settings import ValidationSettings
from geosoil.report.sections import choice_sections, data_section
from geosoil.report.summary_section import comparison_summary, main_outcome, warnings_of
from geosoil.report.validation_sections import accuracy_table, distances_section, validation_section, zone_table
from geosoil.samples.nearest_distances import prediction_distances

UTM = CRS.from_epsg(32633)


def validated(rows, split="random", kinds=("pls",), **settings):
    validation = ValidationSettings(processes=1, **{"n_folds": 3} | settings)
    recipe = SimpleNamespace(name="small", seed=0, validation=validation)
    return validate(split, recipe, rows, [candidate(kind) for kind in kinds])


def at_places(rows, xy):
    return replace(rows, xy=xy, crs=UTM)


def captions(section):
    return " ".join(caption for caption, _ in section.figures)


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    return (rng.uniform(0, 10_000, (6, 1, 2)) + rng.normal(0, 30, (6, 8, 2))).reshape(-1, 2)


def test_random_folds_of_clustered_samples_are_warned_of_first(clusters):
    rows = at_places(spectral_rows(), clusters)
    section = validation_section(validated(rows), rows)
    assert section.text[0].startswith("The samples are clustered")
    assert "spatial" in section.text[0]


def test_there_is_no_warning_where_samples_are_spread_or_blocks_are_tested(clusters):
    spread = at_places(spectral_rows(), np.random.default_rng(1).uniform(0, 10_000, (48, 2)))
    assert "clustered" not in " ".join(validation_section(validated(spread), spread).text)
    rows = at_places(spectral_rows(), clusters)
    blocks = validated(rows, "spatial", block_m=2000.0)
    assert "clustered" not in " ".join(validation_section(blocks, rows).text)


def test_a_published_protocol_is_marked_in_its_title_and_does_not_claim_to_be_honest():
    rows = spectral_rows()
    section = validation_section(validated(rows, "published_settings", n_repeats=1), rows)
    assert section.title.endswith("(leaks)")
    assert "made again inside the training rows" not in " ".join(section.text)
    honest = validation_section(validated(rows), rows)
    assert "leaks" not in honest.title
    assert "made again inside the training rows" in " ".join(honest.text)


def test_the_map_of_the_folds_is_drawn_where_places_are_known(clusters):
    rows = at_places(spectral_rows(), clusters)
    assert "The fold that tests each sample" in captions(validation_section(validated(rows), rows))
    without = spectral_rows()
    assert "The fold that tests each sample" not in captions(validation_section(validated(without), without))


def mapped(rows, xy):
    places = np.stack(np.meshgrid(*[np.arange(250.0, 10_000, 500)] * 2), axis=-1).reshape(-1, 2)
    return replace(at_places(rows, xy), map_places=places)


def test_distances_show_which_split_resembles_the_map(clusters):
    rows = mapped(spectral_rows(), clusters)
    outcomes = [validated(rows, "random"), validated(rows, "knndm")]
    section = distances_section(outcomes, rows)
    table = section.tables[0][1].set_index("distance")
    assert table.w_m["from the map to the samples"] == 0
    assert table.w_m["kNNDM"] < 0.5 * table.w_m["random folds"]
    assert "is: kNNDM" in section.text[1]
    median = np.median(prediction_distances(rows.xy, rows.map_places))
    assert f"within {median:.0f}"[:-1] in section.text[0] and "e+" not in section.text[0]
    assert [line.get_label() for line in section.figures[0][1].axes[0].lines][2:] == ["random folds", "kNNDM"]
    alone = distances_section(outcomes[:1], rows)
    assert "add 'knndm'" in alone.text[-1]


def test_distances_of_samples_that_are_spread_like_the_map_recommend_random_folds():
    rows = mapped(spectral_rows(), np.random.default_rng(1).uniform(0, 10_000, (48, 2)))
    assert "random folds suit this map" in distances_section([validated(rows)], rows).text[-1]


def test_there_is_no_section_of_distances_without_a_map_and_a_leaking_split_is_left_out(clusters):
    rows = at_places(spectral_rows(), clusters)
    assert distances_section([validated(rows)], rows) is None
    with_map = mapped(spectral_rows(), clusters)
    leaking = validated(with_map, "published_settings", n_repeats=1)
    assert len(distances_section([leaking], with_map).tables[0][1]) == 2


def test_repeats_and_a_second_model_are_drawn_only_where_there_are_some():
    rows = spectral_rows()
    one = captions(validation_section(validated(rows), rows))
    assert "each repeat" not in one
    assert "RMSE compared with" not in one
    several = captions(validation_section(validated(rows, kinds=("pls", "ridge"), n_repeats=3), rows))
    assert "R² of each repeat" in several
    assert "RMSE compared with PLSR" in several


def test_learning_curves_of_networks_have_a_pair_of_lines_for_each_split():
    rows = spectral_rows()
    section = validation_section(validated(rows, kinds=("resnet",)), rows)
    (figure,) = [figure for caption, figure in section.figures if caption.startswith("Losses by epoch")]
    assert len(figure.axes[0].lines) == 2 * 3


def test_depths_are_drawn_by_layer_and_the_figure_of_all_depths_is_explained():
    rows = at_places(patch_rows(), np.random.default_rng(1).uniform(0, 10_000, (48, 2)))
    section = validation_section(validated(rows, kinds=("forest",)), rows)
    assert "it also contains the difference between depths" in " ".join(section.text)
    scatter = next(figure for caption, figure in section.figures if caption.startswith("Predicted against measured"))
    (text,) = [text.get_text() for text in scatter.axes[0].texts]
    assert text.startswith("single depths:")
    by_depth = next(figure for caption, figure in section.figures if caption == "R² by depth.")
    assert [label.get_text() for label in by_depth.axes[0].get_xticklabels()] == ["0-10 cm", "10-30 cm", "30-60 cm"]
    assert "Densities of measured and predicted values" in captions(section)
    assert "Relative bias at 0-10 cm" in captions(section)


def test_zones_have_their_own_figures_and_those_of_two_values_none():
    rows = replace(spectral_rows(), zones=np.array(["north"] * 30 + ["south"] * 16 + ["isle"] * 2))
    outcome = validated(rows)
    table = zone_table(outcome, rows.zones).set_index("zone")
    assert list(table.index) == ["north", "south"]
    error = outcome.predicted["PLSR"][0, :30, 0] - outcome.observed[:30, 0]
    assert table.loc["north", "test_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert table.n.tolist() == [30, 16]


def test_zones_have_figures_of_single_depths_and_none_of_all_together():
    rows = replace(patch_rows(), zones=np.array(["north"] * 24 + ["south"] * 24))
    outcome = validated(rows, kinds=("forest",))
    table = zone_table(outcome, rows.zones)
    assert table[table.zone == "north"].target.tolist() == list(outcome.target_names)
    error = (outcome.predicted["Forest"][0] - outcome.observed)[:24, 1]
    assert table.test_rmse[1] == pytest.approx(np.sqrt(np.nanmean(error**2)), nan_ok=False)


def test_the_section_of_the_data_names_bands_patches_and_the_logarithm():
    rows = spectral_rows()
    log = replace(rows, targets=(rows.targets[0].model_copy(update={"log": "smearing"}),))
    text = " ".join(data_section(log).text)
    assert "48 samples at 30 bands from 400 to 2400 nm." in text
    assert "Duan's factor" in text
    assert "patch of 5 x 5 cells" in " ".join(data_section(patch_rows()).text)
    (_, statistics), *_ = data_section(rows).tables
    assert {"soc_pct (%)", "library", "library, auxiliary property"} <= set(statistics.index)


def test_the_choice_of_a_model_has_headings_for_readers_and_what_its_candidates_learned():
    choice = pd.DataFrame(
        {
            "model": ["Forest"],
            "predicted_by": ["out-of-bag"],
            "r2": [0.5],
            "rmse": [2.0],
            "weight": [1.0],
            "chosen": True,
        }
    )
    work = task("auto", spectral_rows())
    work.details.update(choice=choice.assign(note=""), description="Forest", learned=["Forest: 500 trees"])
    candidates, model = choice_sections(work)
    (_, table), *_ = candidates.tables
    assert list(table) == ["model", "predicted by", "R²", "RMSE (%)", "weight"]
    assert model.text == ["Automatic choice: Forest.", "Forest: 500 trees."]
    work.details["choice"] = choice.assign(note="dropped: adds nothing")
    assert "note" in choice_sections(work)[0].tables[0][1]


def test_the_summary_of_a_comparison_names_the_smallest_error_and_what_it_is_worth():
    rows = spectral_rows()
    outcome = validated(rows, kinds=("pls", "ridge"))
    first, second = comparison_summary([outcome], rows).text
    best = outcome.table.sort_values("test_rmse").iloc[0]
    assert first.startswith(f"Smallest error: {best.target}, {best.model}: R² {best.test_r2:.2f} (95 % interval ")
    assert f"The model of the smallest error is {best.model}" in second
    row = outcome.differences(next(name for name in outcome.predicted if name != best.model)).iloc[0]
    assert ("which is better than" in second) == bool(row.test_rmse_difference_high < 0)


def test_the_summary_states_the_first_split_that_does_not_leak():
    rows = spectral_rows()
    leaking, honest = validated(rows, "published_settings", n_repeats=1), validated(rows)
    assert main_outcome([leaking, honest]) is honest
    assert main_outcome([leaking]) is None
    assert "no accuracy can be stated" in comparison_summary([leaking], rows).text[0]


def test_predictions_at_the_end_of_the_valid_range_and_little_skill_are_warned_of():
    rows = spectral_rows()
    outcome = validated(rows)
    (name,) = outcome.predicted
    table = outcome.table.assign(test_r2=0.2)
    shown = SimpleNamespace(split="random", table=table, targets=outcome.targets, predicted={name: np.ones((1, 50, 1))})
    assert warnings_of(shown, rows) == []
    shown.table = table.assign(test_r2=0.19)
    assert "R² is 0.19" in warnings_of(shown, rows)[0]
    shown.table = table
    shown.predicted[name][0, :1] = 0.0  # 1 of 50 is 2 %, which is not yet too many
    assert warnings_of(shown, rows) == []
    shown.predicted[name][0, :2] = 0.0
    assert warnings_of(shown, rows)[0].startswith("2 of 50 test predictions")


def test_the_table_of_accuracy_has_units_and_intervals_and_names_targets_only_where_there_are_several():
    table = validated(spectral_rows(), kinds=("pls", "ridge")).table
    shown = accuracy_table(table, "%")
    assert list(shown.columns) == ["model", "n", "R²", "RMSE (%)", "RPIQ", "CCC", "bias (%)"]
    row = table.iloc[0]
    assert shown["R²"].iloc[0] == f"{row.test_r2:.2f} ({row.test_r2_low:.2f} to {row.test_r2_high:.2f})"
    twice = accuracy_table(pd.concat([table, table.assign(target="other")]), "")
    assert list(twice.columns)[:4] == ["target", "model", "n", "R²"]
    assert "RMSE" in twice.columns
