"""How models and cards are shown: in one line of text, and as a table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from geosoil.evaluate.metrics import ALL_DEPTHS, ALL_DEPTHS_MEANING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.card import ModelCard

    Pairs = list[tuple[str, str]]


class ShownModel:
    """A model whose text is one line: its kind, its targets and what it reads."""

    training_columns: Any
    targets: Any

    def __repr__(self) -> str:
        columns = self.training_columns
        waves = [column.wavelength_nm for column in columns if column.wavelength_nm is not None]
        span = f", {min(waves):.0f} to {max(waves):.0f} nm" if waves else ""
        kind = "band" if waves else "covariate"
        plural = "" if len(columns) == 1 else "s"
        return f"{type(self).__name__} of {targets_text(self.targets)} from {len(columns)} {kind}{plural}{span}"

    def _repr_html_(self) -> str:
        return html_table(repr(self), [])


def targets_text(targets: Sequence[Any]) -> str:
    """Return names and units of targets.

    >>> from geosoil.models.contract import Target
    >>> targets_text([Target("ph", ""), Target("soc", "%")])
    'ph, soc (%)'
    """
    return ", ".join(f"{target.name} ({target.unit})" if target.unit else target.name for target in targets)


def html_table(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a title and pairs of a name and a text as HTML; all of them are escaped.

    >>> html_table("SOC", [("range", "< 2 %")])
    '<b>SOC</b><table><tr><th style="text-align:left">range</th><td style="text-align:left">&lt; 2 %</td></tr></table>'
    """
    left = ' style="text-align:left"'
    rows = "".join(f"<tr><th{left}>{escape(name)}</th><td{left}>{escape(text)}</td></tr>" for name, text in pairs)
    return f"<b>{escape(title)}</b><table>{rows}</table>" if rows else f"<b>{escape(title)}</b>"


def describe_card(card: ModelCard) -> Pairs:
    """Return pairs of a title and a text that describe a model: the honest accuracy comes first, the limits last."""
    origin = card.origin
    used = [feature for feature in card.features if feature.used]
    waves = [feature.wavelength_nm for feature in used if feature.wavelength_nm is not None]
    span = f", {min(waves):.0f} to {max(waves):.0f} nm" if waves else ""
    pairs = [("model", f"{card.name} ({card.study})")]
    for target in card.targets:
        learned = origin.contents.get(target.name) if origin is not None else None
        contents = [f"learned from contents of {learned[0]:.4g} to {learned[1]:.4g}"] if learned else []
        parts = [*([target.unit] if target.unit else []), _range_text(*target.valid_range), *contents]
        pairs.append((f"target {target.name}", ", ".join(parts)))
    for split, figures in sorted(card.metrics.items(), key=lambda item: item[0].startswith("published")):
        # A card of schema 1 has the figures of its one target without the target's name.
        by_target = figures if all(isinstance(values, dict) for values in figures.values()) else {"": figures}
        pairs += [(f"accuracy, {split}", f"{name}  {_accuracy(values)}".strip()) for name, values in by_target.items()]
        if ALL_DEPTHS in by_target:
            pairs.append((f"accuracy, {split}", ALL_DEPTHS_MEANING))
    for name, errors in card.trust.targets.items() if card.trust is not None else ():
        covered = ", ".join(f"{100 * c.level:g} % covered {100 * c.covered:.0f} %" for c in errors.coverage)
        pairs.append(("intervals", f"{name}  error ± {errors.rmse:.3g}; {covered or 'too few samples'}"))
    places = [feature for feature in used if feature.place is not None]
    bands = [feature for feature in card.features if feature.place is None]
    if bands or not places:
        pairs.append(("reads", f"{len(used) - len(places)} of {len(bands)} bands of {card.quantity}{span}"))
    pairs += [("reads", f"{place.name}: {place.place}") for place in places]
    samples = origin.places if origin is not None else None
    if places and samples is not None:
        pairs.append(("places", f"samples are up to {samples.apart_m:.0f} m from their nearest neighbour"))
    pairs += [
        ("steps", " > ".join(card.preprocessing)),
        ("samples", str(card.training.n_samples)),
        ("created", f"{card.created} with geosoil {card.versions.get('geosoil', '?')}"),
    ]
    if origin is None:
        return pairs
    if origin.bounds is not None:
        west, south, east, north = origin.bounds
        pairs.append(("where", f"{west:.4f} to {east:.4f} degrees east, {south:.4f} to {north:.4f} degrees north"))
    stated = [("method", origin.method), ("author", origin.author), ("licence", origin.licence)]
    if waves:
        stated.insert(0, ("sensor", _sensor_text(card)))
    pairs += [(title, text or "not stated") for title, text in stated]
    return pairs + [("not made for", text) for text in origin.not_made_for]


def _range_text(low: float | None, high: float | None) -> str:
    """Return a valid range as words.

    >>> _range_text(0.0, 100.0), _range_text(0.0, None), _range_text(None, None)
    ('valid from 0 to 100', 'valid from 0', 'no valid range')
    """
    ends = [f"{word} {end:g}" for word, end in (("from", low), ("to", high)) if end is not None and abs(end) < 1e300]
    return f"valid {' '.join(ends)}" if ends else "no valid range"


def _sensor_text(card: ModelCard) -> str:
    """Return what measured the spectra that a model learned from, and how its cube stores them."""
    origin = card.origin
    name = origin.sensor if origin is not None else None
    text = name or ("spectra of a table, such as of a laboratory" if card.training.laboratory else "")
    if origin is not None and origin.cube is not None:
        cube = origin.cube
        plus = f" {cube.offset:+g}" if cube.offset else ""
        text = f"{text or 'not stated'}; its cube stores reflectance as value x {cube.scale:g}{plus}"
    return text


def _accuracy(figures: dict[str, Any]) -> str:
    """Return the figures of test rows, with their 95 % intervals where they are known."""
    texts = []
    for name in ("r2", "rmse", "rpiq"):
        value, low, high = (figures.get(f"test_{name}{end}") for end in ("", "_low", "_high"))
        if value is not None:
            interval = "" if low is None or high is None else f" [{low:.3g} to {high:.3g}]"
            texts.append(f"test_{name} {value:.3g}{interval}")
    return ", ".join(texts) or ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
