"""A report as one self-contained HTML file with text, figures and tables."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from geosoil import __version__
from geosoil.io.atomic import atomic_path
from geosoil.report.figure_style import save_figure, write_png

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --soft: #444; --page: #fff; --line: #ddd; --strong: #555;
        --warn: #fff4e0; --warn-line: #b35900; --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e6e3; --soft: #b9b5af; --page: #181818; --line: #3a3a3a;
        --strong: #8c8c8c; --warn: #3a2a10; --warn-line: #f0a040; --link: #8ab8f0; } }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; color: var(--text); background: var(--page);
       max-width: 54rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
a { color: var(--link); }
figure { margin: 1.2rem 0; } .wide { overflow-x: auto; }
img { width: 100%; min-width: 36rem; height: auto; background: #fff; }
figcaption { font-size: .9rem; color: var(--soft); margin: .3rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { border-bottom: 1.5px solid var(--strong); vertical-align: bottom; } td.text, th.text { text-align: left; }
td { white-space: nowrap; } td.text { white-space: normal; min-width: 6rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0; margin: 1rem 0; list-style: none; }
.warning { background: var(--warn); border-left: 4px solid var(--warn-line); padding: .5rem .8rem; margin: .8rem 0; }
footer { margin-top: 3rem; font-size: .85rem; color: var(--soft); border-top: 1px solid var(--line); }
@media print { body { max-width: none; margin: 0; font-size: 11pt; } nav { display: none; } img { min-width: 0; }
  .wide { overflow: visible; } table { font-size: 8.5pt; } th, td { padding: .15rem .3rem; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Parameters
    ----------
    title : str
        Heading.
    text : sequence of str
        Paragraphs of plain text.
    figures : sequence of pairs of str and Figure
        Captions and figures.
    tables : sequence of pairs of str and DataFrame
        Captions and tables.
    warnings : sequence of str
        Paragraphs in front of the text that can change what a reader decides.

    Examples
    --------
    >>> Section("Data", text=("91 samples.",)).title
    'Data'
    """

    title: str
    text: Sequence[str] = ()
    figures: Sequence[tuple[str, Figure]] = field(default=())
    tables: Sequence[tuple[str, pd.DataFrame]] = field(default=())
    warnings: Sequence[str] = ()


def write_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    sections: Sequence[Section],
    drawn: Mapping[Figure, bytes] | None = None,
) -> Path:
    """Write sections as one HTML file without links to other files.

    Numbers in tables are rounded to three significant digits, except integers. The index of a table is its first
    column, unless it is a range index. All text is escaped.

    Parameters
    ----------
    path : path
        File to write.
    title : str
        Title of the page.
    sections : sequence of Section
        Sections in their order.
    drawn : mapping of Figure to bytes, optional
        Figures that were drawn already, as PNG.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(Path(folder) / "report.html", title="SOC < 2 %", sections=[Section("Data")])
    ...     "<h1>SOC &lt; 2 %</h1>" in page.read_text("utf-8")
    True
    """
    known = drawn or {}
    return _write_page(Path(path), title, sections, lambda figure: known.get(figure) or _png(figure))


def _write_page(path: Path, title: str, sections: Sequence[Section], png: Callable[[Figure], bytes]) -> Path:
    links = "".join(
        f'<li><a href="#s{k}">{escape(section.title)}</a></li>' for k, section in enumerate(sections, start=1)
    )
    contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if sections else ""
    made = f"geosoil {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M}"
    body = "\n".join(_section(k, section, png) for k, section in enumerate(sections, start=1))
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{contents}\n<main>\n{body}\n</main>\n"
        f"<footer><p>{escape(made)}</p></footer>\n</body>\n</html>\n"
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def write_report(folder: Path, *, title: str, sections: Sequence[Section]) -> Path:
    """Write each figure as PNG and all sections as `report.html` into a folder; return the path of the page.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(Path(folder), title="SOC", sections=[Section("Data")]).name
    'report.html'
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}  # each figure is drawn once, because a drawing takes longer than everything else in a report
    for section in sections:
        name = "".join(letter if letter.isalnum() else "_" for letter in section.title.lower())
        for i, (_, figure) in enumerate(section.figures):
            path = folder / f"{name}{f'_{i + 1}' if i else ''}.png"
            save_figure(figure, path)
            drawn[figure] = path.read_bytes()
    return _write_page(folder / "report.html", title, sections, drawn.__getitem__)


def _section(number: int, section: Section, png: Callable[[Figure], bytes]) -> str:
    parts = [f'<section id="s{number}">\n<h2>{escape(section.title)}</h2>']
    parts += [f'<p class="warning">{escape(paragraph)}</p>' for paragraph in section.warnings]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in section.text]
    parts += [_figure(caption, describe_figure(figure), png(figure)) for caption, figure in section.figures]
    parts += [_table(caption, table) for caption, table in section.tables]
    return "\n".join([*parts, "</section>"])


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    write_png(figure, buffer)
    return buffer.getvalue()


def _figure(caption: str, description: str, png: bytes) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<img alt="{escape(description)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def describe_figure(figure: Figure) -> str:
    """Return what a figure shows, for readers who cannot see it: its panels and their axes.

    >>> from geosoil.report.figure_style import new_figure, style_axes
    >>> figure = new_figure(2.0)
    >>> style_axes(figure.subplots(), "PLSR", "measured (%)", "predicted (%)")
    >>> describe_figure(figure)
    'Figure of predicted (%) against measured (%), panel PLSR.'
    """
    panels = [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]
    titles = [text for axes in panels if (text := axes.get_title(loc="left") or axes.get_title())]
    ordinates = [text for axes in panels if (text := axes.get_ylabel())]
    abscissas = [text for axes in panels if (text := axes.get_xlabel())]
    shown = " against ".join([*ordinates[:1], *abscissas[:1]]) or "maps"
    of_panels = f", panel{'s' if len(titles) > 1 else ''} {', '.join(titles)}" if titles else ""
    return f"Figure of {shown}{of_panels}."


def _table(caption: str, table: pd.DataFrame) -> str:
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    marks = ["" if is_numeric_dtype(kind) else ' class="text"' for kind in table.dtypes]
    names = [" ".join(str(part) for part in name) if isinstance(name, tuple) else str(name) for name in table.columns]
    head = "".join(f'<th scope="col"{mark}>{escape(name)}</th>' for mark, name in zip(marks, names, strict=True))
    rows = [
        "".join(f"<td{mark}>{escape(format_number(value))}</td>" for mark, value in zip(marks, row, strict=True))
        for row in table.itertuples(index=False, name=None)
    ]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>\n"
        f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption)}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div></figure>"
    )


def format_number(value: Any) -> str:
    """Return a value as text: three significant digits, integers in full, a dash for missing values.

    >>> [format_number(v) for v in (0.123456, 1234.5, 2300.0, 12, 3e-7, None, "PLSR", True)]
    ['0.123', '1234', '2300', '12', '3e-07', '–', 'PLSR', 'yes']
    """
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, Real) and np.isnan(float(value))):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, Real) or isinstance(value, Integral):
        return str(value)
    number = float(value)
    if 999.5 <= abs(number) < 1e7:  # not 1.23e+03
        return f"{number:.0f}"
    text = f"{number:#.3g}"  # "#" keeps trailing zeros, so that columns are aligned
    return text.rstrip(".") if "e" not in text else f"{number:.3g}"
