"""What the small recipes of all pipeline tests share: a recipe in a folder with its files, read or refused."""

import pytest

from geosoil.errors import GeosoilError
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.sources import read_rows


class RecipeOnDisk:
    """A recipe with its files in a folder, valid until a test breaks one part of it."""

    text: str

    def __init__(self, folder):
        self.folder = folder

    def recipe(self, *changes):
        """Write the recipe with some of its text replaced."""
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = self.folder / "recipe.toml"
        path.write_text(text)
        return path

    def loaded(self, *changes):
        return read_recipe(self.recipe(*changes))

    def read(self, *changes):
        return read_rows(self.loaded(*changes))

    def refusal(self, kind, *changes):
        """Read in vain, and return the one line of the error; nothing is written."""
        path = self.recipe(*changes)
        before = self.everything()
        with pytest.raises(GeosoilError) as caught:
            read_rows(read_recipe(path))
        assert self.everything() == before
        assert type(caught.value) is kind, caught.value
        line = str(caught.value)
        assert len(line.splitlines()) == 1
        assert ": " in line
        assert not line.endswith("; ")
        return line

    def everything(self):
        return sorted((path.name, path.stat().st_size) for path in self.folder.rglob("*"))
