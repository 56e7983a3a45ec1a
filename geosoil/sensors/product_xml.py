"""Read the XML of a product safely: a bounded tree, without document types, entities and namespaces."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from geosoil.errors import RasterError

MOST_ELEMENTS = 500_000  # the XML of an EnMAP scene has up to 5 MB
DEEPEST = 100


def parse_xml(content: bytes, where: object) -> Element:
    """Return the tree of an XML without the namespaces of its names.

    A document type is refused in any encoding, because entities can expand without limit or read other files.

    Parameters
    ----------
    content : bytes
        The file.
    where : object
        Its name, for messages.

    Returns
    -------
    xml.etree.ElementTree.Element
        The outermost element. `iter(name)` and `find(path)` search it.

    Raises
    ------
    RasterError
        If it is not valid, has a document type, or is larger than the metadata of a product.

    Examples
    --------
    >>> tree = parse_xml(b'<p:a xmlns:p="x"><p:b number="1"> 2 </p:b></p:a>', "a.xml")
    >>> tree.tag, [(b.get("number"), text_of(b)) for b in tree.iter("b")]
    ('a', [('1', '2')])
    """
    builder, depth, count = TreeBuilder(), 0, 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise RasterError(
                where,
                found=f"more than {DEEPEST} levels or {MOST_ELEMENTS} elements",
                expected="the metadata of a product",
                way_out="use the file as delivered",
            )
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    def refuse(*_: object) -> None:
        raise RasterError(
            where, found="a document type declaration", expected="plain elements", way_out="do not trust this file"
        )

    if re.match(rb"<\?xml[^>]*encoding=.gb", content, re.IGNORECASE):
        content = content.decode("gb18030", errors="replace").encode()  # expat cannot read Chinese encodings
        parser = expat.ParserCreate("utf-8")
    else:
        parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.CharacterDataHandler = builder.data
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise RasterError(
            where,
            problem=f"not valid XML ({error})",
            expected="the metadata of a product",
            way_out="use the file as delivered",
        ) from error
    root: Any = builder.close()
    return root


def text_of(element: Element | None) -> str:
    """Return the text of an element without blanks around it; empty for None.

    >>> text_of(None)
    ''
    """
    return "" if element is None or element.text is None else element.text.strip()


def _local(name: str) -> str:
    return name.rpartition(":")[2]
