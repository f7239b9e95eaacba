"""Names of people: keys to compare them, and the casing that is safe to propose."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from crm_steward.normalize.text import APOSTROPHES, ascii_words, words

_LIMIT: Final = 200

# --- keys -----------------------------------------------------------------------------------------

_UMLAUT: Final = re.compile("([aou])e+")
"""`Müller`, `Mueller` and `Muller` are one name written on three keyboards (so are `Kœnig`, `König`
and `Koenig`): `ae`, `oe`, `ue` fold to their vowel."""
_WITHOUT_APOSTROPHES: Final = str.maketrans(dict.fromkeys(APOSTROPHES + "`\u00b4", ""))


@lru_cache(maxsize=16_384)
def _name_key(text: str) -> str | None:
    found = ascii_words(text.translate(_WITHOUT_APOSTROPHES), _LIMIT)
    return " ".join(_UMLAUT.sub(r"\1", word) for word in found) or None


def name_key(text: str | None) -> str | None:
    """Return one name as it compares: ASCII, lower case, hyphens as spaces, no apostrophes.

    Accents, `ß`, `œ` and the two spellings of an umlaut make no difference.
    """
    return _name_key(text[:_LIMIT]) if text else None


def person_key(first_name: str | None, last_name: str | None) -> str | None:
    """Return the words of both names, sorted, so that swapped fields make no difference."""
    both = f"{name_key(first_name) or ''} {name_key(last_name) or ''}"
    return " ".join(sorted(both.split())) or None


# --- casing ---------------------------------------------------------------------------------------

_LETTER: Final = (
    r"(?:[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"  # Latin
    r"\u0370-\u03ff\u1f00-\u1fff\u0400-\u052f]"  # Greek, Cyrillic
    r"[\u0300-\u036f]*)"  # an accent may stand apart from its letter
)
"""Letters of the scripts that write names with a capital (Georgian has capitals and does not)."""
_LETTERS: Final = re.compile(f"{_LETTER}+(?:[{APOSTROPHES}]{_LETTER}+)*")
_SAFE: Final = re.compile(f"{_LETTER}+(?:[{APOSTROPHES} .-]+{_LETTER}+)*[ .]*")
_TURKISH: Final = re.compile("[İıŞşĞğ]")
_ROMAN: Final = re.compile("(?=[IVX])X{0,3}(IX|IV|V?I{0,3})")
_NO_VOWEL: Final = re.compile("[BCDFGHJKLMNPQRSTVWXZ]+")
_APOSTROPHE: Final = re.compile(f"([{APOSTROPHES}])")

_PARTICLES: Final = words(
    "a af al am an av ap ab bar bat ben bin bint da dal dalla das de degli dei del della delle dem "
    "den der des di do dos du e ed el ep fitz het ibn im in la las le les lo los mc mac ni nic op "
    "os san st ste t ten ter th the to tot van vande vanden vander ver vom von y zu zum zur"
)
"""Words whose case belongs to the bearer: `de Gaulle` and `De Niro`, `van Gogh` and `Van Damme`."""

_NOT_NAMES: Final = words(
    "ag asbl bv bvba cie co company corp eurl gbr gmbh inc kg llc llp ltd nv ohg ong plc sa sarl "
    "sas sasu scea sci scop sl snc spa srl team ug vof dott dr frau herr ing jr me mlle mme mr mrs "
    "ms pr prof sr sra and et oder or ou und"
)
"""Legal forms, titles, conjunctions: the field holds a company, or more than one name."""

_ELIDED: Final = frozenset({"O", "N", "M"})
"""`O'Brien`, `N'Diaye`, `M'Bappe` have one spelling; `d'`, `l'`, `dell'` do not."""


class _UnsafeError(Exception):
    """The right casing cannot be known from the letters."""


def _capitalised(word: str) -> str:
    head, tail = word[0].upper(), word[1:].lower()
    if len(head) != 1 or len(tail) != len(word) - 1:
        raise _UnsafeError
    return head + tail


def _cased_elision(word: str) -> str:
    head, mark, tail = _APOSTROPHE.split(word, maxsplit=1)
    if head.upper() not in _ELIDED or len(tail) < 3 or _APOSTROPHE.search(tail):  # noqa: PLR2004 -- N'Go is an abbreviation as likely as a name
        raise _UnsafeError
    return head.upper() + mark + _capitalised(tail)


def _is_abbreviation(word: str) -> bool:
    short = len(word) <= 2  # noqa: PLR2004 -- JP, JR, II: initials and suffixes
    return short or bool(_ROMAN.fullmatch(word) or _NO_VOWEL.fullmatch(word))


def _is_hyphenated(match: re.Match[str]) -> bool:
    before, after = match.start() - 1, match.end()
    return match.string[max(before, 0)] == "-" or match.string[after : after + 1] == "-"


def _cased_word(match: re.Match[str]) -> str:
    """Return the word as it should read; raises _UnsafeError where only its bearer knows."""
    word = match.group()
    upper = word.isupper()
    if not upper and not word.islower():
        return word
    lower = word.lower()
    if lower in _PARTICLES:
        if upper or not match.string[: match.start()].strip():
            raise _UnsafeError
        return word
    if upper and _is_abbreviation(word) and not _is_hyphenated(match):
        return word
    if len(word) <= 2 or lower.startswith(("mc", "mac", "ij", "fitz")):  # noqa: PLR2004 -- as above
        raise _UnsafeError
    return _cased_elision(word) if _APOSTROPHE.search(word) else _capitalised(word)


@lru_cache(maxsize=16_384)
def _cased_name(text: str) -> str | None:
    if not _SAFE.fullmatch(text.strip()) or _TURKISH.search(text):
        return None
    if not _NOT_NAMES.isdisjoint(_LETTERS.findall(text.lower())):
        return None
    try:
        cased = _LETTERS.sub(_cased_word, text)
    except _UnsafeError:
        return None
    return None if cased == text else cased


def cased_name(text: str | None) -> str | None:
    """Return how a name written all in capitals or all in small letters should read.

    Only letters' case changes, and only in words entirely upper or entirely lower: `JEAN-PIERRE`
    gives `Jean-Pierre`, `o'brien` gives `O'Brien`, `charles de gaulle` gives `Charles de Gaulle`.
    Diacritics are never added or taken away. Initials, numerals and abbreviations (`JP`, `III`,
    `PHD`) and words in mixed case stay as they are.

    The whole text is left alone when its casing is its bearer's choice or not a name's: it begins
    with a particle or shows one in capitals (`DE LA TOUR` may be de La Tour, de la Tour or De La
    Tour), `Mc` and `Mac` (MacDonald, Macron), `d'`, `l'`, Turkish dotless i, Dutch IJ, digits,
    punctuation, a legal form, a title, a conjunction.

    Returns:
        The proposed text, or None when it reads well already or is unsafe to touch.
    """
    if not text or len(text) > _LIMIT:
        return None
    return _cased_name(text)
