"""Recipes of the five studies before there was one pipeline: accepted for one release, and translated.

Such a recipe has a key `study`. Its sections are moved to the sections of the pipeline, and every word that is replaced
is noted with the word to use instead.
"""

from __future__ import annotations

from typing import Any

from geosoil.errors import RecipeError

Content = dict[str, Any]

ABSORBANCE, SNV = {"step": "absorbance"}, {"step": "snv"}
FIRST_DERIVATIVE = {"step": "savitzky_golay", "window_bands": 5, "polynomial_order": 2, "derivative": 1}
FEATURES = {"vae": "generated", "indoor": "laboratory"}
SPLITS = {"kfold": "random", "gradient": "rank", "profiles": "random"}
KINDS = {
    "plsr": "pls",
    "dnn": "mlp",
    "svm": "svr",
    "mtcnn": "multitask_cnn",
    "local_plsr": "pls",
    "library_plsr": "library_pls",
    "spiked_plsr": "spiked_pls",
    "rs_local_plsr": "rs_local_pls",
    "rs_local_plsr_ln": "rs_local_pls_ln",
    "local_cnn": "spectral_cnn",
    "boosted_trees": "spiked_boosted_trees",
}
SATELLITE_MODELS = [("GF5", "satellite")]
ALL_MODELS = [("Indoor", "laboratory"), *SATELLITE_MODELS, ("VAE", "generated"), ("Mix", "mix")]
LIBRARY_MODELS = (
    *("pls", "library_pls", "spiked_pls", "mbl", "spiked_boosted_trees", "rs_local_pls", "rs_local_pls_ln"),
    *("spectral_cnn", "library_cnn", "dtl_i", "dtl_r", "dtl_ir"),
)
COUNTRY_MODELS = ("country_cnn", "dtl_i_country", "dtl_r_country", "dtl_ir_country")
LIBRARY_NETWORKS = ("library_cnn", "dtl_r", "dtl_ir", "country_cnn", "dtl_r_country", "dtl_ir_country")
SITE_NETWORKS = ("spectral_cnn", "dtl_i", "dtl_i_country")


class Translation:
    """A recipe of a study on its way to the sections of the pipeline.

    Parameters
    ----------
    content : dict
        The recipe; its sections are used up, and what remains is unknown.
    kind : str
        The kind of data that the study had.
    """

    def __init__(self, content: Content, kind: str) -> None:
        self.content = {key: dict(part) if isinstance(part, dict) else part for key, part in content.items()}
        self.notes = [f"study = '{self.content.pop('study')}' is now [data] kind = '{kind}'"]
        self.data: Content = {"kind": kind, **self.section("data")}
        self.features: Content = {}
        self.model: Content = {}
        self.validation: Content = {}

    def section(self, name: str, to: str = "") -> Content:
        """Take a section out of the recipe; `to` is its new name, for the notes."""
        if to and name in self.content:
            self.notes.append(f"[{name}] is now {to}")
        section: Content = self.content.pop(name, {})
        return section

    def move(self, part: Content, names: dict[str, str], section: str, to: str = "") -> None:
        """Rename keys of a section; `to` is the section where they are now."""
        for old, new in names.items():
            if old in part:
                part[new] = part.pop(old)
                self.notes.append(f"{section}.{old} is now {to or section}.{new}")

    def value(self, value: str, names: dict[str, str], old_key: str, new_key: str) -> str:
        """Return the new word for a value."""
        new = names.get(value, value) if isinstance(value, str) else value
        if new != value or old_key != new_key:
            self.notes.append(f"{old_key} = '{value}' is now {new_key} = '{new}'")
        return new

    def finished(self) -> tuple[Content, list[str]]:
        """Return the recipe of the pipeline with what was not known, and the notes."""
        parts = {"data": self.data, "features": self.features, "model": self.model, "validation": self.validation}
        return {**self.content, **parts}, self.notes


