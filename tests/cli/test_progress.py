"""Training and comparison report their progress off a terminal as well."""

import io
import time

import pytest
from rich.console import Console
from rich.progress import Progress
from small_recipes import SpectraRecipe

from geosoil_cli import progress
from geosoil_cli.progress import BarReporter, TextLines, make_reporter

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.mark.parametrize("verb", ["train", "compare"])
def test_a_line_of_progress_is_printed_for_each_fold_and_none_if_quiet(verb, tmp_path, geosoil):
    settings = '[model]\nkind = "pls"\ncompare = ["pls", "ridge"]\n[validation]'
    recipe = SpectraRecipe(tmp_path).recipe(("[validation]", settings))
    output = tmp_path / ("model" if verb == "train" else "table.csv")
    done = geosoil(verb, recipe, "-o", output)
    assert done.code == 0
    lines = [line for line in done.err.splitlines() if line.startswith("validation by")]
    numbers = [int(line.split(": ")[1].split(" of ")[0]) for line in lines]
    assert numbers == list(range(int(lines[0].split(" of ")[1].split()[0]) + 1))
    assert len(numbers) > 2
    quiet = geosoil(verb, recipe, "-o", output, "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert "test_r2" in quiet.out
    assert quiet.out in done.out


def test_many_short_steps_have_few_lines(capsys):
    lines = TextLines()
    for done in range(1001):
        lines("library rows", done, 1000)
    assert capsys.readouterr().err == "library rows: 0 of 1000 done\nlibrary rows: 1000 of 1000 done\n"


def test_a_long_step_is_reported_while_it_runs(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.05)
    with make_reporter("lines") as lines:
        lines("final model", 0, 1)
        deadline, text = time.monotonic() + 20, ""
        while text.count("final model: 0 of 1 done") < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
            text += capsys.readouterr().err
    assert text.count("final model: 0 of 1 done") >= 3


def test_a_result_reaches_the_pipe_while_bars_are_shown_and_a_message_is_a_line_above_them(capsys):
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=60)
    with Progress(console=console, redirect_stdout=False) as bars:
        reporter = BarReporter(bars)
        reporter("map", 1, 2)
        reporter.say("the map [red]", result=True)
        reporter.say("warning: strange")
    assert capsys.readouterr().out == "the map [red]\n"
    assert "warning: strange\n" in terminal.getvalue()
