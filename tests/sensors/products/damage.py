"""Changes that make a product in HDF5 malformed, and the check that such a product is refused."""

import re
import shutil

import h5py
import pytest

from geosoil.sensors.cube import open_cube


def without(name):
    """Return a change that removes a data set or a group."""

    def change(file):
        del file[name]

    return change


def attribute(name, value=None, node="/"):
    """Return a change that sets an attribute, or removes it."""

    def change(file):
        if value is None:
            del file[node].attrs[name]
        else:
            file[node].attrs[name] = value

    return change


def replace(name, values):
    """Return a change that replaces the values of a data set; a function of the old values gives the new ones."""

    def change(file):
        attributes = dict(file[name].attrs)
        old = file[name][()]
        del file[name]
        file[name] = values(old) if callable(values) else values
        file[name].attrs.update({key: value for key, value in attributes.items() if key != "DIMENSION_LIST"})

    return change


def first_is(value):
    """Return a function that changes the first value of an array."""

    def changed(old):
        new = old.copy()
        new.flat[0] = value
        return new

    return changed


def assert_refused(product, folder, change, error, message):
    """Assert that a changed copy of an HDF5 product is refused in one line, which names the file."""
    path = shutil.copy(product, folder)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(error, match=rf"{re.escape(str(path))}: .*{message}") as raised:
        open_cube(path)
    assert "\n" not in str(raised.value)