def translate(path: object, content: Content) -> tuple[Content, list[str]]:
    """Return a recipe in the sections of the pipeline, and one line for each word that was replaced.

    A recipe without the key `study` is returned as it is.

    Raises
    ------
    RecipeError
        If the study is not known.

    Examples
    --------
    >>> recipe, notes = translate("r.toml", {"study": "soil_property", "name": "lead", "data": {"samples": "s.csv"}})
    >>> recipe["data"], notes[0]
    ({'kind': 'covariates', 'samples': 's.csv'}, "study = 'soil_property' is now [data] kind = 'covariates'")
    """
    if "study" not in content:
        return content, []
    study = content["study"]
    if not isinstance(study, str) or study not in STUDIES:
        raise RecipeError(
            path, found=f"study = {study!r}", expected=f"one of {', '.join(STUDIES)}", way_out="use [data] kind instead"
        )
    function, kind = STUDIES[study]
    sections = ("data", "target", "source", "second", "features", "fusion", "selection", "regression", "model")
    for name in (*sections, "network", "forest", "local", "rs_local", "search", "spectra", "validation"):
        if not isinstance(content.get(name, {}), dict):
            raise RecipeError(path, problem=f"{name} is not a table", way_out=f"correct [{name}]")
    translation = Translation(content, kind)
    function(translation)
    return translation.finished()


def _validation(part: Translation, *, split: str, after: tuple[str, ...] = (), **defaults: Any) -> Content:
    """Return the section [validation] with the splits of train and compare, the recipe's own first."""
    section = defaults | part.section("validation")
    first: Any = SPLITS.get(split, split)
    if "split" in section:
        first = part.value(section["split"], SPLITS, "validation.split", "validation.split")
    section["split"] = [first, *(name for name in after if name != first)]
    for published in [name for name in after if name.startswith("published")]:
        part.notes.append(f"the published protocol is now named: validation.split = [..., '{published}']")
    return section


def _gf5_inversion(part: Translation) -> None:
    features: Content = {"use": "mix", **part.section("features")}
    features["use"] = part.value(features["use"], FEATURES, "features.use", "features.use")
    features["fusion"] = part.section("fusion", "[features.fusion]")
    features["selection"] = {"method": "cars"} | part.section("selection", "[features.selection]")
    regression = part.section("regression")
    is_forest = regression.get("kind") == "forest"
    if "kind" in regression:
        regression["kind"] = part.value(regression["kind"], KINDS, "regression.kind", "model.kind")
    steps: Any = features.get("preprocessing", [])
    derivatives = {
        "selection": {"method": "none"},
        "preprocessing": [*(steps if isinstance(steps, list) else []), FIRST_DERIVATIVE],
    }
    others = {"selection": features["selection"], "preprocessing": steps} if is_forest else {}
    if is_forest:
        features |= derivatives
        part.notes.append("the first derivative of FD-RF is now a step of features.preprocessing, before the fusion")
    compare: list[Content] = [
        {"kind": kind, "title": f"{name}, CARS + {title}", "features": {"use": use, **others}}
        for name, use in (ALL_MODELS if "laboratory" in part.data else SATELLITE_MODELS)
        for kind, title in (("pls", "PLSR"), ("svr", "SVR"))
    ]
    compare += [
        {"kind": "mlp", "title": "GF5, DNN-CARS", "features": {"use": "satellite", **others}},
        {"kind": "forest", "title": "GF5, FD-RF", "features": {"use": "satellite", **derivatives}},
    ]
    part.features = features
    part.model = {"kind": "svr", "mlp": {"n_members": 1}, "compare": compare, **regression}
    part.validation = _validation(part, split="kfold", after=("published_rank",), n_folds=5, n_repeats=2, block_m=500.0)
    part.move(part.validation, {"published_seeds": "n_seeds"}, "validation")


