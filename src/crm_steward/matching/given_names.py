"""Given names that may be one person's: William and Bill, Sergei and Sergey, José and Pepe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

MOST_SETS: Final = 3
"""Sets looked at for one name. `alex` stands in ten; the commonest come first in the file."""


@cache
def given_names() -> Mapping[str, tuple[int, ...]]:
    """Return, for each name of `given_names.txt`, the numbers of the sets it belongs to.

    Two different names that share a set may be one person's. Names are keys as
    `normalize.name_key` gives them.
    """
    found: dict[str, list[int]] = {}
    text = files("crm_steward.matching").joinpath("given_names.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    for number, line in enumerate(lines):
        formal, _, others = line.partition(":")
        for name in dict.fromkeys([formal, *others.split()]):
            found.setdefault(name.replace("_", " "), []).append(number)
    return {name: tuple(sets[:MOST_SETS]) for name, sets in found.items()}
