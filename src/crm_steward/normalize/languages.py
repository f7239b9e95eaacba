"""Languages: the ISO 639-1 code behind a name in one of seven languages, a code or a locale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from crm_steward.normalize.cldr import folded, spellings
from crm_steward.normalize.text import plain

_LIMIT: Final = 60
_LOCALE: Final = re.compile("([A-Za-z]{2})[-_][A-Za-z]{2}")


@cache
def _codes() -> Mapping[str, str]:
    return spellings("languages")


@lru_cache(maxsize=1_024)
def _language_code(text: str) -> str | None:
    if locale := _LOCALE.fullmatch(plain(text, _LIMIT)):
        return _codes().get(locale[1].lower())
    return _codes().get(folded(text))


def language_code(text: str | None) -> str | None:
    """Return the ISO 639-1 code of a language, or None when the text names none.

    Known are codes (`fr`, `fra`), locales (`fr-CA`), and names in English, French, German, Spanish,
    Italian, Dutch and Portuguese (Unicode CLDR, by way of babel).
    """
    return _language_code(text) if text and len(text) <= _LIMIT else None
