"""Checks of a part of a trust state that was read from a file, which may come from a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from geosoil.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import numpy as np

Card = TypeVar("Card", bound=BaseModel)


def checked_card(
    kind: type[Card],
    card: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    names: Collection[str],
    check_arrays: Callable[[Card, Mapping[str, np.ndarray]], None],
    *,
    where: object,
    part: str,
) -> Card:
    """Return the checked card of a part of a trust state whose arrays fit it.

    Parameters
    ----------
    kind : type
        The schema of the card.
    card : mapping
    arrays : mapping of str to ndarray
    names : collection of str
        The names that the arrays must have.
    check_arrays : callable
        Called with the card and the arrays; raises ValueError for arrays that no training can have made.
    where : object
        The file that they were read from, for messages.
    part : str
        What the part is, with its verb, for messages.

    Raises
    ------
    ModelFileError
        If something is missing, not finite, of another shape or size, or contradicts the rest.
    """
    try:
        checked = kind.model_validate(dict(card))
        if set(arrays) != set(names):
            raise ValueError(f"arrays {sorted(arrays)[:10]} instead of {sorted(names)}")
        check_arrays(checked, arrays)
    except (ValueError, AttributeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise ModelFileError(
            where,
            problem=f"{part} not valid ({problem})",
            way_out="train the model again, or get its folder again from its author",
        ) from error
    return checked
