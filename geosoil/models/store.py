"""Model folders: `model.json` to read, `weights.safetensors` for arrays; forests of older folders in `forest.skops`.

What prediction intervals and the area of applicability need is beside them (`models/trust.py`).

Loading executes nothing that a file says: JSON is checked by a schema, arrays are arrays, types come from one
literal table (`models/state.py`), and the rebuilt model must answer before it is handed out.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from geosoil import __version__
from geosoil.errors import ModelFileError, OutputError
from geosoil.estimators.forest_files import read_forests
from geosoil.estimators.patch_regressor import PatchRegressor
from geosoil.io.atomic import atomic_path
from geosoil.io.input_paths import require_input
from geosoil.io.provenance import current_time
from geosoil.models.card import (
    DescentCard,
    FeatureCard,
    GridCard,
    MemberCard,
    ModelCard,
    OriginCard,
    TargetCard,
    TrainingCard,
)
from geosoil.models.compose import Cascade, CompositeModel, Ensemble, MultiTargetModel
from geosoil.models.contract import Feature, Target
from geosoil.models.find import CARD, find_model
from geosoil.models.objects import unstorable
from geosoil.models.patch import PatchModel
from geosoil.models.pixel import PixelModel
from geosoil.models.probe import MOST_PROBE_ROWS, probe_of
from geosoil.models.state import describe, rebuild, regressor_of
from geosoil.models.trust import write_trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geosoil.models.contract import Model
    from geosoil.models.trust import ModelTrust
    from geosoil.raster.grid import Grid

SCHEMA_VERSION = 1  # the newest `ModelCard.schema_version` that can be read
MOST_JSON_BYTES = 20 * 1024**2
MOST_WEIGHTS_BYTES = 2 * 1024**3
WEIGHTS, FOREST = "weights.safetensors", "forest.skops"
_WAY_OUT = "name a folder that `geosoil train` wrote"
_PROBE = ("probe/rows", "probe/predictions")  # by which a loaded estimator of scikit-learn is checked
_PROBE_TOLERANCE = 1e-6  # of the size of the predictions; other libraries of linear algebra round differently
MOST_MEMBERS, MOST_MEMBER_DEPTH = 1000, 4
AnyModel = PixelModel | PatchModel | CompositeModel
_COMPOSITES: dict[str, Any] = {"ensemble": Ensemble, "cascade": Cascade, "multi_target": MultiTargetModel}


def save_model(
    model: Model,
    folder: Path,
    *,
    name: str,
    study: str,
    preprocessing: list[str],
    training: TrainingCard,
    metrics: Mapping[str, dict[str, Any]] | None = None,
    quantity: str = "reflectance",
    grid: Grid | None = None,
    origin: OriginCard | None = None,
    trust: ModelTrust | None = None,
) -> ModelCard:
    """Write a model to a folder; raises OutputError if the folder cannot be written.

    The grid is that of the covariates at training, with a CRS; a map on another grid has a note about it.
    """
    from safetensors.numpy import save

    card, arrays = card_of(
        model, name=name, study=study, preprocessing=preprocessing, training=training, metrics=metrics,
        quantity=quantity, grid=grid,
    )  # fmt: skip
    _require_loadable(card, arrays)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        weights = save(arrays)
        stated = {"origin": origin, "trust": write_trust(trust, folder)}
        card = card.model_copy(update={**stated, "weights_sha256": hashlib.sha256(weights).hexdigest()})
        _write(folder / WEIGHTS, weights)
        (folder / FOREST).unlink(missing_ok=True)
        # The card comes last, with the hash of the arrays: a run that is killed in between leaves no model that loads.
        _write(folder / CARD, card.model_dump_json(indent=1).encode())
    except OSError as error:
        raise OutputError(
            folder, found=str(error.strerror or error), expected="a folder to write", way_out="name another with -o"
        ) from error
    return card


def card_of(
    model: Model,
    *,
    name: str,
    study: str,
    preprocessing: list[str],
    training: TrainingCard,
    metrics: Mapping[str, dict[str, Any]] | None = None,
    quantity: str = "reflectance",
    grid: Grid | None = None,
) -> tuple[ModelCard, dict[str, np.ndarray]]:
    """Return the card of a model and its arrays by name, as `save_model` writes them; the parameters are the same.

    Raises EstimatorError for a model that cannot be stored.
    """
    arrays: dict[str, np.ndarray] = {}
    card = ModelCard(
        **dict(_member_card(model, arrays)),
        name=name,
        study=study,
        quantity=quantity,
        preprocessing=preprocessing,
        training=training,
        grid=None if grid is None else GridCard.of(grid),
        metrics=dict(metrics or {}),
        versions=_versions(),
        created=current_time(),
    )
    return card, arrays


def _member_card(model: Model, arrays: dict[str, np.ndarray], path: str = "") -> MemberCard:
    """Return the card of a model, and put its arrays under names with the prefix `path`."""
    used = set(model.used_columns.tolist())
    features = [FeatureCard.of(feature, used=i in used) for i, feature in enumerate(model.training_columns)]
    targets = [TargetCard(**vars(target)) for target in model.targets]
    if isinstance(model, CompositeModel):
        members = [_member_card(member, arrays, f"{path}{i}/") for i, member in enumerate(model.members)]
        kind: Any = next(kind for kind, composite in _COMPOSITES.items() if isinstance(model, composite))
        weights = list(model.weights) if isinstance(model, Ensemble) else []
        return MemberCard(kind=kind, features=features, targets=targets, members=members, weights=weights)
    if not isinstance(model, PixelModel | PatchModel):
        msg = f"a {type(model).__name__} cannot be saved; save the model that it was made from"
        raise TypeError(msg)
    if isinstance(model, PixelModel) and not model.of_geosoil:
        arrays |= {path + name: values for name, values in zip(_PROBE, probe_of(model), strict=True)}
    return MemberCard(
        kind="patch" if isinstance(model, PatchModel) else "pixel",
        patch_size=model.patch_size if isinstance(model, PatchModel) else None,
        features=features,
        targets=targets,
        estimator=describe(model.estimator, arrays, path),
        descent=[DescentCard(**source) for source in getattr(regressor_of(model.estimator), "ancestry_", [])],
    )


def _require_loadable(card: ModelCard, arrays: dict[str, np.ndarray]) -> None:
    """Raise EstimatorError, before anything is written, for a model that `load_model` would refuse."""
    try:
        _check_members(card)
        _build(card, dict(arrays), {})
    except Exception as error:
        raise unstorable(f"{card.name} ({type(error).__name__}: {str(error)[:200]})") from error


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"geosoil": __version__} | {package: version(package) for package in ("numpy", "scikit-learn", "torch")}


def read_card(folder: Path) -> ModelCard:
    """Read and check `model.json`; raises ModelFileError for anything else."""
    path = folder / CARD
    if not folder.is_dir() or not path.is_file():
        found = f"no {CARD}" if folder.is_dir() else "no such folder"
        raise ModelFileError(folder, found=found, expected="a model folder", way_out=_WAY_OUT)
    if path.stat().st_size > MOST_JSON_BYTES:
        raise ModelFileError(path, found="a file of over 20 MB", expected="a model card", way_out=_WAY_OUT)
    try:
        content = json.loads(path.read_bytes())
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ModelFileError(
                path,
                found=f"a model card of schema_version {version}",
                expected=f"at most {SCHEMA_VERSION}, the newest that geosoil {__version__} reads",
                way_out="update geosoil",
            )
        return ModelCard.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelFileError(
            path, found=f"{where}: {first['msg']}", expected="a model card of this version", way_out=_WAY_OUT
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            path, found=f"not valid JSON ({error})", expected="a model card", way_out=_WAY_OUT
        ) from error


def load_model(folder: str | Path, card: ModelCard | None = None) -> AnyModel:
    """Read a model by folder or by name (see `find_model`); executes nothing that the files say.

    The card is read if it is not given.

    Raises ModelFileError for a folder that is not a model, or one that has been tampered with.
    """
    folder = find_model(folder)
    card = card or read_card(folder)
    for file in (WEIGHTS, FOREST):
        if (folder / file).exists():
            require_input(folder / file, ModelFileError, "a file")
        if (folder / file).exists() and (folder / file).resolve().parent != folder.resolve():
            raise ModelFileError(
                folder / file, found="a link out of the folder", expected="a file", way_out="copy the file there"
            )
    try:
        _check_members(card)
        model = _build(card, _read_arrays(folder / WEIGHTS), _read_forests(folder / FOREST))
        _check_weights(folder / WEIGHTS, card)
    except ModelFileError:
        raise
    # Whatever a crafted file makes numpy, scikit-learn or torch say, the user gets one line and nothing is returned.
    except Exception as error:
        raise ModelFileError(
            folder,
            found=f"contents that do not make a model ({type(error).__name__}: {str(error)[:200]})",
            expected="a model as geosoil writes it",
            way_out="train it again, or ask its author for another copy",
        ) from error
    return model


def _check_weights(path: Path, card: ModelCard) -> None:
    """Raise ModelFileError for arrays that were written with another card; cards of geosoil 0.1.0 state no hash."""
    if card.weights_sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != card.weights_sha256:
        raise ModelFileError(
            path,
            found="arrays that do not belong to the card beside them",
            expected="the files of one training",
            way_out="train the model again: the last run was stopped while it saved, or a file was replaced",
        )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if path.exists() and path.stat().st_size > MOST_WEIGHTS_BYTES:
        raise ModelFileError(
            path,
            found=f"a file of {path.stat().st_size / 1024**3:.1f} GiB",
            expected=f"arrays of at most {MOST_WEIGHTS_BYTES / 1024**3:g} GiB",
            way_out="check where the model comes from: no model of geosoil is that large",
        )
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(path, found=f"no safetensors ({error})", expected="arrays", way_out=_WAY_OUT) from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(path, found=f"NaN in {name}", expected="finite numbers", way_out="train it again")
    return arrays


def _read_forests(path: Path) -> dict[str, Any]:
    return read_forests(path) if path.exists() else {}


def _check_members(card: MemberCard) -> None:
    """Raise ValueError for more members than a model has, or members inside members too often."""
    level, count = [card], 0
    for _ in range(MOST_MEMBER_DEPTH + 1):
        level = [member for parent in level for member in parent.members]
        count += len(level)
    if level or count > MOST_MEMBERS:
        raise ValueError(f"more than {MOST_MEMBERS} members, or members more than {MOST_MEMBER_DEPTH} deep")


def _build(card: MemberCard, arrays: dict[str, np.ndarray], forests: dict[str, Any], path: str = "") -> AnyModel:
    """Return the model that a card describes, after checking its kind and running it once."""
    if card.weights and card.kind != "ensemble":
        raise ValueError(f"weights in a model of kind {card.kind}")
    if card.members:
        members = tuple(_build(member, arrays, forests, f"{path}{i}/") for i, member in enumerate(card.members))
        model = _composed(members, card)
    else:
        estimator = rebuild(card.estimator, arrays, forests)
        model = _wrap_estimator(estimator, card)
        if card.descent:
            regressor_of(estimator).ancestry_ = [source.model_dump() for source in card.descent]
    probe = tuple(arrays.pop(path + name, None) for name in _PROBE)
    if isinstance(model, PixelModel) and not model.of_geosoil:
        _check_probe(model, *probe)
    else:
        _smoke_test(model, card)
    return model


def _check_probe(model: PixelModel, rows: np.ndarray | None, expected: np.ndarray | None) -> None:
    """Raise ValueError unless a loaded estimator of scikit-learn predicts what it predicted before it was saved."""
    if rows is None or expected is None or len(rows) > MOST_PROBE_ROWS or expected.ndim != 2:
        raise ValueError("the predictions by which it is checked are missing")
    if rows.shape[1:] != (len(model.training_columns),) or expected.shape != (len(rows), len(model.targets)):
        raise ValueError("it has another number of features or targets than its card")
    if not len(rows):
        return
    found = model.predict_training_rows(rows)
    if not (np.abs(found - expected) <= _PROBE_TOLERANCE * (np.abs(expected) + np.ptp(expected))).all():
        raise ValueError("it does not predict what it predicted when it was saved, maybe by another scikit-learn")


def _composed(members: tuple[AnyModel, ...], card: MemberCard) -> AnyModel:
    if card.estimator or card.patch_size or card.kind not in _COMPOSITES:
        msg = f"members in a model of kind {card.kind}"
        raise ValueError(msg)
    parts: Any = members if card.kind == "cascade" else (members, tuple(card.weights))[: 1 + bool(card.weights)]
    model: Any = _COMPOSITES[card.kind](*parts)
    if (model.training_columns, model.targets) != _columns(card):
        msg = "the covariates and targets of the card are not those of its members"
        raise ValueError(msg)
    return model


def _columns(card: MemberCard) -> tuple[tuple[Feature, ...], tuple[Target, ...]]:
    columns = tuple(feature.feature() for feature in card.features)
    return columns, tuple(Target(**target.model_dump()) for target in card.targets)


def _wrap_estimator(estimator: Any, card: MemberCard) -> PixelModel | PatchModel:
    """Return the model of a card's kind, after checking that its estimator is of that kind."""
    columns, targets = _columns(card)
    of_patches = isinstance(estimator, PatchRegressor)
    used = tuple(i for i, feature in enumerate(card.features) if feature.used)
    stated = (card.kind, card.patch_size, len(used))
    known = ("patch", estimator.size_, estimator.n_channels_) if of_patches else ("pixel", None, len(used))
    if stated != known:
        msg = f"(kind, patch size, bands) of the card are {stated}, those of the estimator {known}"
        raise ValueError(msg)
    return PatchModel(estimator, columns, targets, used) if of_patches else PixelModel(estimator, columns, targets)


