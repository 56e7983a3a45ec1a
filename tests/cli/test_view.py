"""`geosoil view`: one file, and one line for what cannot be shown."""

import json

import pytest
from small_maps import write_map


def test_a_view_is_written_to_one_file(tmp_path, geosoil):
    done = geosoil("view", write_map(tmp_path), "--html", tmp_path / "soil.html")
    assert done.code == 0 and done.out.startswith("This file holds all pixels of the map.\nview ")
    assert "soil.html" in done.out and (tmp_path / "soil.html").is_file()


def test_the_result_can_be_json(tmp_path, geosoil):
    done = geosoil("view", write_map(tmp_path, trust=False), "--html", tmp_path / "soil.html", "--json")
    result = json.loads(done.out)
    assert result["path"].endswith("soil.html") and result["n_bytes"] == (tmp_path / "soil.html").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.tif"], "absent.tif: found no such file"),
        (["soil.tif", "--cube", "absent.tif"], "absent.tif: found no such file"),
        (["soil.tif", "--cube", "soil.tif"], "soil.tif: found no wavelengths"),
        (["soil.tif", "--samples", "absent.csv"], "absent.csv: found no such file"),
        (["soil.tif", "--model", "absent", "--cube", "cube.tif"], "absent: found no such model"),
        (["soil.tif", "--html", "soil.txt"], "found the ending .txt"),
        (["soil.tif", "--html", "absent/soil.html"], "absent"),
        (["raw.tif"], "raw.tif: not a raster"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, geosoil, monkeypatch, arguments, message):
    from small_cube import write_cube

    monkeypatch.chdir(tmp_path)
    write_map(tmp_path)
    write_cube(tmp_path / "cube.tif")
    (tmp_path / "raw.tif").write_text("some text")
    done = geosoil("view", *arguments, "--no-browser", *([] if "--html" in arguments else ["--html", "out.html"]))
    assert done.code == 2 and message in done.err and len(done.err.splitlines()) == 1
    assert not list(tmp_path.glob("*.html"))
