"""The colours of the viewer, all readable with colour-blindness."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

PaletteName = Literal["viridis", "cividis", "magma", "greys", "blue to red", "in or out"]
COLOURS = 256
# Name in the page -> colour map of matplotlib. All have a monotonic lightness, or diverge in blue and red, which all
# kinds of colour vision distinguish.
_MAPS = {"viridis": "viridis", "cividis": "cividis", "magma": "magma", "greys": "Greys_r", "blue to red": "RdBu_r"}
OUTSIDE, INSIDE = "#D55E00", "#56B4E9"  # of Okabe and Ito


@lru_cache(maxsize=1)
def palettes() -> dict[str, list[str]]:
    """Return all palettes as lists of colours from low to high.

    Examples
    --------
    >>> palettes()["viridis"][0], len(palettes()["cividis"]), palettes()["in or out"]
    ('#440154', 256, ['#D55E00', '#56B4E9'])
    """
    positions = np.linspace(0, 1, COLOURS)
    ramps = {name: [to_hex(colour) for colour in colormaps[ramp](positions)] for name, ramp in _MAPS.items()}
    return ramps | {"in or out": [OUTSIDE, INSIDE]}
