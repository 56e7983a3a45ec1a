"""The Bokeh document of a view, and how it answers the page.

The page (page.js) asks by setting properties of `ViewState`, and the server answers by setting others; questions and
answers are JSON. The pictures travel as arrays of the data sources of the figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from bokeh.core.properties import String
from bokeh.model import DataModel
from jinja2 import Environment

from geosoil.errors import GeosoilError
from geosoil.view.figures import (
    PANELS,
    attribution_figure,
    legend_figure,
    map_figures,
    profile_figure,
    spectrum_figure,
)
from geosoil.view.palettes import palettes
from geosoil.view.screen import Screen

if TYPE_CHECKING:
    import numpy as np
    from bokeh.document import Document
    from jinja2 import Template

    from geosoil.view.scene import Scene

SCRIPTS = ("core.js", "stored.js", "colours.js", "details.js", "page.js")
FIRST_SIDE = 512  # pixels of the picture that the page shows before it knows its size


class ViewState(DataModel):
    """What the page and the server tell each other, as JSON.

    `about` describes the scene. The page asks for a picture in `ask_view`, for the values at the pointer in
    `ask_values`, for the details of a pixel in `ask_details`; the answers have the number of the question.
    """

    about = String(default="{}")
    ask_view = String(default="")
    tell_view = String(default="")
    ask_values = String(default="")
    tell_values = String(default="")
    ask_details = String(default="")
    tell_details = String(default="")


@dataclass(frozen=True, eq=False)
class Parts:
    """What a document of a scene is made of: its state, its figures, and what the page says of the scene."""

    state: ViewState
    figures: list[Any]
    about: dict[str, Any]


def make_parts(scene: Scene, *, offline: bool = False, **more: Any) -> Parts:
    """Make the figures of a scene, for one document.

    Parameters
    ----------
    scene : Scene
    offline : bool
        Whether the page gets no answers, because it is a file.
    **more
        Further facts for the page.
    """
    about = scene.described() | {
        "palettes": palettes(),
        "offline": offline,
        "training": None
        if scene.training is None
        else {
            "model": scene.training.model,
            "wavelength_nm": scene.training.wavelength_nm.tolist(),
            "low": scene.training.low.tolist(),
            "high": scene.training.high.tolist(),
        },
    }
    state = ViewState(name="state", about=json.dumps(about | more, allow_nan=False))
    maps = map_figures(scene.extent)
    maps["map_a"].tags = [state]  # a part of the document that is not drawn
    figures = [*maps.values()]
    for panel, plot in zip(PANELS, maps.values(), strict=True):
        figures.append(legend_figure(panel, plot.select_one({"name": f"colours_{panel}"})))
    return Parts(state, [*figures, spectrum_figure(), profile_figure(), attribution_figure()], about)


def fill_document(document: Document, parts: Parts) -> None:
    """Add figures to an empty document, with their page."""
    with document.models.freeze():  # references are collected once, instead of for each root
        for figure in parts.figures:
            document.add_root(figure)
    document.title = f"{parts.about['title']} - geosoil"
    document.template = page_template()
    document.template_variables["about"] = parts.about


def serve_document(document: Document, scene: Scene, parts: Parts | None = None) -> None:
    """Add a scene to the document of a session, with a first picture and the answers to the page.

    Parameters
    ----------
    document : Document
    scene : Scene
    parts : Parts, optional
        Figures that were made before, for this document only.
    """
    parts = parts or make_parts(scene)
    state = parts.state
    fill_document(document, parts)
    left, bottom, right, top = scene.extent
    across, down = right - left, (top - bottom) * scene.aspect
    width, height = (max(1, round(FIRST_SIDE * side / max(across, down))) for side in (across, down))
    first = {"n": 0, "edges": [left, bottom, right, top], "size": [width, height], "a": scene.layers[0].key}
    state.update(tell_view=_show(document, scene, first))

    def answer(ask: str, tell: str, reply: Any) -> None:
        def answered(_attribute: str, _old: str, question: str) -> None:
            request = json.loads(question)
            try:
                text = reply(request)
            except (GeosoilError, OSError, ValueError, KeyError, TypeError) as error:
                text = json.dumps({"n": request.get("n"), "error": str(error)})
            state.update(**{tell: text})

        state.on_change(ask, answered)

    def values(request: dict[str, Any]) -> str:
        found = scene.values_at(float(request["x"]), float(request["y"]), list(request["keys"]))
        return json.dumps({"n": request["n"], "x": request["x"], "y": request["y"], **found}, allow_nan=False)

    def details(request: dict[str, Any]) -> str:
        return json.dumps(
            {"n": request["n"], **scene.details_at(float(request["x"]), float(request["y"]))}, allow_nan=False
        )

    answer("ask_view", "tell_view", lambda request: _show(document, scene, request))
    answer("ask_values", "tell_values", values)
    answer("ask_details", "tell_details", details)


def _show(document: Document, scene: Scene, request: dict[str, Any]) -> str:
    """Put what the page asks for into its pictures, and return the answer."""
    left, bottom, right, top = (float(edge) for edge in request["edges"])
    width, height = (int(side) for side in request["size"])
    screen = Screen(left, bottom, right, top, width, height)
    limits = {}
    for panel in PANELS:
        for name, key in (("over", request.get(panel)), ("under", request.get(f"under_{panel}"))):
            if key:
                source: Any = document.get_model_by_name(f"{name}_{panel}")
                source.data = picture_data(scene.picture(key, screen), screen)
        if request.get(panel):
            limits[panel] = list(scene.layer_of[request[panel]].limits)
    return json.dumps({"n": request["n"], "limits": limits, "shown": {panel: request.get(panel) for panel in PANELS}})


def picture_data(picture: np.ndarray, screen: Screen) -> dict[str, list[Any]]:
    """Return a picture as the data of its source."""
    return {
        "image": [picture],
        "x": [screen.left],
        "y": [screen.bottom],
        "dw": [screen.right - screen.left],
        "dh": [screen.top - screen.bottom],
    }


@lru_cache(maxsize=1)
def page_template() -> Template:
    """Return the page with its style and its script, which need no other file but those of Bokeh."""
    folder = files("geosoil") / "view" / "page"
    script = "\n".join(folder.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    style, page = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.html"))
    return Environment(autoescape=True).from_string(page, globals={"style": style, "script": script})
