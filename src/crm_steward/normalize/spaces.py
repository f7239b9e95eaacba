"""Spaces that people and imports leave behind, in text that is otherwise left alone."""

from __future__ import annotations

import re
from typing import Final

_AROUND: Final = " \t\n\r\f\v\u00a0\u2007\u200b\u2028\u2029\u202f\u3000\ufeff"
_RUNS: Final = re.compile("[ \t\u00a0]{2,}|\t")


def single_spaced(text: str | None) -> str | None:
    """Return the text without spaces around it and without runs of spaces inside.

    Line ends, case and everything else stay as they are.

    Returns:
        The proposed text, or None when it reads so already or holds nothing else.
    """
    if not text:
        return None
    tidy = _RUNS.sub(" ", text.strip(_AROUND))
    return tidy if tidy and tidy != text else None
