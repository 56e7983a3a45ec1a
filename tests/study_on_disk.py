"""What the small studies of all tests share: a recipe in a folder with its files, trained or refused."""

from importlib import import_module

import pytest

from geosoil.errors import GeosoilError
from geosoil.studies.registry import train


class StudyOnDisk:
    """A small study in a folder, sound until a test breaks one part of it; `package` is its folder in geosoil."""

    package: str
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
        return self._module("recipe").read_recipe(self.recipe(*changes))

    def data(self, *changes):
        return self._module("training_data").read_training_data(self.loaded(*changes))

    def train(self, *changes):
        return train(self.recipe(*changes), self.folder / "out" / "model")

    def refusal(self, kind, *changes):
        """Train in vain, and return the one line; nothing is written."""
        path = self.recipe(*changes)
        before = self.everything()
        with pytest.raises(GeosoilError) as caught:
            train(path, self.folder / "out" / "model")
        assert self.everything() == before
        assert type(caught.value) is kind
        line = str(caught.value)
        assert len(line.splitlines()) == 1
        where, _, rest = line.partition(": found ")
        assert where
        assert "; expected " in rest
        assert not rest.endswith("; ")
        return line

    def everything(self):
        return sorted((path.name, path.stat().st_size) for path in self.folder.rglob("*"))

    def _module(self, name):
        return import_module(f"geosoil.studies.{self.package}.{name}")
