"""What all keys share: hostile text made plain, and plain text made ASCII."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from anyascii import anyascii

APOSTROPHES: Final = "'\u2019\u02bc"
"""Straight, typographic, and the letter apostrophe."""

_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)
"""Characters that print nothing: soft hyphen, zero width, direction marks, variation selectors."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SPACES: Final = re.compile(r"\s+")
_NOT_WORD: Final = re.compile(r"[^a-z0-9]+")
_EMOJI_NAME: Final = re.compile(r":[a-z0-9_]+:")


def plain(text: str, limit: int) -> str:
    """Return `text` cut to `limit`, without what does not print, spaces single and trimmed.

    Control characters and lone surrogates count as spaces, so that nothing is glued together.

    Args:
        text: Any text at all.
        limit: The number of characters looked at.
    """
    text = text[:limit]
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
    return _SPACES.sub(" ", _CONTROL.sub(" ", text)).strip()


def words(text: str) -> frozenset[str]:
    """Return the words of a list written as running text."""
    return frozenset(text.split())


def ascii_words(text: str, limit: int) -> list[str]:
    """Return the words of `text` in lower-case ASCII: `Jérôme-Noël` gives `jerome`, `noel`.

    Emoji are dropped rather than spelt out. Both text and result are cut to `limit` characters, so
    that a key of a key is that key even where one character becomes many.
    """
    text = plain(text, limit)
    folded = text.casefold()
    if not folded.isascii():
        folded = anyascii(unicodedata.normalize("NFKC", folded)).lower()
        folded = _EMOJI_NAME.sub(" ", folded)
    return _NOT_WORD.sub(" ", folded)[:limit].split()
