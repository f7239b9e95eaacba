"""Names of companies as they compare: without legal form, punctuation and accents."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from cleanco import prepare_default_terms

from crm_steward.normalize.text import APOSTROPHES, ascii_words, words

_LIMIT: Final = 300

_FRENCH: Final = words(
    "sa sas sasu sarl earl eurl sci snc scs sca scm scp selarl selas scop scic gie gaec ei eirl "
    "sel scea sccv ste societe ets etablissements"
)
"""French forms stand before the name as often as after it (`SARL Martin`, `Martin SARL`)."""

_AFTER: Final = words("cie bv ag kg asbl ltd")
_WITHOUT_MARKS: Final = str.maketrans(dict.fromkeys(APOSTROPHES + ".", ""))
_LINKING: Final = frozenset({"et", "and", "und"})


@cache
def _endings() -> frozenset[tuple[str, ...]]:
    """Legal forms of the world, as ASCII words (cleanco's table, and what it lacks)."""
    terms = {tuple(ascii_words(" ".join(parts), _LIMIT)) for _, parts in prepare_default_terms()}
    terms |= {(word,) for word in _FRENCH | _AFTER}
    return frozenset(terms - {()})


_OPENINGS: Final = _FRENCH | {"the"}


def _without_ending(name: list[str]) -> list[str]:
    for size in range(min(4, len(name) - 1), 0, -1):
        if tuple(name[-size:]) in _endings():
            return name[:-size]
    return name


def _without_opening(name: list[str]) -> list[str]:
    return name[1:] if len(name) > 1 and name[0] in _OPENINGS else name


@lru_cache(maxsize=16_384)
def _company_key(text: str) -> str | None:
    found = ascii_words(text.translate(_WITHOUT_MARKS), _LIMIT)
    name = [word for word in found if word not in _LINKING]
    before: list[str] = []
    while name != before:
        before = name
        name = _without_opening(_without_ending(name))
    return " ".join(name) or None


def company_key(text: str | None) -> str | None:
    """Return a company's name as it compares: `S.A.S. Dupont & Fils` gives `dupont fils`.

    Legal forms are dropped before and after the name; a name that is nothing but a legal form
    keeps its last word.
    """
    return _company_key(text[:_LIMIT]) if text else None
