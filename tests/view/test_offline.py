"""A mailed view keeps to its size, states what it left out, and names nothing outside of itself."""

import re

import numpy as np
import pytest
from small_cube import write_cube
from small_maps import write_map

from geosoil.errors import OutputError
from geosoil.workflows.view import write_view


def test_a_small_map_is_stored_with_all_pixels(tmp_path):
    made = write_view(tmp_path / "soil.html", write_map(tmp_path))
    assert made.notes == ("This file holds all pixels of the map.",)
    assert made.n_bytes == made.path.stat().st_size < 3e6


@pytest.mark.parametrize("megabytes", [3, 6])
def test_a_large_map_is_thinned_to_the_limit_and_reports_it(tmp_path, megabytes):
    path = write_map(tmp_path, shape=(900, 1000))
    made = write_view(tmp_path / "soil.html", path, limit_bytes=int(megabytes * 1e6))
    assert 0.45 * megabytes * 1e6 < made.n_bytes <= megabytes * 1e6
    assert re.fullmatch(r"This file holds a pixel for each square of \d+ x \d+ pixels .*", made.notes[0])
    assert made.notes[0].split(",")[0] in made.path.read_text("utf-8")


def test_spectra_have_their_share_of_the_room(tmp_path):
    rng = np.random.default_rng(0)
    cube = write_cube(
        tmp_path / "cube.tif", shape=(60, 70), values=rng.integers(500, 5000, (100, 60, 70)).astype(np.int16)
    )
    made = write_view(tmp_path / "cube.html", write_map(tmp_path, trust=False), cube=cube, limit_bytes=2_500_000)
    assert made.n_bytes <= 2_500_000 and '"stored_spectra"' in made.path.read_text("utf-8")


def test_a_limit_that_holds_no_layer_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(OutputError, match="without any layer"):
        write_view(tmp_path / "soil.html", write_map(tmp_path), limit_bytes=1_000_000)
    assert not (tmp_path / "soil.html").exists()


def test_the_page_loads_nothing_from_elsewhere(tmp_path):
    text = write_view(tmp_path / "soil.html", write_map(tmp_path)).path.read_text("utf-8")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?!data:)[^\"']*", text)
    assert "connect-src 'none'" in text


def test_names_from_files_cannot_end_the_script_or_add_elements(tmp_path):
    name = "</script><img src=x onerror=alert(1)>"
    text = write_view(tmp_path / "soil.html", write_map(tmp_path, name=name, trust=False)).path.read_text("utf-8")
    assert "<img" not in text


def test_another_ending_or_an_input_as_output_is_refused(tmp_path):
    path = write_map(tmp_path)
    with pytest.raises(OutputError, match=r"expected \.html"):
        write_view(tmp_path / "soil.txt", path)
