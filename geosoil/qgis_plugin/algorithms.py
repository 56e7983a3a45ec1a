"""The table of algorithms: each one is a verb of the command line with the options that a dialog needs."""

from dataclasses import dataclass

from qgis.core import QgsProcessing

from .options import (
    Choice,
    Crs,
    File,
    Flag,
    Folder,
    FolderOutput,
    Number,
    Points,
    Raster,
    RasterOutput,
    Rasters,
    Text,
    VectorOutput,
)


@dataclass(frozen=True)
class Described:
    """An algorithm.

    Parameters
    ----------
    verb : str
        The verb of geosoil, which is also the id of the algorithm.
    title, help : str
        What the toolbox shows.
    options : tuple of Option
        In the order of the dialog.
    tags : tuple of str
        Further words for the search.
    project : bool
        Whether the verb writes a QGIS project (--qgz), from which the results are loaded.
    one_of : tuple of str
        Names of options of which exactly one is given.
    text : str
        Name of a text that the verb prints and the algorithm returns; empty: none.
    """

    verb: str
    title: str
    help: str
    options: tuple
    tags: tuple = ()
    project: bool = False
    one_of: tuple = ()
    text: str = ""

    def check(self, given):
        """Return what is wrong with the options that are given, or an empty text."""
        if self.one_of and len(given.intersection(self.one_of)) != 1:
            titles = [option.title for option in self.options if option.name in self.one_of]
            return f"Give one of: {' / '.join(titles)}"
        return ""


CUBE = Raster("CUBE", "Cube of reflectance", "--cube", "A hyperspectral image.")
COVARIATES = Rasters(
    "COVARIATES", "Covariates", "--covariates", "Rasters such as terrain and climate, of any grid, instead of a cube."
)
MODEL = Folder(
    "MODEL", "Model", "--model", "Folder of a model that geosoil has trained, or the name of one.", optional=False
)
MASK = Raster("MASK", "Mask", "--mask", "Pixels where this raster is 0 or has no data are left out.", advanced=True)
OF_A_CUBE = (
    Flag("BARE_SOIL", "Bare soil only", "--bare-soil", "Leave out vegetation, crop residue and water."),
    Number("NDVI_MAX", "NDVI at most", "--ndvi-max", "Threshold of bare soil.", advanced=True),
    Number("NBR2_MAX", "NBR2 at most", "--nbr2-max", "Threshold of bare soil.", advanced=True),
    File("BANDS", "Table of wavelengths", "--bands", "For a cube whose file has no wavelengths.", advanced=True),
    Number("SCALE", "Scale", "--scale", "Reflectance is the stored value x scale + offset.", advanced=True),
    Number("OFFSET", "Offset", "--offset", advanced=True),
    Number("NODATA", "Nodata value", "--nodata", "If the file does not state it.", advanced=True),
)  # fmt: skip
OF_COVARIATES = (
    Raster("LIKE", "Grid", "--like", "Raster whose grid is used; the first covariate if empty.", advanced=True),
    Choice("UNSEEN", "Classes without training samples", "--unseen-classes",
           "Stop, or write no data there.", advanced=True, choices=("stop", "nodata")),
)  # fmt: skip

