"""Findings by country, read from the store and shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, Finding, PostalAddress, RecordRef, Severity
from crm_steward.report import Digest, as_document, as_table, collect, render
from crm_steward.report.countries import Countries, CountryShare
from crm_steward.report.digest import ConnectionShare
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.snoozes import Snooze, Snoozes
from crm_steward.store.tables import contacts

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)


def _mirror(database: Database, where: Iterable[tuple[str, str, str | None]]) -> None:
    """Fill the mirror: connection, id, country."""
    people = [
        Contact(ref=RecordRef(name, one), address=PostalAddress(country=country))
        for name, one, country in where
    ]
    for name in {one.ref.connection for one in people}:
        here = tuple(one for one in people if one.ref.connection == name)
        page = Page(cursor=Cursor("1"), contacts=here, complete=True)
        Mirror(database).save_page(name, "hubspot", page, now=NOW, full=True)


def _finding(*refs: tuple[str, str], severity: Severity = Severity.LOW, about: str = "") -> Finding:
    return Finding(
        rule="no-mail",
        kind="required",
        severity=severity,
        refs=tuple(RecordRef(*ref) for ref in refs),
        evidence={"missing": ["phone"]},
        about=about,
    )


def _collect(database: Database, found: Iterable[Finding]) -> Digest:
    Findings(database).record({"no-mail": {"a", "b"}}, found, now=NOW)
    settings = Settings(timezone=ZoneInfo("UTC"))
    return collect(database, settings, RuleBook(()), now=NOW)


def test_findings_are_counted_where_the_contacts_live(database: Database) -> None:
    """Each spelling of a country is one country; two records of one id in two CRMs are two."""
    _mirror(
        database,
        [("a", "1", "France"), ("b", "1", "FR"), ("a", "2", "Belgique"), ("a", "3", None)],
    )
    _mirror(database, [("b", "4", "Freedonia")])
    found = [
        _finding(("a", "1"), severity=Severity.HIGH),
        _finding(("a", "1"), about="else"),
        _finding(("b", "1"), ("a", "2")),
        _finding(("a", "3")),
        _finding(("b", "4")),
    ]
    digest = _collect(database, found)
    assert digest.countries == Countries(
        shares=(
            CountryShare(country="FR", findings=3, serious=1, records=2),
            CountryShare(country="BE", findings=1, records=1),
        ),
        unknown=CountryShare(findings=2, records=2),
    )
    assert as_document(digest)["countries"]["shares"][1]["country"] == "BE"


def test_findings_are_counted_by_connection(database: Database) -> None:
    """The one with most is first; a finding about two connections counts in both, a record once."""
    _mirror(database, [("a", "1", None), ("a", "2", None), ("b", "1", None), ("c", "1", None)])
    found = [
        _finding(("b", "1"), severity=Severity.HIGH),
        _finding(("b", "1"), about="else"),
        _finding(("a", "2"), ("b", "1")),
    ]
    digest = _collect(database, found)
    assert digest.connections == (
        ConnectionShare(connection="b", findings=3, serious=1, records=1),
        ConnectionShare(connection="a", findings=1, records=1),
    )
    assert ",connections,b,findings,3\r\n" in as_table(digest)
    for language, title in (("en", "Findings by connection"), ("fr", "Anomalies par connexion")):
        mail = render(digest, language)
        assert title.upper() in mail.text
        assert title in mail.html
    many = replace(digest, connections=digest.connections[:1] * 11)
    assert "and 3 more connections" in render(many, "en").text


def test_ten_countries_and_the_rest(database: Database) -> None:
    """The ten with most are named; a finding about two of the others is counted once in the rest."""
    codes = ["FR", "BE", "LU", "CH", "DE", "IT", "ES", "PT", "NL", "GB", "IE", "AT"]
    _mirror(database, [("a", code, code) for code in codes])
    found = [
        _finding(("a", code), about=str(n))
        for rank, code in enumerate(codes)
        for n in range(14 - rank)
    ]
    found.append(_finding(("a", "IE"), ("a", "AT")))
    countries = _collect(database, found).countries
    assert [one.country for one in countries.shares] == codes[:10]
    assert [one.findings for one in countries.shares] == list(range(14, 4, -1))
    assert countries.more == 2
    assert countries.rest == CountryShare(findings=4 + 3 + 1, records=2)
    assert countries.unknown is None


def test_snoozed_findings_and_gone_contacts_are_of_no_country(database: Database) -> None:
    """As everywhere in the report; with nothing left there is no section."""
    _mirror(database, [("a", "1", "FR"), ("a", "2", "FR")])
    found = [_finding(("a", "1")), _finding(("a", "2"))]
    one = Snooze(
        fingerprint=found[0].fingerprint, rule="no-mail", until=NOW + timedelta(days=9),
        reason="later", by="dana", at=NOW,
    )  # fmt: skip
    Snoozes(database).snooze([one])
    assert _collect(database, found).countries.shares[0].findings == 1
    with database.write() as writing:
        writing.execute(sa.update(contacts).values(gone_at=NOW))
    digest = _collect(database, found)
    assert digest.countries == Countries()
    mail = render(digest, "en")
    assert "FINDINGS BY COUNTRY" not in mail.text
    assert "Findings by country" not in mail.html


def test_both_parts_name_the_countries_in_the_language_of_the_reader(digest: Digest) -> None:
    """Names come from CLDR; the rest and the unknown are said."""
    for language, names in (
        ("en", ("France", "Belgium", "7 more countries", "Country not known")),
        ("fr", ("France", "Belgique", "7 autres pays", "Pays inconnu")),
    ):
        mail = render(digest, language)
        for name in names:
            assert name in mail.text
            assert name in mail.html
