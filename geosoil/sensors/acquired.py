"""When a scene was acquired, as its product states it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from geosoil.sensors.gf5 import GF5_AHSI, ZY1_AHSI

if TYPE_CHECKING:
    from collections.abc import Mapping

BEIJING = timezone(timedelta(hours=8))
ZONES = {GF5_AHSI.name: BEIJING, ZY1_AHSI.name: BEIJING}  # of products that state local times; others are in UTC
NAMES = ("StartTime", "time_coverage_start")


def acquisition_time(attrs: Mapping[str, Any]) -> datetime | None:
    """Return the time of acquisition from the attributes of a cube, in UTC; None if it is not stated.

    Examples
    --------
    >>> acquisition_time({"StartTime": "2021-05-04T03:02:01.5Z"}).isoformat()
    '2021-05-04T03:02:01+00:00'
    >>> acquisition_time({"StartTime": "2019-01-22 13:09:10", "sensor": GF5_AHSI.name}).hour
    5
    >>> acquisition_time({"StartTime": "yesterday"}) is None
    True
    """
    text = next((str(attrs[name]).strip() for name in NAMES if attrs.get(name)), "")
    try:
        stated = datetime.fromisoformat(text)
    except ValueError:
        return None
    if stated.tzinfo is None:
        stated = stated.replace(tzinfo=ZONES.get(str(attrs.get("sensor")), UTC))
    return stated.astimezone(UTC).replace(microsecond=0)
