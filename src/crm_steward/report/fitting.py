"""What a report shows less of, so that it fits into a mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from crm_steward.report.phrasing import LINES
from crm_steward.report.twins import SHOWN

_Step = TypeVar("_Step")
_Made = TypeVar("_Made")
LARGEST = 95_000
"""Bytes of HTML: Gmail cuts a message off at 102 kB
(https://github.com/hteumeuleu/email-bugs/issues/41), links of the footer included."""

EXAMPLES = 5
"""Examples that a rule has at most."""
_RULES, _FEWER_RULES = 25, 15


class Shorter(NamedTuple):
    """What a report shows, and with what it makes do.

    Args:
        groups: Groups of duplicates.
        pictures: How many of them have the picture of their weakest link.
        examples: Examples of each rule.
        charts: Whether each health figure has its little chart, whose numbers stand beside it.
        rules: Rules one by one.
        lines: Lines of any other section.
    """

    groups: int
    pictures: int
    examples: int
    charts: bool = False
    rules: int = _RULES
    lines: int = LINES


SHORTER = tuple(Shorter(SHOWN, SHOWN, n, charts=True) for n in range(EXAMPLES, 2, -1))
SHORTEST = (
    Shorter(SHOWN, SHOWN, EXAMPLES),
    *(Shorter(SHOWN, SHOWN, n, rules=_FEWER_RULES) for n in range(EXAMPLES, 1, -1)),
    *(
        Shorter(SHOWN, pictures, n, rules=_FEWER_RULES)
        for pictures, n in ((2, 2), (1, 2), (0, 2), (0, 1))
    ),
    *(Shorter(groups, 0, 1, rules=_FEWER_RULES) for groups in range(SHOWN - 1, 0, -1)),
    Shorter(1, 0, 0, rules=_FEWER_RULES),
    *(Shorter(0, 0, 0, rules=min(_FEWER_RULES, 4 * n), lines=n) for n in (LINES, 5, 3, 1)),
)


def first_fitting(steps: Sequence[_Step], made: Callable[[_Step], _Made | None]) -> _Made | None:
    """Return what is made by the first step that fits, or None; each step makes less than the one before.

    Making a page takes long: the last is tried first, then the middle of what is left.
    """
    found, low, high = None, 0, len(steps)
    place = high - 1
    while low < high:
        fitting = made(steps[place])
        if fitting is None:
            low = place + 1
        else:
            found, high = fitting, place
        place = (low + high) // 2
    return found
