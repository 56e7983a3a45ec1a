"""`geosoil map` of a cube in a bucket is the map of the cube on disk."""

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from s3_server import s3_server
from small_cube import save_trained_model, write_cube

from geosoil_cli.main import group

pytest.importorskip("boto3")
pytest.importorskip("moto")


@pytest.mark.slow
def test_a_map_of_a_cube_in_a_bucket_is_the_map_of_the_cube_on_disk(tmp_path, monkeypatch):
    save_trained_model(tmp_path / "share")
    cube = write_cube(tmp_path / "cube.tif", shape=(103, 151), tiled=True, blockxsize=64, blockysize=64)
    monkeypatch.chdir(tmp_path)
    with s3_server(monkeypatch) as client:
        client.upload_file(str(cube), "sound", "scenes/cube.tif")
        maps = {}
        for name, source in (("disk", str(cube)), ("bucket", "s3://sound/scenes/cube.tif")):
            words = [
                "map",
                "--cube",
                source,
                "--model",
                "share",
                "-o",
                f"{name}.tif",
                "--block",
                "64",
                "--threads",
                "2",
            ]
            done = CliRunner().invoke(group, words, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            with rasterio.open(f"{name}.tif") as made:
                maps[name] = made.read(), made.tags(), made.transform
    np.testing.assert_array_equal(maps["bucket"][0], maps["disk"][0])
    assert maps["bucket"][2] == maps["disk"][2]
    assert np.isfinite(maps["bucket"][0]).any()
    assert "EXAMPLE" not in str(maps["bucket"][1]) + done.output