def _lead_transfer(part: Translation) -> None:
    source = {"column": "ph", "title": "pH"} | part.section("source", "[data.auxiliary]")
    shared = {"test_share": source.pop("test_share")} if "test_share" in source else {}
    part.data["auxiliary"] = source
    has_snv = part.section("spectra", "[features] preprocessing").pop("snv", False)
    part.features = {"preprocessing": [ABSORBANCE, SNV] if has_snv else [ABSORBANCE]}
    network = part.section("network", "[model.resnet], [model.transfer_resnet] and [model.random_resnet]")
    part.move(network, {"batch": "batch_size"}, "network", "model.transfer_resnet")
    search = part.section("search", "[model.pls] and [model.svr]")
    folds = {"n_folds": search["n_folds"]} if "n_folds" in search else {}
    components = {"max_components": search["max_components"]} if "max_components" in search else {}
    trials = {"n_candidates": search["svm_trials"]} if "svm_trials" in search else {}
    section = part.section("model")
    kinds = KINDS | {"transfer": "transfer_resnet"}
    controls = ["source_pls_scores", "library_pca_scores", "random_resnet"]
    direct = {key: value for key, value in network.items() if key not in ("freeze", "fine_tuning_rate")}
    part.model = {
        "kind": part.value(section.pop("kind", "transfer"), kinds, "model.kind", "model.kind"),
        "compare": ["pls", "svr", "resnet", "transfer_resnet", *controls],
        "pls": components | folds,
        "svr": {"search": "bayesian"} | trials | folds,
        "resnet": direct,
        "transfer_resnet": network | shared,
        "random_resnet": {key: value for key, value in network.items() if key != "fine_tuning_rate"} | shared,
        "source_pls_scores": components | shared,
        "library_pca_scores": components | shared,
        **section,
    }
    has_blocks = "samples" in part.data and part.content.get("validation", {}).get("block_m") is not None
    others = [*(["spatial"] if has_blocks else []), *(["groups"] if part.data.get("group") else [])]
    after = ("random", *others, "published_settings")
    section = _validation(part, split="random", after=after, n_folds=5, n_repeats=10)
    key = "validation.split"
    section["split"] = [part.value(name, {"random": "holdout"}, key, key) for name in section["split"]]
    part.move(section, {"n_rounds": "n_repeats"}, "validation")
    part.validation = section


def _library_localisation(part: Translation) -> None:
    part.move(part.data, {"site": "spectra"}, "data")
    if "id_column" in part.data:
        part.data["library_id"] = part.data["id_column"]
    part.move(part.data, {"id_column": "sample_id"}, "data")
    part.data["on_missing"] = "drop"
    part.features = {"preprocessing": [ABSORBANCE, SNV]}
    validation, local = {"n_repeats": 5} | part.section("validation"), part.section("local", "[validation]")
    folds = {"n_folds": validation.pop("n_folds")} if "n_folds" in validation else {}
    network = part.section("network", "[model.spectral_cnn], [model.library_cnn], [model.dtl_i], ...")
    n_trials = {"n_trials": network.pop("n_trials")} if "n_trials" in network else {}
    base = {"n_trials": network.pop("n_library_trials")} if "n_library_trials" in network else {}
    chosen = part.section("rs_local", "[model.rs_local_pls], [model.dtl_i], ...")
    regression = part.section("regression", "[model.pls], [model.rs_local_pls], [model.mbl], ...")
    weights = {"weights": regression["weights"]} if "weights" in regression else {}
    neighbours = {"neighbours": regression["neighbours"]} if "neighbours" in regression else {}
    components = {"max_components": regression["max_components"]} if "max_components" in regression else {}
    has_log = part.content.get("target", {}).get("log", "none") != "none"
    kinds = [kind for kind in LIBRARY_MODELS if kind != "rs_local_pls_ln" or not has_log]
    section, auto = part.section("model"), ["rs_local_pls", "rs_local_pls_ln", "dtl_i"]
    part.model = {
        "kind": part.value(section.pop("kind", "auto"), KINDS, "model.kind", "model.kind"),
        "fit_to": "split",
        "compare": [*kinds, *(COUNTRY_MODELS if part.data.get("country") else ())],
        "auto": {"candidates": [kind for kind in auto if kind in kinds]} | folds,
        **dict.fromkeys(("pls", "library_pls"), components | folds),
        "spiked_pls": components | folds | weights,
        **dict.fromkeys(("rs_local_pls", "rs_local_pls_ln"), components | folds | weights | chosen),
        "mbl": components | neighbours,
        **dict.fromkeys(SITE_NETWORKS, network | n_trials),
        **dict.fromkeys(LIBRARY_NETWORKS, network | base),
        **section,
    }
    for kind in ("dtl_i", "dtl_i_country", "dtl_ir", "dtl_ir_country"):
        part.model[kind] = part.model[kind] | chosen
    splits = ["kennard_stone", "holdout"]
    if local.pop("choose", "kennard_stone") == "random":
        splits.reverse()
    if validation["n_repeats"] == 0:
        splits, validation["n_repeats"] = ["kennard_stone"], 1
    part.move(local, {"n": "n_train"}, "local", "validation")
    part.validation = {"split": splits, "n_train": 30} | validation | local