MAP = Described(
    "map",
    "Map a soil property",
    "Maps a cube or covariates with a model. The map comes with prediction intervals, the dissimilarity to the "
    "training samples and the area of applicability, if the model has them. Finished blocks are kept when you cancel.",
    (
        CUBE, COVARIATES, MODEL,
        RasterOutput("OUTPUT", "Map", "-o", optional=False),
        Number("LEVEL", "Level of the intervals", "--level", "Share of values that the intervals shall hold.",
               low=0.01, high=0.999),
        *OF_A_CUBE, *OF_COVARIATES, MASK,
        Flag("ONLY_APPLICABLE", "Only inside the area of applicability", "--only-applicable", advanced=True),
        Flag("NO_TRUST", "Without intervals and area of applicability", "--no-trust", advanced=True),
        Points("SAMPLES", "Samples to show", "--samples", "Points that are added to the layers of the map."),
        Text("LICENCE", "Licence", "--licence", "Licence of the map, for its metadata.", advanced=True),
        Number("THREADS", "Threads", "--threads", "All cores if empty.", advanced=True, whole=True, low=1),
        Text("MEMORY", "Memory", "--memory", "Limit such as 4GB; half of the free memory if empty.", advanced=True),
        Choice("UNFINISHED", "An unfinished map at this place", "", "Resume it, or discard it and restart.",
               advanced=True, default="resume", choices=("resume", "restart"), as_flag=True),
    ),
    tags=("prediction", "uncertainty", "trust", "hyperspectral"),
    project=True,
    one_of=("CUBE", "COVARIATES"),
)  # fmt: skip
TRAIN = Described(
    "train",
    "Train a model",
    "Fits, validates and saves the model of a recipe, with a report. `geosoil init` writes a recipe from your files.",
    (
        File("RECIPE", "Recipe", "", "A file .toml.", optional=False),
        FolderOutput("OUTPUT", "Model folder", "-o", optional=False),
        Text("BUDGET", "Time limit", "--budget", 'For kind = "auto", such as 10m.', advanced=True),
    ),
    tags=("validation", "recipe"),
)
TERRAIN = Described(
    "terrain",
    "Terrain covariates",
    "Computes slope, aspect, curvatures, catchment area, wetness index, LS-factor and streams of a DEM.",
    (
        Raster("DEM", "DEM", "", "A raster of heights.", optional=False),
        RasterOutput("OUTPUT", "Terrain", "-o", optional=False),
        VectorOutput("STREAMS", "Streams", "--streams", kind=QgsProcessing.TypeVectorLine),
        Choice("SLOPE", "Method of the slope", "--slope-method", advanced=True, default="horn",
               choices=("horn", "zevenbergen_thorne")),
        Choice("FLOW", "Flow", "--flow", "To all lower neighbours (mfd) or to the steepest one (d8).", advanced=True,
               default="mfd", choices=("mfd", "d8")),
        Choice("LS", "LS-factor", "--ls", advanced=True, default="desmet_govers",
               choices=("moore", "desmet_govers", "boehner_selige")),
        Number("STREAM_AREA", "Catchment area of streams (m²)", "--stream-area-m2",
               "Where streams begin; 1 km², or less on a small DEM, if empty.", low=0),
        Choice("DEGREES", "A DEM in degrees", "--degrees", "Refuse it, or scale its cells by latitude.", advanced=True,
               default="refuse", choices=("refuse", "scale")),
        Number("Z_FACTOR", "Metres per unit of height", "--z-factor", advanced=True, low=0),
        Number("NODATA", "Nodata value", "--nodata", "If the file does not state it.", advanced=True),
    ),
    tags=("slope", "twi", "wetness", "streams", "dem"),
    project=True,
)  # fmt: skip
DEPTHS = Described(
    "depths",
    "Horizons to standard depths",
    "Brings soil horizons to the means of standard depths by equal-area splines, one point per profile.",
    (
        File("HORIZONS", "Table of horizons", "", "One row per horizon.", optional=False),
        VectorOutput("OUTPUT", "Profiles", "-o", optional=False, kind=QgsProcessing.TypeVectorPoint),
        Text("PROFILE", "Column of profile ids", "--id", default="profile_id"),
        Text("X", "Column of x or longitude", "--x", default="x"),
        Text("Y", "Column of y or latitude", "--y", default="y"),
        Crs("CRS", "CRS of the coordinates", "--crs"),
        Text("TOP", "Column of upper depths in cm", "--top", default="top_cm"),
        Text("BOTTOM", "Column of lower depths in cm", "--bottom", default="bottom_cm"),
        Text("PROPERTY", "Column of a soil property", "--property", "All columns of numbers if empty."),
        Text("LAYERS", "Limits of the layers in cm", "--layers", default="0,5,15,30,60,100,200"),
        Number("LAMBDA", "Smoothing of the splines", "--lambda", advanced=True, default=0.1, low=0),
        Choice("ON_ERROR", "Profiles with faults", "--on-error", "Stop, or drop the profile.", advanced=True,
               default="stop", choices=("stop", "drop")),
    ),
    tags=("profiles", "splines", "depth"),
)  # fmt: skip
EXPLAIN = Described(
    "explain",
    "Explain a model on a map",
    "Computes on a regular sub-grid how much each spectral region or covariate adds to the prediction (SHAP).",
    (
        CUBE, COVARIATES, MODEL,
        RasterOutput("OUTPUT", "Attributions", "-o", optional=False),
        Number("PIXELS", "Pixels to explain", "--pixels", "2000 of a cube, 500 of covariates, if empty.", whole=True,
               low=1),
        *OF_A_CUBE, *OF_COVARIATES, MASK,
        Number("SEED", "Random seed", "--seed", advanced=True, default=0, whole=True, low=0),
    ),
    tags=("shap", "importance"),
    project=True,
    one_of=("CUBE", "COVARIATES"),
)  # fmt: skip
INFO = Described(
    "info",
    "Describe a file or a model",
    "Describes a cube, a raster, a table of spectra or samples, or a model with its accuracy.",
    (File("PATH", "File or model folder", "", optional=False),),
    tags=("metadata", "accuracy"),
    text="INFO",
)
ALGORITHMS = (MAP, TRAIN, TERRAIN, DEPTHS, EXPLAIN, INFO)
