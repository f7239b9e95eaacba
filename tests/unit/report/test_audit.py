"""The page that `crm-steward audit` leaves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from crm_steward.model import FIELDS, Finding, RecordRef, Severity
from crm_steward.report.audit import AuditResult, Tally, render_audit
from crm_steward.report.catalogue import CATALOGUES
from crm_steward_file import TARGETS
from crm_steward_file.columns import How

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
HOSTILE = "\"'><script>alert(1)</script>\u202e\x00<img src=x onerror=y>"


def _finding(number: int, value: str = "JEAN", rule: str = "case") -> Finding:
    return Finding(
        rule=rule,
        kind="format",
        severity=Severity.LOW,
        refs=(RecordRef("contacts.csv", str(number)),),
        evidence={"field": "first_name", "now": value, "proposed": "Jean", "problem": None},
    )


def _result(findings: Sequence[Finding] = (), **values: object) -> AuditResult:
    tally = Tally()
    assert list(tally.counting(findings)) == list(findings)
    given = {"file": "contacts.csv", "rows": 200, "generated_at": NOW, "tally": tally, **values}
    return AuditResult(**given)  # type: ignore[arg-type] # a test says which


def test_shows_what_was_found_with_values() -> None:
    """It is the user's own file: the value, the proposal and the record stand on the page."""
    page = render_audit(
        _result(findings=[_finding(7)], titles={"case": {"en": "Name in capitals"}}), "en"
    )
    for said in ("contacts.csv", "Name in capitals", "JEAN", "Jean", "correction ready", "99.5%"):
        assert said in page


def test_shows_a_sample_of_many() -> None:
    """Fifty findings of a rule are shown, and how many there are."""
    page = render_audit(_result(findings=[_finding(n) for n in range(1234)]), "en")
    assert page.count('<td class="id">') == 50
    assert "The first 50 of 1,234 are shown." in page


def test_says_what_was_not_read() -> None:
    """Broken rows with their line, columns not used, contacts left out of a check."""
    page = render_audit(
        _result(
            broken=[(17, "too many cells")],
            unmapped=["Fax"],
            mapping=[("Nom", "last_name", "synonym"), ("Opt-in", "consent_email", "user")],
            left_out=[("same e-mail: 900 contacts share one value", 900)],
        ),
        "fr",
    )
    for said in (
        "too many cells",
        ">17<",
        "Fax",
        "nom",
        "accepte l\u2019e-mail",
        "900 contacts non comparés",
        "une même valeur est trop répandue pour les comparer\u00a0: même e-mail",
    ):
        assert said in page


def test_nothing_found_is_said() -> None:
    """A clean file and an empty one make a page too."""
    assert "nothing to complain about" in render_audit(_result(), "en")
    assert "rien à redire" in render_audit(_result(rows=0), "fr")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_hostile_file_stays_text(language: str) -> None:
    """Markup in every cell, header, file name and title of a file is shown, not run."""
    result = _result(
        file=HOSTILE,
        findings=[_finding(1, HOSTILE, HOSTILE)],
        titles={HOSTILE: {"en": HOSTILE}},
        broken=[(1, HOSTILE)],
        mapping=[(HOSTILE, HOSTILE, HOSTILE)],
        unmapped=[HOSTILE],
        left_out=[(HOSTILE, 1)],
    )
    page = render_audit(result, language)
    seen: set[str] = set()
    names: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.add(tag)
            names.update(name for name, _ in attrs)

    Reader().feed(page)
    assert not seen & {"script", "img", "iframe", "svg", "link"}
    assert not {name for name in names if name.startswith("on")}
    assert not re.search("[\x00\u202e]", page)
    assert "default-src 'none'" in page


def test_every_column_target_has_words() -> None:
    """What the file connector can map a column to, and how, is translated."""
    for catalogue in CATALOGUES.values():
        assert {f"target.{name}" for name in TARGETS if name not in FIELDS} <= catalogue.keys()
        assert {f"how.{how}" for how in How} <= catalogue.keys()
