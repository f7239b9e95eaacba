"""Languages: the ISO 639-1 code behind a name in one of seven languages, a code or a locale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final

from babel import Locale
from babel.core import get_global

from crm_steward.normalize.text import ascii_words, plain, words

_LIMIT: Final = 60
_NAMED_IN: Final = ("en", "fr", "de", "es", "it", "nl", "pt")
_CODE: Final = re.compile("[a-z]{2}")
_LOCALE: Final = re.compile("([A-Za-z]{2})[-_][A-Za-z]{2}")


def _folded(text: str) -> str:
    return "".join(ascii_words(text, _LIMIT))


def _spellings() -> Iterator[tuple[str, str]]:
    """Yield spelling and code: codes first, names of the seven languages, names of themselves."""
    known = {str(code) for code in Locale("en").languages if _CODE.fullmatch(str(code))}
    yield from ((code, code) for code in known)
    for alias, code in get_global("language_aliases").items():
        if str(code) in known and str(alias).isalpha():
            yield str(alias), str(code)
    for language in _NAMED_IN:
        names = Locale(language).languages
        yield from ((str(names[code]), code) for code in known if code in names)
    for code in sorted(known & _AT_HOME):
        yield str(Locale(code).get_language_name(code)), code


_AT_HOME: Final = words(
    "bg ca cs da de el en es et fi fr hr hu it ja lt lv nb nl pl pt ro ru sk sl sv tr uk zh"
)
"""Languages known by the name they give themselves, too."""


@cache
def _codes() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for spelling, code in _spellings():
        found.setdefault(_folded(spelling), code)
    found.pop("", None)
    return found


@lru_cache(maxsize=1_024)
def _language_code(text: str) -> str | None:
    if locale := _LOCALE.fullmatch(plain(text, _LIMIT)):
        return _codes().get(locale[1].lower())
    return _codes().get(_folded(text))


def language_code(text: str | None) -> str | None:
    """Return the ISO 639-1 code of a language, or None when the text names none.

    Known are codes (`fr`, `fra`), locales (`fr-CA`), and names in English, French, German, Spanish,
    Italian, Dutch and Portuguese (Unicode CLDR, by way of babel).
    """
    return _language_code(text) if text and len(text) <= _LIMIT else None
