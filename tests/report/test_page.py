"""The page: one file, whole, escaped, with tables that can be read."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import geosoil
from geosoil.errors import OutputError
from geosoil.report.page import Section, format_number, write_page, write_report
from geosoil.report.training_figures import loss_figure

VOID = {"meta", "img", "br", "link"}


class Reader(HTMLParser):
    """Collects text, cells and addresses, and holds that every tag is closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.cells, self.addresses = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)
        elif data.strip() and self.open[-1] != "style":
            self.text.append(data)


def page(folder, **changes):
    table = pd.DataFrame({"model": ["PLSR", "<SVR>"], "RMSE": [0.123456, np.nan], "n": [61, 1234]})
    section = Section(
        "Result & more",
        text=("First <b>paragraph</b>.",),
        figures=[("Loss by epoch", loss_figure({"total": [2.0, 1.0]}))],
        tables=[("Accuracy", table), ("Indexed", table.set_index("model"))],
    )
    path = write_page(folder / "report.html", title="SOC < 2 %", sections=[section])
    return path.read_text("utf-8")


def test_the_page_is_one_file_that_needs_no_other(tmp_path):
    addresses = Reader(page(tmp_path)).addresses
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert all(address.startswith(("data:", "#")) for address in addresses)


def test_figures_are_png_inside_the_page(tmp_path):
    (image,) = [a for a in Reader(page(tmp_path)).addresses if a.startswith("data:image/png;base64,")]
    assert base64.b64decode(image.split(",")[1]).startswith(b"\x89PNG")


def test_a_report_has_each_figure_as_a_file_and_in_the_page_and_draws_it_once(tmp_path, monkeypatch):
    figures = [loss_figure({"total": losses}) for losses in ([2.0, 1.0], [1.0, 2.0])]
    drawings = []
    for figure in figures:
        draw = figure.draw
        monkeypatch.setattr(figure, "draw", lambda *args, _draw=draw: drawings.append(_draw(*args)))
    sections = [Section("The loss", figures=[("down", figures[0]), ("up", figures[1])])]
    images = Reader(write_report(tmp_path, title="SOC", sections=sections).read_text("utf-8")).addresses
    inside = [base64.b64decode(image.split(",")[1]) for image in images if image.startswith("data:")]
    assert inside == [(tmp_path / name).read_bytes() for name in ("the_loss.png", "the_loss_2.png")]
    assert inside[0] != inside[1]
    assert len(drawings) == 2


def test_all_text_is_escaped(tmp_path):
    reader = Reader(page(tmp_path))
    assert "<b>" not in page(tmp_path)
    for text in ("SOC < 2 %", "Result & more", "First <b>paragraph</b>."):
        assert text in reader.text
    assert "<SVR>" in reader.cells


def test_tables_have_three_significant_digits_and_keep_a_named_index(tmp_path):
    once = ["model", "RMSE", "n", "PLSR", "0.123", "61", "<SVR>", "–", "1234"]
    assert Reader(page(tmp_path)).cells == once * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.500"), (np.float32(0.1239), "0.124"), (12.34, "12.3"), (123.4, "123"), (999.9, "1000"),
        (123456.7, "123457"), (1e9, "1e+09"), (0.00012345, "0.000123"), (0.0, "0.00"), (-0.98765, "-0.988"),
        (7, "7"), (np.int64(1234567), "1234567"), (np.bool_(False), "no"), (pd.NA, "–"), (np.inf, "inf"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_to_three_significant_digits(value, text):
    assert format_number(value) == text


def test_a_page_of_nothing_is_still_a_page(tmp_path):
    write_page(tmp_path / "empty.html", title="empty", sections=[])
    title, heading, made = Reader((tmp_path / "empty.html").read_text("utf-8")).text
    assert (title, heading) == ("empty", "empty")
    assert made.startswith(f"geosoil {geosoil.__version__}, 20")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        write_page(tmp_path / "absent" / "page.html", title="a", sections=[])


def test_warnings_come_before_the_text_of_a_section(tmp_path):
    section = Section("Summary", ["R² is 0.8."], warnings=["12 of 90 predictions were at 0: model the logarithm."])
    text = write_page(tmp_path / "a.html", title="a", sections=[section]).read_text("utf-8")
    assert '<p class="warning">12 of 90 predictions' in text
    assert text.index("12 of 90") < text.index("R² is 0.8")


def test_a_figure_is_described_by_its_axes_and_not_by_its_caption(tmp_path):
    text = page(tmp_path)
    (description,) = re.findall(r'<img alt="([^"]+)"', text)
    assert description == "Figure of loss against epoch."
    assert "<figcaption>Loss by epoch</figcaption>" in text


def test_a_wide_table_scrolls_by_itself(tmp_path):
    assert page(tmp_path).count('<div class="wide" tabindex="0" role="group"') == 3  # a figure and two tables
