"""Up to 200 records in one request, each for itself: what needs no guard travels so.

Opting out only ever restricts, the recycle bin gives back, a task is new: none of them can
overwrite what a person did meanwhile. Rows come back in the order sent; a request that Salesforce
refuses whole is halved until the row at fault stands alone. Source: REST API Developer Guide,
"sObject Collections".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from crm_steward.sdk import RetryableError
from crm_steward_salesforce.errors import LockedError, Refusal, SalesforceRejectedError, rejected
from crm_steward_salesforce.wire import MOST, Record, Wire, row_refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One record to be written.

    Args:
        of: What it is for.
        record: As Salesforce takes it.
    """

    of: T
    record: Record


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What became of one row.

    Args:
        of: What it was for.
        id: The record's id, where it was written.
        code: Salesforce's code where it was refused.
        reason: Why it was not written, or why nobody knows.
        doubtful: Nobody knows.
    """

    of: T
    id: str = ""
    code: str = ""
    reason: str = ""
    doubtful: bool = False


def send(wire: Wire, method: str, rows: Sequence[Row[T]]) -> Iterator[Done[T]]:
    """Write rows, and tell of each what became of it.

    Args:
        wire: The org.
        method: `POST`, `PATCH` or `DELETE`.
        rows: No record twice.

    Raises:
        StewardError: Rows that were not told of were not sent.
    """
    for start in range(0, len(rows), MOST):
        yield from _batch(wire, method, rows[start : start + MOST])


def _batch(wire: Wire, method: str, rows: Sequence[Row[T]]) -> Iterator[Done[T]]:
    try:
        results = wire.collection(method, [row.record for row in rows])
    except LockedError as error:
        yield from (Done(row.of, reason=error.message, doubtful=True) for row in rows)
        return
    except RetryableError as error:
        if not error.sent:
            raise
        yield from (Done(row.of, reason=error.message, doubtful=True) for row in rows)
        return
    except SalesforceRejectedError as error:
        if len(rows) == 1:
            yield Done(rows[0].of, code=error.code, reason=error.message)
            return
        half = len(rows) // 2
    else:
        yield from _told(wire, method, rows, results)
        return
    yield from _batch(wire, method, rows[:half])
    yield from _batch(wire, method, rows[half:])


def _told(
    wire: Wire, method: str, rows: Sequence[Row[T]], results: Sequence[Any]
) -> Iterator[Done[T]]:
    """Match the answer's rows; those that somebody else held are sent again, one by one.

    Of the others is told first: should sending again fail, they count as sent all the same.
    """
    if len(results) != len(rows):
        reason = "the answer does not tell of every record"
        yield from (Done(row.of, reason=reason, doubtful=True) for row in rows)
        return
    held: list[Row[T]] = []
    for row, result in zip(rows, results, strict=True):
        refusal = row_refusal(result)
        if refusal is not None and refusal.code == "UNABLE_TO_LOCK_ROW":
            held.append(row)
        else:
            yield _one(wire.connection, row, result, refusal)
    for row in held:
        yield from _batch(wire, method, [row])


def _one(connection: str, row: Row[T], result: Any, refusal: Refusal | None) -> Done[T]:
    if refusal is None:
        record_id = result.get("id")
        if isinstance(record_id, str) and record_id:
            return Done(row.of, id=record_id)
        return Done(row.of, reason="the answer does not name the record", doubtful=True)
    if not refusal.code:
        return Done(row.of, reason="the answer does not say what became of it", doubtful=True)
    return Done(row.of, code=refusal.code, reason=rejected(connection, refusal).message)
