"""QGIS metadata of a raster: title, abstract, licence, model and accuracy, as a `.qmd` file beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from geosoil.report.qgis import write_xml

if TYPE_CHECKING:
    import os

NOT_STATED = "not stated"


@dataclass(frozen=True)
class LayerMetadata:
    """What QGIS shows of a layer under Properties, Metadata.

    Parameters
    ----------
    title : str
        Name of the layer.
    abstract : tuple of str
        Paragraphs: what the layer is, by which model, and how accurate.
    keywords : tuple of str
        Such as names of properties.
    licence : str, optional
        Licence of the data; None: not stated.
    author : str, optional
        Who made the model.
    history : tuple of str
        What was done, one entry per step.
    begin, end : str, optional
        First and last time of the data, in ISO 8601.

    Examples
    --------
    >>> LayerMetadata("soc", ("Soil organic carbon.",)).licence_text
    'not stated'
    """

    title: str
    abstract: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    licence: str | None = None
    author: str | None = None
    history: tuple[str, ...] = ()
    begin: str | None = None
    end: str | None = None

    @property
    def licence_text(self) -> str:
        """The licence, or that it is not stated."""
        return self.licence or NOT_STATED


def write_metadata(path_of_raster: str | os.PathLike[str], metadata: LayerMetadata) -> Path:
    """Write the metadata of a raster as `.qmd` beside it, and return the file.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     qmd = write_metadata(Path(folder) / "soc.tif", LayerMetadata("soc", ("Soil organic carbon.",)))
    ...     qmd.name, ElementTree.parse(qmd).findtext("license")
    ('soc.qmd', 'not stated')
    """
    path = Path(path_of_raster).with_suffix(".qmd")
    write_xml(path, metadata_element(metadata, "qgis"), doctype="qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'")
    return path


def metadata_element(metadata: LayerMetadata, tag: str) -> ElementTree.Element:
    """Return the metadata as an element: `qgis` in a file of its own, `resourceMetadata` in a layer of a project."""
    root = ElementTree.Element(tag)
    texts = {
        "identifier": "",
        "parentidentifier": "",
        "language": "ENG",
        "type": "dataset",
        "title": metadata.title,
        "abstract": "\n".join(metadata.abstract),
    }
    for name, text in texts.items():
        ElementTree.SubElement(root, name).text = text
    if metadata.keywords:
        keywords = ElementTree.SubElement(root, "keywords", vocabulary="geosoil")
        for word in metadata.keywords:
            ElementTree.SubElement(keywords, "keyword").text = word
    if metadata.author:
        contact = ElementTree.SubElement(root, "contact")
        for name, text in (("name", metadata.author), ("role", "author")):
            ElementTree.SubElement(contact, name).text = text
    ElementTree.SubElement(root, "links")
    for entry in metadata.history:
        ElementTree.SubElement(root, "history").text = entry
    ElementTree.SubElement(root, "fees")
    ElementTree.SubElement(root, "license").text = metadata.licence_text
    ElementTree.SubElement(root, "encoding").text = "UTF-8"
    if metadata.begin is not None:
        period = ElementTree.SubElement(
            ElementTree.SubElement(ElementTree.SubElement(root, "extent"), "temporal"), "period"
        )
        ElementTree.SubElement(period, "start").text = metadata.begin
        ElementTree.SubElement(period, "end").text = metadata.end or metadata.begin
    return root
