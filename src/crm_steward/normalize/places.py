"""Streets and cities as they compare."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from crm_steward.normalize.text import ascii_words

_LIMIT: Final = 200


@lru_cache(maxsize=16_384)
def _place_key(text: str) -> str | None:
    return " ".join(ascii_words(text, _LIMIT)) or None


def place_key(text: str | None) -> str | None:
    """Return a street or a city as it compares: `12, rue de l'Église` gives `12 rue de l eglise`."""
    return _place_key(text[:_LIMIT]) if text else None


def postcode_key(text: str | None) -> str | None:
    """Return a postcode as it compares: lower case, without spaces and hyphens."""
    key = place_key(text)
    return key.replace(" ", "") if key else None
