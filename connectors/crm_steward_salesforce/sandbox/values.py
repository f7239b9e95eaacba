"""Ids, times and texts as Salesforce writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
SHORT_ID = 15


def new_id(prefix: str, number: int) -> str:
    """Return the 18-character id of the `number`th record of the object behind `prefix`."""
    digits = ""
    for _ in range(7):
        number, place = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return full_id(f"{prefix}5g000{digits}")


def full_id(text: str) -> str:
    """Return an id in its 18-character form: three letters that tell capitals from small letters.

    Anything that is not an id comes back as it is.
    """
    if not _ID.fullmatch(text):
        return text
    short = text[:SHORT_ID]
    parts = (short[start : start + 5] for start in range(0, SHORT_ID, 5))
    bits = (sum(char.isupper() << place for place, char in enumerate(part)) for part in parts)
    return short + "".join(_SUFFIX[value] for value in bits)


def stamp(moment: datetime) -> str:
    """Write a time as Salesforce does, in whole seconds: `2026-01-01T01:02:03.000+0000`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"


def read_stamp(text: str) -> datetime:
    """Read a time that `stamp` wrote.

    Raises:
        ValueError: It is not one.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def read_time(text: str) -> datetime | None:
    """Read a dateTime as the API takes it (ISO 8601 with a zone); None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def read_date(text: str) -> date | None:
    """Read a date; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
