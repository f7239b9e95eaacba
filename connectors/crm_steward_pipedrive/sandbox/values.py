"""Times, page marks and strict types, as Pipedrive's version 2 writes and demands them."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime
from typing import Any

_SECONDS = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})")
_V1 = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


def seconds(moment: datetime) -> int:
    """Return epoch seconds."""
    return int(moment.timestamp())


def iso(moment: int) -> str:
    """Write epoch seconds as version 2 does: `2026-02-25T16:23:49Z`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def spaced(moment: int) -> str:
    """Write epoch seconds as version 1 does: `2026-02-25 16:23:49`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


def read_iso(text: Any) -> int | None:
    """Read RFC 3339 to the second; None for anything else, milliseconds included."""
    if not isinstance(text, str) or not _SECONDS.fullmatch(text):
        return None
    try:
        return seconds(datetime.fromisoformat(text))
    except ValueError:
        return None


def read_spaced(text: str) -> int | None:
    """Read version 1's time; None for anything else."""
    if not _V1.fullmatch(text):
        return None
    try:
        return seconds(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError:
        return None


def is_day(text: Any) -> bool:
    """Whether `text` is a date like `2026-12-01`."""
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_whole(value: Any) -> bool:
    """Whether `value` is a number without a fraction; `"1"` and `true` are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether `value` is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def write_mark(content: dict[str, Any]) -> str:
    """Write a page mark, a keyset in base64url, as those that Pipedrive publishes decode."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_mark(text: str) -> dict[str, Any] | None:
    """Read a page mark; None when it is none of ours."""
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
