"""SOQL made of names that `describe` has shown, ids, and times: no text of anybody's goes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from crm_steward_salesforce.values import ID, literal
from crm_steward_salesforce.wire import LONGEST_URL, ROWS, url_length

_FIELDS_LENGTH = 8_000
"""Characters of an address that may go into field names; the rest is for ids."""


def select(paths: Sequence[str], source: str, where: str, order: Sequence[str] = ("Id",)) -> str:
    """Return one query for one page."""
    return (
        f"SELECT {', '.join(paths)} FROM {source} WHERE {where} "
        f"ORDER BY {', '.join(order)} LIMIT {ROWS}"
    )


def after(record_id: str) -> str:
    """Return the condition that begins behind a record, in the order of ids."""
    return f"Id > {quoted(record_id)}" if record_id else "Id != null"


def moved(since: datetime, stamp: datetime | None, record_id: str) -> str:
    """Return the condition for what moved since, behind the last record of the page before.

    Args:
        since: From when on.
        stamp: The last record's `SystemModstamp`; None begins.
        record_id: The last record.
    """
    if stamp is None:
        return f"SystemModstamp >= {literal(since)}"
    moment = literal(stamp)
    return (
        f"((SystemModstamp = {moment} AND Id > {quoted(record_id)}) OR SystemModstamp > {moment})"
    )


def among(path: str, ids: Sequence[str]) -> str:
    """Return the condition that a reference is one of some ids."""
    return f"{path} IN ({', '.join(map(quoted, ids))})"


def quoted(record_id: str) -> str:
    """Return an id as SOQL writes it.

    Raises:
        ValueError: It is not an id, and must not get into a query.
    """
    if not ID.fullmatch(record_id):
        raise ValueError("not an id")
    return f"'{record_id}'"


def field_batches(paths: Sequence[str], always: Sequence[str]) -> list[list[str]]:
    """Cut a list of fields so that an address can carry each part; `always` begins each."""
    batches: list[list[str]] = [list(always)]
    for path in paths:
        if path in always:
            continue
        if url_length(", ".join([*batches[-1], path])) > _FIELDS_LENGTH:
            batches.append(list(always))
        batches[-1].append(path)
    return batches


def id_batches(ids: Sequence[str], query: str) -> Iterator[Sequence[str]]:
    """Cut ids so that an address can carry each part besides the rest of a query."""
    each = url_length("'', ") - url_length("") + 18
    size = max((LONGEST_URL - url_length(query)) // each, 1)
    return (ids[start : start + size] for start in range(0, len(ids), size))
