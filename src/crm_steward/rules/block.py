"""What every part of a rule file is made of."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from crm_steward.documented import Documented

Mistake = tuple[tuple[str, ...], PydanticCustomError]
"""The way from a block to what is wrong in it, and what that is."""


class Block(Documented):
    """A mapping of the rule file: unknown keys are mistakes, nothing changes after loading.

    The docstrings of its attributes are what an editor shows.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=False,
        serialize_by_alias=True,
    )


def refuse(mistakes: Iterator[Mistake]) -> None:
    """Raise all of `mistakes` at once, each with its place inside the block.

    Raises:
        ValidationError: There are some.
    """
    details = [
        InitErrorDetails(type=error, loc=tuple(map(_index, place)), input=None)
        for place, error in mistakes
    ]
    if details:
        raise ValidationError.from_exception_data("rule", details)


def _index(part: str) -> str | int:
    return int(part) if part.isdecimal() else part
