"""Findings in the digest by the country of the contacts."""

from __future__ import annotations

from dataclasses import dataclass

from crm_steward.report.concerned import Concerned, Count
from crm_steward.report.words import Words

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


def countries(found: Concerned, *, shown: int = _SHOWN) -> Countries:
    """Return where the contacts live that have open findings, `shown` countries one by one."""
    known = filter(None, found.records)
    shares = sorted(
        (_share(country, found.about([country])) for country in known),
        key=lambda one: (-one.findings, one.country),
    )
    rest = [one.country for one in shares[shown:]]
    return Countries(
        shares=tuple(shares[:shown]),
        more=len(rest),
        rest=_share("", found.about(rest)) if rest else None,
        unknown=_share("", found.about([""])) if "" in found.records else None,
    )


def _share(country: str, count: Count) -> CountryShare:
    return CountryShare(
        country=country, findings=count.findings, serious=count.serious, records=count.records
    )


def country_lines(found: Countries, words: Words) -> list[tuple[str, CountryShare]]:
    """Return what to call each line, and what it counts: countries, the rest, the unknown."""
    lines = [(words.country(share.country), share) for share in found.shares]
    if found.rest:
        lines.append((words("countries.rest", n=found.more), found.rest))
    if found.unknown:
        lines.append((words("countries.unknown"), found.unknown))
    return lines
