"""The workflow of `geosoil depths`: means of standard depths from a table of horizons."""

import geopandas as gpd
import pytest

from geosoil.errors import OutputError
from geosoil.workflows.depths import harmonise_table

TABLE = (
    "profile_id,lon,lat,top_cm,bottom_cm,soc_pct,clay_pct,bulk_density_g_cm3\n"
    "a,13.0,52.0,0,10,2.5,20,1.2\na,13.0,52.0,10,30,1.0,20,1.3\n"
)
PLACE = {"x": "lon", "y": "lat", "crs": "EPSG:4326"}


@pytest.fixture
def table(tmp_path):
    (tmp_path / "h.csv").write_text(TABLE)
    return tmp_path / "h.csv"


def test_the_written_sites_are_those_returned(table, tmp_path):
    result = harmonise_table(table, tmp_path / "s.gpkg", limits_cm=[0, 10, 30], smoothing=0, **PLACE)
    written = gpd.read_file(tmp_path / "s.gpkg")
    assert written["soc_pct_10_30"].tolist() == result.sites["soc_pct_10_30"].tolist() == pytest.approx([1.0])
    assert written["clay_pct_0_10"].tolist() == pytest.approx([20])


def test_density_reads_the_bulk_density_beside_the_chosen_properties(table, tmp_path):
    chosen = {"limits_cm": [0, 10], "smoothing": 0, "properties": ["soc_pct"], "density": True}
    result = harmonise_table(table, tmp_path / "s.gpkg", **chosen, **PLACE)
    assert result.sites["soc_kg_m3_0_10"].tolist() == pytest.approx([2.5 / 100 * 1200])
    assert not [name for name in result.sites if name.startswith("clay")]


def test_the_output_may_not_be_the_input(tmp_path):
    (tmp_path / "h.gpkg").write_text("horizons")
    with pytest.raises(OutputError, match="is also an input"):
        harmonise_table(tmp_path / "h.gpkg", tmp_path / "h.gpkg")
    assert (tmp_path / "h.gpkg").read_text() == "horizons"
