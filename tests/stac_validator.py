"""Validate STAC files without a network: the specification by pystac's own schemas, extensions by their written rules.

pystac brings the schemas of STAC 1.1 along, those of extensions it would fetch. The rules below are the extensions'
README tables for the fields that geosoil writes, and every other field with their prefix is refused.
"""

import json

from pystac import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

BASE = "https://stac-extensions.github.io"


def fields(prefix, **properties):
    """A schema of an object that has no field of a prefix but these."""
    named = {f"{prefix}:{name}": rule for name, rule in properties.items()}
    return {"type": "object", "properties": named, "patternProperties": {f"^(?!{prefix}:)": {}},
            "additionalProperties": False}  # fmt: skip


def numbers(count, kind="number"):
    return {"type": "array", "items": {"type": kind}, "minItems": count, "maxItems": count}


PROJECTION = fields(
    "proj",
    code={"type": ["string", "null"], "pattern": "^[A-Z]+:[0-9A-Za-z.]+$"},
    wkt2={"type": "string", "minLength": 20},
    shape=numbers(2, "integer"),
    transform=numbers(6),
    bbox=numbers(4),
)
PROCESSING = fields(
    "processing",
    level={"type": "string", "pattern": "^(RAW|L[0-4][A-C]?)$"},
    lineage={"type": "string"},
    software={"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
)
RASTER = fields("raster", sampling={"enum": ["area", "point"]}, spatial_resolution={"type": "number", "minimum": 0})


def of_items(uri, properties=None, asset=None, required=()):
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "type": "object",
        "required": ["stac_extensions", "properties", "assets"],
        "properties": {
            "stac_extensions": {"contains": {"const": uri}},
            "properties": {**(properties or {}), "required": list(required)},
            "assets": {"additionalProperties": asset or {}},
        },
    }


SCHEMAS = {
    f"{BASE}/projection/v2.0.0/schema.json": (PROJECTION, None, ["proj:code", "proj:shape", "proj:transform"]),
    f"{BASE}/raster/v2.0.0/schema.json": (None, RASTER, []),
    f"{BASE}/processing/v1.2.0/schema.json": (PROCESSING, None, ["processing:software"]),
}


def validate_file(path):
    """Return the content of an item or collection; raise STACValidationError where it breaks a rule."""
    content = json.loads(path.read_text("utf-8"))
    validator = JsonSchemaSTACValidator()
    validator.schema_cache |= {uri: of_items(uri, *rules) for uri, rules in SCHEMAS.items()}
    kind = STACObjectType.ITEM if content["type"] == "Feature" else STACObjectType.COLLECTION
    checked = validator.validate(content, kind, content["stac_version"], content.get("stac_extensions", []))
    assert len(checked) == 1 + len(content.get("stac_extensions", []))
    return content
