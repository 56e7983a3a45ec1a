"""Run the plugin in a real QGIS without a window, and list what is wrong with what QGIS shows."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from geosoil.workflows.qgis_plugin import write_plugin

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_data"
PYTHON = os.environ.get("GEOSOIL_QGIS_PYTHON", "/usr/bin/python3")  # the Python that QGIS is installed into
ALGORITHMS = {f"geosoil:{verb}" for verb in ("map", "train", "terrain", "depths", "explain", "info")}
MOST_SECONDS = 2.0  # from a click on "cancel" to the end of the algorithm
FIRST_OF_SHAP = ("visible", "near infrared", "shortwave infrared 1", "shortwave infrared 2", "ultraviolet")


def why_no_qgis():
    """Return why QGIS cannot be used here, or an empty text."""
    if shutil.which("qgis_process") is None or not Path(PYTHON).exists():
        return "QGIS is not installed here"
    done = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"{PYTHON} has no PyQGIS"


def run_session(folder):
    """Let QGIS run the algorithms and open their results, and return its answers."""
    plugin = write_plugin(folder / "geosoil.zip")
    with zipfile.ZipFile(plugin.path) as archive:
        archive.extractall(folder / "plugins")
    program = folder / "geosoil"
    paths = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), *(p for p in sys.path if p)]))
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" exec "{sys.executable}" -m geosoil_cli.main "$@"\n')
    program.chmod(0o755)
    cube, model = str(SAMPLES / "gf5" / "gf5.tif"), str(SAMPLES / "models" / "as_svr")
    of_cube = {"CUBE": cube, "MODEL": model}
    runs = {
        "map": ["geosoil:map", {**of_cube, "OUTPUT": {"load": str(folder / "as.tif")}, "LICENCE": "CC0-1.0",
                                "SAMPLES": str(SAMPLES / "gf5" / "samples.gpkg")}, None],
        "terrain": ["geosoil:terrain", {"DEM": str(SAMPLES / "soc" / "dem.tif"), "STREAMS": str(folder / "s.gpkg"),
                                        "OUTPUT": {"load": str(folder / "terrain.tif")}}, None],
        "explain": ["geosoil:explain", {**of_cube, "OUTPUT": str(folder / "shap.tif"), "PIXELS": 25}, None],
        "info": ["geosoil:info", {"PATH": model}, None],
        "neither": ["geosoil:map", {"MODEL": model, "OUTPUT": str(folder / "x.tif")}, None],
        "refused": ["geosoil:map", {"CUBE": str(SAMPLES / "soc" / "dem.tif"), "MODEL": model,
                                    "OUTPUT": str(folder / "y.tif")}, None],
        "cancelled": ["geosoil:explain", {**of_cube, "OUTPUT": str(folder / "z.tif"), "PIXELS": 4096}, 5.0],
    }  # fmt: skip
    request = {
        "program": str(program),
        "plugin": str(folder / "plugins"),
        "runs": runs,
        "projects": [str(folder / "as.qgz"), str(folder / "terrain.qgz")],
        "rasters": [str(folder / name) for name in ("as.tif", "as_trust.tif", "terrain.tif", "shap.tif")],
    }
    (folder / "request.json").write_text(json.dumps(request), "utf-8")
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "GEOSOIL")}
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("qgis_session.py"), folder], capture_output=True, text=True, check=False,
        env={**variables, "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder)}, timeout=1500,
    )  # fmt: skip
    if not (folder / "answers.json").exists():
        raise AssertionError(f"QGIS ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads((folder / "answers.json").read_text("utf-8"))


def checks(answers, folder):
    """Yield the name of each check of the answers of `run_session`, and whether it holds."""
    runs, rasters = answers["runs"], {Path(path).name: shown for path, shown in answers["rasters"].items()}
    algorithms = answers["algorithms"]
    yield "the six algorithms are there", set(algorithms) == ALGORITHMS
    for name, shown in algorithms.items():
        has_titles = all(titled for _, titled in shown["parameters"].values())
        yield f"{name} has help, and its parameters titles", len(shown["help"]) > 40 and has_titles
        yield f"{name} finds the program", shown["can_run"]
    for name in ("map", "terrain", "explain", "info"):
        yield f"{name} runs", runs[name]["done"]
        yield f"{name} reports progress", runs[name]["percents"][-1:] == [100]
    yield "info returns its text", "as_mg_kg" in runs["info"]["results"].get("INFO", "")
    yield "two inputs are needed", "Give one of" in runs["neither"]["fault"]
    refused = runs["refused"]
    yield "an error of geosoil is shown", not refused["done"] and any("no wavelengths" in t for t in refused["lines"])
    yield "a run is cancelled in time", (runs["cancelled"]["seconds_after_cancel"] or 99) < MOST_SECONDS
    files = [path.name for path in Path(folder).glob("z.*") if path.is_file()]  # a killed run leaves its scratch folder
    yield "a cancelled run leaves no file", not files

    groups = runs["map"]["tree"].get("as", {})
    yield "the map is grouped", list(groups) == ["samples", "trust", "prediction"]
    layers = {name: layer for group in groups.values() for name, layer in group.items()}
    yield "all layers are valid", bool(layers) and all(layer["valid"] for layer in layers.values())
    visible = [name for name, layer in layers.items() if layer["visible"]]
    yield "samples, area and map are seen", visible == ["samples (n = 91)", "inside", "as_mg_kg (mg/kg)"]
    map_layer, area = layers.get("as_mg_kg (mg/kg)", {}), layers.get("inside", {})
    yield (
        "the legend has no prefix and shows saturation",
        (map_layer.get("prefix") == "" and str(map_layer.get("last")).startswith("≥ ")),
    )
    yield "the licence is stated", map_layer.get("licences") == ["CC0-1.0"]
    yield (
        "the area is a palette with labels",
        (area.get("renderer") == "paletted" and "outside the area of applicability" in area.get("legend", [])),
    )
    terrain = runs["terrain"]["tree"].get("terrain", {})
    yield "terrain has streams and nine bands", list(terrain) == ["streams", "terrain"] and len(terrain["terrain"]) == 9
    yield (
        "each band of terrain has its own band and colours",
        (sorted(layer["band"] for layer in terrain.get("terrain", {}).values()) == list(range(1, 10))),
    )

    for name, shown in rasters.items():
        single = shown["renderer"] in ("singlebandpseudocolor", "paletted")
        yield f"{name} alone is not drawn as RGB", single
        yield f"{name} has title, abstract and licence", all(shown[k] for k in ("title", "abstract", "licences"))
    yield "the trust map shows the area first", rasters["as_trust.tif"]["band_name"].endswith("inside")
    yield "terrain shows heights first", rasters["terrain.tif"]["band_name"].endswith("filled_dem_m")
    yield (
        "attributions show the most important band first, around zero",
        (
            rasters["shap.tif"]["band_name"].partition(": ")[2] in FIRST_OF_SHAP
            and rasters["shap.tif"]["low"] == -rasters["shap.tif"]["high"]
        ),
    )
    yield "the abstract has the accuracy", "test_rmse" in rasters["as.tif"]["abstract"]
    for path, project in answers["projects"].items():
        yield (
            f"{Path(path).name} opens with a CRS and is drawn",
            (project["opened"] and project["drawn"] and project["crs"].startswith("EPSG:")),
        )
    yield "the plugin unloads", answers["unloaded"]
