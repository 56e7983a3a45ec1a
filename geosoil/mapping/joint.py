"""Match one or several models with an input, so that one map holds all their outputs and reads each band once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from geosoil.errors import ModelFileError
from geosoil.io.rasters.stack import join_bands
from geosoil.mapping.inputs import MatchedInput, ModelInput, PathLike
from geosoil.models.contract import Feature, of_rasters
from geosoil.models.find import model_folders
from geosoil.models.joint import JointModel

if TYPE_CHECKING:
    from collections.abc import Hashable

    from geosoil.mapping.inputs import CovariateInput, CubeInput
    from geosoil.raster.place import Place

OneOrManyModels = PathLike | ModelInput | Sequence[PathLike | ModelInput]


def find_models(models: OneOrManyModels) -> tuple[ModelInput, ...]:
    """Return the models of a map by folder or name, or by a folder that holds several model folders.

    Raises ModelFileError for none, or for one that is given twice.
    """
    given = [models] if isinstance(models, str | os.PathLike | ModelInput) else models
    many = [model for path in given for model in ([path] if isinstance(path, ModelInput) else model_folders(path))]
    found = tuple(_find(model, several=len(many) > 1) for model in many)
    folders = [model.folder.resolve() for model in found]
    repeated = [model.folder for model, folder in zip(found, folders, strict=True) if folders.count(folder) > 1]
    if repeated or not found:
        raise ModelFileError(
            repeated[0] if repeated else "model",
            found="the same model twice" if repeated else "no model",
            expected="each model once" if repeated else "one or more",
            way_out="give the folder or the name of each model once",
        )
    return found


def _find(model: PathLike | ModelInput, *, several: bool) -> ModelInput:
    """Return a model; a message on one of several says that all words behind --model are names of models."""
    try:
        return ModelInput.find(model)
    except ModelFileError as error:
        if not several:
            raise
        raise ModelFileError(
            str(model),
            found="no model, although every word behind --model up to the next option is the name of a model",
            expected="names or folders of models",
            way_out=f"move the word in front of --model if it is something else, or correct it ({error})",
        ) from error


def foreign_spectra(models: Sequence[ModelInput]) -> tuple[str, ...]:
    """Return warnings about models that learned from a table of spectra only and now map pixels of a cube."""
    return tuple(
        f"{model.card.name} was trained on spectra of a table, as of a laboratory, and on no pixel of an image: "
        "it has not seen moisture, roughness, plants and the atmosphere; compare the map with samples of the scene"
        for model in models
        if model.card.training.laboratory or model.card.study == "spectra"  # older cards have the study only
    )


def match_models(source: CubeInput | CovariateInput, models: Sequence[ModelInput]) -> MatchedInput:
    """Find what one or several models read in an input; several become one `JointModel`.

    Raises
    ------
    ModelFileError
        If outputs of two models have the same name, and the models too.
    GeosoilError
        If a model does not fit the input.
    """
    matched = [source.match(model) for model in models]
    if len(matched) == 1:
        return matched[0]
    raster, read = _joined(matched)
    names = tuple(model.card.name for model in models)
    joint = JointModel(tuple(each.model for each in matched), _with_places(matched, read), names)
    outputs = [output.name for output in joint.outputs]
    if len(set(outputs)) < len(outputs):
        raise ModelFileError(
            models[-1].folder,
            found=f"two models named {', '.join(sorted({name for name in names if names.count(name) > 1}))} that "
            "predict the same",
            expected="models that differ in their names",
            way_out="map them one by one, or train one under another name",
        )
    common = [note for note in matched[0].notes if all(note in each.notes for each in matched)]
    differing = [
        f"{name}: {note}"
        for name, each in zip(names, matched, strict=True)
        for note in each.notes
        if note not in common
    ]
    bands = tuple(feature.name for feature in of_rasters(joint.features))
    return MatchedInput(joint, raster, bands, (*common, *differing))


def _joined(matched: Sequence[MatchedInput]) -> tuple[Any, tuple[tuple[Feature, ...], ...]]:
    """Return one raster for all models, and the bands of it that each model reads."""
    if all(each.raster is matched[0].raster for each in matched):  # a cube
        return matched[0].raster, tuple(tuple(Feature(name) for name in each.bands) for each in matched)
    parts, keys = [], []
    for each in matched:
        new = [name for name in each.bands if _key(each, name) not in keys]
        keys += [_key(each, name) for name in new]
        parts += [each.raster.sel(band=new)] if new else []
    if not parts:  # models of places alone: the raster is the template of the map
        return matched[0].raster, tuple(() for _ in matched)
    raster = join_bands(parts)
    names = dict(zip(keys, (str(name) for name in raster["band"].values), strict=True))
    return raster, tuple(tuple(Feature(names[_key(each, name)]) for name in each.bands) for each in matched)


def _with_places(
    matched: Sequence[MatchedInput], read: Sequence[tuple[Feature, ...]]
) -> tuple[tuple[Feature, ...], ...]:
    """Return what each model reads, bands and places in its order; places of another origin have another name."""
    taken = {feature.name for bands in read for feature in bands}
    names: dict[Place, str] = {}
    whole = []
    for each, bands in zip(matched, read, strict=True):
        rest, features = iter(bands), []
        for feature in each.model.features:
            if feature.place is None:
                features.append(next(rest))
                continue
            if feature.place not in names:
                name = feature.name
                while name in taken:
                    name += "'"
                names[feature.place] = name
                taken.add(name)
            features.append(Feature(names[feature.place], place=feature.place))
        whole.append(tuple(features))
    return tuple(whole)


def _key(matched: MatchedInput, name: str) -> Hashable:
    """Return what a covariate is: its name and, for a class of a band of codes, the classes that the model knows."""
    band, _, code = name.rpartition("=")
    if not code.lstrip("-").isdigit() or not band:
        return name
    known = [feature for feature in matched.model.training_columns if feature.name.startswith(f"{band}=")]
    return name, tuple((feature.name, feature.training_high is None or feature.training_high > 0) for feature in known)
