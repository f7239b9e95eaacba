"""What was used of the CRMs' quotas, in the digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.report.words import Words
from crm_steward.store.tables import usages

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What one connection used since the last report.

    Args:
        connection: Its name.
        calls: Requests that we sent.
        points: What they cost, where the vendor counts points; elsewhere one each.
        share: The highest share of a day's quota that was gone, whoever used it, as the CRM told;
            None: it did not tell.
    """

    connection: str
    calls: int
    points: int
    share: float | None = None


def quota_uses(reading: sa.Connection, since: datetime, until: datetime) -> tuple[QuotaUse, ...]:
    """Return what was used in the hours that began between two moments, most calls first."""
    u = usages.c
    query = (
        sa.select(u.connection, sa.func.sum(u.calls), sa.func.sum(u.points), sa.func.max(u.share))
        .where(u.hour > since, u.hour <= until)
        .group_by(u.connection)
    )
    found = [
        QuotaUse(connection=name, calls=int(calls), points=int(points), share=share)
        for name, calls, points, share in reading.execute(query)
    ]
    return tuple(sorted(found, key=lambda one: (-one.calls, one.connection)))


def quota_lines(found: tuple[QuotaUse, ...], words: Words) -> list[tuple[str, str, str]]:
    """Return each connection, what it used, and how much of a day's quota was gone at most."""
    return [(one.connection, _used(one, words), _share(one, words)) for one in found[:_SHOWN]]


def _used(one: QuotaUse, words: Words) -> str:
    calls = words("quota.calls", n=one.calls)
    if one.points == one.calls:
        return calls
    points = words("quota.points", n=one.points)
    return f"{calls}, {points}"


def _share(one: QuotaUse, words: Words) -> str:
    return words("quota.untold") if one.share is None else words.percent(one.share)
