"""Names of companies as they compare: without legal form, punctuation and accents."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from cleanco import prepare_default_terms

from crm_steward.normalize.text import ascii_words, plain

_LIMIT: Final = 300

_FRENCH: Final = (
    "sa sas sasu sarl earl eurl sci snc scs sca scm scp selarl selas scop scic gie gaec ei eirl "
    "sel scea sccv ste societe ets etablissements"
).split()
"""French forms stand before the name as often as after it (`SARL Martin`, `Martin SARL`)."""

_AFTER: Final = "cie bv ag kg asbl ltd".split()
_LINKING: Final = frozenset({"et", "and", "und"})


@cache
def _endings() -> frozenset[tuple[str, ...]]:
    """Legal forms of the world, as ASCII words (cleanco's table, and what it lacks)."""
    terms = {tuple(ascii_words(" ".join(parts))) for _, parts in prepare_default_terms()}
    terms |= {(word,) for word in (*_FRENCH, *_AFTER)}
    return frozenset(terms - {()})


_OPENINGS: Final = frozenset(_FRENCH) | {"the"}


def _without_ending(words: list[str]) -> list[str]:
    for size in range(min(4, len(words) - 1), 0, -1):
        if tuple(words[-size:]) in _endings():
            return words[:-size]
    return words


def _without_opening(words: list[str]) -> list[str]:
    return words[1:] if len(words) > 1 and words[0] in _OPENINGS else words


@lru_cache(maxsize=16_384)
def _company_key(text: str) -> str | None:
    undotted = plain(text, _LIMIT).replace(".", "").replace("'", "").replace("’", "")
    words = [word for word in ascii_words(undotted) if word not in _LINKING]
    before: list[str] = []
    while words != before:
        before = words
        words = _without_opening(_without_ending(words))
    return " ".join(words) or None


def company_key(text: str | None) -> str | None:
    """Return a company's name as it compares: `S.A.S. Dupont & Fils` gives `dupont fils`.

    Legal forms are dropped before and after the name; a name that is nothing but a legal form
    keeps its last word.
    """
    return _company_key(text[:_LIMIT]) if text else None
