"""Findings in the digest by the country of the contacts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Severity
from crm_steward.report.words import Words
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, finding_refs, findings

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryShare:
    """What stands about the contacts of one country, or of several.

    A finding about contacts of two countries counts in both, and once where they are together.

    Args:
        country: ISO 3166-1 code; empty where it is not known, or where several are together.
        findings: Open findings about its contacts.
        serious: How many of these are high or critical.
        records: Its contacts with an open finding.
    """

    country: str = ""
    findings: int
    serious: int = 0
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Countries:
    """Open findings by country.

    Args:
        shares: The countries with most, most first.
        more: Countries that are not in `shares`.
        rest: What stands about the contacts of those, or None.
        unknown: What stands about contacts whose country is not given or not understood, or None.
    """

    shares: tuple[CountryShare, ...] = ()
    more: int = 0
    rest: CountryShare | None = None
    unknown: CountryShare | None = None


def countries(reading: sa.Connection, now: datetime, *, shown: int = _SHOWN) -> Countries:
    """Return where the contacts live that have open findings, `shown` countries one by one."""
    known = contacts.c.country_code.is_not(None)
    counted = _counts(known, now).add_columns(contacts.c.country_code.label("country"))
    rows = reading.execute(counted.group_by(contacts.c.country_code)).all()
    shares = sorted(map(_share, rows), key=lambda one: (-one.findings, one.country))
    named = [one.country for one in shares[:shown]]
    return Countries(
        shares=tuple(shares[:shown]),
        more=max(0, len(shares) - shown),
        rest=_together(reading, known & _elsewhere(named), now) if shares[shown:] else None,
        unknown=_together(reading, ~known, now),
    )


def _elsewhere(shown: Collection[str]) -> sa.ColumnElement[bool]:
    return contacts.c.country_code.not_in(shown)


def _together(
    reading: sa.Connection, these: sa.ColumnElement[bool], now: datetime
) -> CountryShare | None:
    share = _share(reading.execute(_counts(these, now)).one())
    return share if share.findings else None


def _counts(these: sa.ColumnElement[bool], now: datetime) -> sa.Select[int, int, int]:
    refs, f, c = finding_refs.c, findings.c, contacts.c
    serious = sa.case((f.severity >= int(Severity.HIGH), refs.fingerprint))
    record = refs.connection + "\n" + refs.id
    return (
        sa.select(
            sa.func.count(refs.fingerprint.distinct()).label("findings"),
            sa.func.count(serious.distinct()).label("serious"),
            sa.func.count(record.distinct()).label("records"),
        )
        .join(findings, f.fingerprint == refs.fingerprint)
        .join(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        .where(f.state == "open", ~asleep(now), c.gone_at.is_(None), these)
    )


def _share(row: sa.Row[*tuple[Any, ...]]) -> CountryShare:
    return CountryShare(**row._mapping)  # noqa: SLF001 -- the public way to a row's names


def country_lines(found: Countries, words: Words) -> list[tuple[str, CountryShare]]:
    """Return what to call each line, and what it counts: countries, the rest, the unknown."""
    lines = [(words.country(share.country), share) for share in found.shares]
    if found.rest:
        lines.append((words("countries.rest", n=found.more), found.rest))
    if found.unknown:
        lines.append((words("countries.unknown"), found.unknown))
    return lines