def _smoke_test(model: AnyModel, card: MemberCard) -> None:
    """Run the loaded model once through predict_rows and predict as a check."""
    if [i for i, feature in enumerate(card.features) if feature.used] != model.used_columns.tolist():
        msg = "the bands marked as used are not those that the estimator reads"
        raise ValueError(msg)
    middle = [((f.training_low or 0.0) + (f.training_high or 0.0)) / 2 for f in model.features]
    pixels = np.array([middle, middle], np.float32)
    side = 2 * model.halo + 1
    block = np.ascontiguousarray(np.broadcast_to(pixels[0][:, None, None], (len(middle), side, side + 1)))
    of_patches = isinstance(model, PatchModel) or model.halo > 0
    rows = np.stack([block[:, :, :-1], block[:, :, 1:]]) if of_patches else pixels
    by_rows, by_block = model.predict_rows(rows), model.predict(block)
    if isinstance(model, PixelModel):  # `predict_rows` has NaN for rows that the estimator refuses
        by_rows = np.reshape(model.estimator.predict(model.estimator_rows(rows)), (2, -1))
    if by_rows.shape != (2, len(model.targets)) or by_block.shape != (len(model.targets), 1, 2):
        msg = f"it gives {by_rows.shape[1:]} values for {len(model.targets)} targets"
        raise ValueError(msg)
    if of_patches and not np.isfinite(by_block).all():
        msg = "it gives no numbers"
        raise ValueError(msg)


def model_sha256(folder: Path) -> str:
    """Return one hash of what decides the predictions of a model: its arrays, and its card without times and scores."""
    content = read_card(folder).model_dump(mode="json", include={*MemberCard.model_fields, "quantity"})
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for file in (WEIGHTS, FOREST):
        if (folder / file).exists():
            digest.update((folder / file).read_bytes())
    return digest.hexdigest()
