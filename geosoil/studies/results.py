"""What every study gives back, and the few steps that all share around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosoil.io.atomic import atomic_path, require_writable, require_writable_folder
from geosoil.io.output_paths import check_output_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from geosoil.report.page import Section

    Progress = Callable[[str, int, int], None]


def no_progress(what: str, done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class TrainResult:
    """A trained model, the table of its validation, and where they stand.

    title and sections are those of the report, for whoever adds a map to it; refused: parts of the wish that could
    not be met (a depth without data), a sentence each.
    """

    folder: Path
    report: Path
    model: Any
    table: pd.DataFrame
    notes: tuple[str, ...]
    title: str
    sections: list[Section]
    refused: tuple[str, ...] = ()

    def summary(self) -> str:
        """Say in a few lines what was learned."""
        return "\n".join([*self.notes, table_text(self.table), f"model   {self.folder}", f"report  {self.report}"])


@dataclass(frozen=True)
class CompareResult:
    """The comparison table and where it stands."""

    table: pd.DataFrame
    path: Path
    report: Path
    refused: tuple[str, ...] = ()

    def summary(self) -> str:
        """Show the table."""
        return "\n".join([table_text(self.table), f"table   {self.path}", f"report  {self.report}"])


def table_text(table: pd.DataFrame) -> str:
    """Return a comparison table as plain text of a terminal's width."""
    shown = table.rename(columns=lambda name: name.replace("train_", "tr_").replace("test_", "te_"))
    return shown.to_string(index=False, float_format=lambda value: f"{value:.3g}")


def model_folder(output: str | Path | None, name: str) -> Path:
    """Return where a model goes, by default models/NAME; raises OutputError where that cannot be written."""
    return require_writable_folder(Path(output) if output is not None else Path("models") / name)


def table_path(output: str | Path | None, name: str) -> Path:
    """Return where a comparison table goes, by default NAME_comparison.csv; the report's folder will lie beside it.

    Raises OutputError where it is no `.csv`, or one of the two cannot be written.
    """
    path = check_output_path(output if output is not None else f"{name}_comparison.csv", (".csv",), "TABLE.csv")
    require_writable_folder(path.with_suffix(""))  # of the report
    return require_writable(path) if path.parent.exists() else path


def write_comparison(
    table: pd.DataFrame, path: Path, *, title: str, sections: list[Section], refused: list[str] | None = None
) -> CompareResult:
    """Write a comparison table as CSV, and its report in a folder beside it."""
    from geosoil.report.page import write_report

    write_table(table, path)
    page = write_report(path.with_suffix(""), title=title, sections=sections)
    return CompareResult(table, path, page, refused=tuple(refused or ()))


def known_figures(figures: Mapping[Any, float]) -> dict[str, float]:
    """Return the figures that are known, for a model's card, which holds no NaN.

    >>> known_figures({"r2": 0.5, "r2_sd": float("nan")})
    {'r2': 0.5}
    """
    return {str(name): float(value) for name, value in figures.items() if math.isfinite(value)}


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
