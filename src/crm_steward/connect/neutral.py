"""Keeps text from being taken for a formula when a spreadsheet program opens what we write."""

from __future__ import annotations

import re

_ARMED = re.compile(r"'*[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001 -- the full-width forms count too
_DISARMED = re.compile(r"'+[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001 -- same
_TELEPHONE = re.compile(r"\+[0-9][0-9 .]{5,20}")
_NUMBER = re.compile(r"-[0-9]{1,15}(?:[.,][0-9]{1,15})?")


def disarm(text: str) -> str:
    """Return `text` so that no spreadsheet program runs it: a leading `'` where it could be.

    The signs are those of OWASP ASVS 5.0, 1.2.10 (`=`, `+`, `-`, `@`, tab, NUL), line ends and
    the full-width forms. A telephone number (`+33 6 12 34 56 78`) and a negative number stay as
    they are: they hold nothing that could be run, and a copy whose phones all begin with an
    apostrophe could not be imported again.

    No two texts become the same, so that `rearm` can take it back.
    """
    if not _ARMED.match(text) or _TELEPHONE.fullmatch(text) or _NUMBER.fullmatch(text):
        return text
    return "'" + text


def rearm(text: str) -> str:
    """Take back what `disarm` did."""
    return text[1:] if text[:1] == "'" and _DISARMED.match(text) else text
