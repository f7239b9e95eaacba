"""Given names that may be one person's: William and Bill, Sergei and Sergey, José and Pepe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

TITLES: Final = [
    "dr",
    "prof",
    "pr",
    "mr",
    "mrs",
    "ms",
    "miss",
    "m",
    "mm",
    "mme",
    "mlle",
    "me",
    "herr",
    "frau",
    "hr",
    "fr",
    "ing",
    "dipl",
    "sr",
    "sra",
    "srta",
    "d",
    "dna",
    "don",
    "dona",
    "sir",
    "lady",
    "rev",
    "sig",
    "dott",
]
"""What may stand before a given name and is none."""

MOST_SETS: Final = 3
"""Sets looked at for one name. `alex` stands in ten; the commonest come first in the file."""


def _sets() -> Iterator[tuple[str, list[str]]]:
    """Yield each formal name and the others of its set, as `normalize.name_key` gives them."""
    text = files("crm_steward.matching").joinpath("given_names.txt").read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            formal, _, others = line.partition(":")
            yield formal.replace("_", " "), [one.replace("_", " ") for one in others.split()]


@cache
def given_names() -> Mapping[str, tuple[int, ...]]:
    """Return, for each name, the numbers of the sets it belongs to.

    Two different names that share a set may be one person's.
    """
    found: dict[str, list[int]] = {}
    for number, (formal, others) in enumerate(_sets()):
        for name in dict.fromkeys([formal, *others]):
            found.setdefault(name, []).append(number)
    return {name: tuple(sets[:MOST_SETS]) for name, sets in found.items()}


@cache
def formal_names() -> Mapping[str, tuple[str, ...]]:
    """Return, for each name that is short or spelt otherwise, the formal names it may stand for."""
    found: dict[str, list[str]] = {}
    for formal, others in _sets():
        for name in others:
            found.setdefault(name, []).append(formal)
    return {name: tuple(formals) for name, formals in found.items()}