def _soc_by_depth(part: Translation) -> None:
    part.move(part.data, {"profile_id": "sample_id"}, "data")
    network = part.section("network", "[model.cnn], [model.multitask_cnn] and [model.transfer_cnn]")
    part.data["patch"] = network.pop("patch", 9)
    part.notes.append("network.patch is now data.patch")
    if part.section("second"):
        part.notes.append("[second] is not used: write [[target]] before each of several properties")
    part.features = {"selection": {"method": "screen"} | part.section("selection", "[features.selection]")}
    plain = {key: value for key, value in network.items() if key not in ("n_frozen", "fine_tuning_epochs")}
    section = part.section("model")
    kinds = KINDS | {"transfer": "transfer_cnn"}
    part.model = {
        "kind": part.value(section.pop("kind", "transfer"), kinds, "model.kind", "model.kind"),
        "compare": ["forest", "cnn", "multitask_cnn", "transfer_cnn"],
        "cnn": plain,
        "multitask_cnn": plain,
        "transfer_cnn": network,
        "forest": {"search": True} | part.section("forest", "[model.forest]"),
        **section,
    }
    part.validation = _validation(
        part, split="profiles", after=("random", "spatial", "published_holdout"), block_m=5000.0
    )


def _soil_property(part: Translation) -> None:
    source = part.section("source", "[data.auxiliary]")
    source.pop("log", None)
    if source:
        part.data["auxiliary"] = source
    part.features = {"selection": part.section("selection", "[features.selection]")}
    network = part.section("network", "[model.mlp] and [model.transfer_mlp]")
    forest = part.section("forest", "[model.forest] and [model.cascade]")
    section = part.section("model")
    kinds = KINDS | {"transfer": "transfer_mlp"}
    part.model = {
        "kind": part.value(section.pop("kind", "forest"), kinds, "model.kind", "model.kind"),
        "compare": ["forest", "mlp", *(["transfer_mlp", "cascade"] if source else [])],
        "mlp": {key: value for key, value in network.items() if key != "freeze"},
        "transfer_mlp": network,
        "forest": forest,
        "cascade": forest,
        **section,
    }
    part.validation = _validation(part, split="random", block_m=1000.0)


STUDIES = {
    "gf5_inversion": (_gf5_inversion, "cube"),
    "lead_transfer": (_lead_transfer, "spectra"),
    "library_localisation": (_library_localisation, "spectra"),
    "soc_by_depth": (_soc_by_depth, "profiles"),
    "soil_property": (_soil_property, "covariates"),
}
"""The studies whose recipes are translated: the function that does it, and the kind of data."""
