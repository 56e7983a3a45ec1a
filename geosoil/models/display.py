"""How models and cards are shown: in one line of text, and as a table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

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
        contents = f", learned from contents of {learned[0]:.4g} to {learned[1]:.4g}" if learned else ""
        pairs.append((f"target {target.name}", f"{target.unit}, valid {target.valid_range}{contents}"))
    for split, figures in sorted(card.metrics.items(), key=lambda item: item[0].startswith("published")):
        # A card of schema 1 has the figures of its one target without the target's name.
        by_target = figures if all(isinstance(values, dict) for values in figures.values()) else {"": figures}
        pairs += [(f"accuracy, {split}", f"{name}  {_accuracy(values)}".strip()) for name, values in by_target.items()]
    pairs += [
        ("reads", f"{len(used)} of {len(card.features)} bands of {card.quantity}{span}"),
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
    pairs += [(title, text or "not stated") for title, text in stated]
    return pairs + [("not made for", text) for text in origin.not_made_for]


def _accuracy(figures: dict[str, Any]) -> str:
    """Return the figures of test rows, with their 95 % intervals where they are known."""
    texts = []
    for name in ("r2", "rmse", "rpiq"):
        value, low, high = (figures.get(f"test_{name}{end}") for end in ("", "_low", "_high"))
        if value is not None:
            interval = "" if low is None or high is None else f" [{low:.3g} to {high:.3g}]"
            texts.append(f"test_{name} {value:.3g}{interval}")
    return ", ".join(texts) or ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
