"""What a Gaussian process cannot learn from: one line, and no model folder."""

import pytest
from click.testing import CliRunner
from small_recipes import TableRecipe

from geosoil.errors import GeosoilError
from geosoil_cli.main import group

GP = ("[validation]", '[model]\nkind = "gp"\n[validation]')
PLACE = ("[validation]", '[features]\nplace = true\n[model]\nkind = "gp"\n[validation]')
INDUCING = ("[validation]", '[model]\nkind = "gp"\ngp = { n_inducing = 41 }\n[validation]')


def few(table):
    return table.iloc[:9]


def constant(table):
    return table.assign(depth_cm=3.0, colour=1.0)


def no_number(table):
    return table.assign(colour=["red", *table.colour[1:]])


@pytest.mark.parametrize(
    ("change", "of_table", "message"),
    [
        (PLACE, None, "samples without coordinates"),
        (INDUCING, None, "n_inducing=41 for"),
        (GP, few, "at least 10"),
        (GP, constant, "the same values in all"),
        (GP, no_number, "red"),
    ],
)
def test_rows_that_a_process_cannot_learn_from_are_refused_in_one_line(tmp_path, change, of_table, message):
    case = TableRecipe(tmp_path)
    if of_table is not None:
        case.table = of_table(case.table)
        case.write()
    result = CliRunner().invoke(group, ["train", str(case.recipe(change)), "-q"])
    assert isinstance(result.exception, GeosoilError), result.output  # `main` prints it and exits with 2
    assert len(str(result.exception).splitlines()) == 1
    assert message in str(result.exception)
    assert not (tmp_path / "models" / "clay").exists()
