"""HubSpot's answers as they come: JSON objects whose parts may be missing or of another type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def results_of(answer: Document) -> list[Any]:
    """Return the rows of a list, search or batch answer."""
    return listed(answer.get("results"))


def listed(value: Any) -> list[Any]:
    """Return a list as it is; anything else holds nothing."""
    return value if isinstance(value, list) else []


def next_of(answer: Document) -> str:
    """Return the mark of the next page; empty at the end, where there is no `paging`."""
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if after else ""


def ends_soundly(answer: Document) -> bool:
    """Whether what stands in the place of the next page's mark is one, or nothing.

    A mark that cannot be read is not taken for the end: what is behind it would be missed.
    """
    if answer.get("paging") is None:
        return True
    paging = answer["paging"]
    if not isinstance(paging, dict) or paging.get("next") is None:
        return isinstance(paging, dict)
    following = paging["next"]
    after = following.get("after") if isinstance(following, dict) else None
    return isinstance(after, str | int) and bool(after)


def id_of(record: Any) -> str:
    """Return a record's id, or the empty text when it has none."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) else ""


def held_by(record: Any) -> Mapping[str, Any]:
    """Return a record's properties; none when it has no such thing."""
    held = record.get("properties") if isinstance(record, dict) else None
    return held if isinstance(held, dict) else {}
