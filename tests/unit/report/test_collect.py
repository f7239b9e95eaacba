"""The digest, read from the store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Page, Poison
from crm_steward.model import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Email,
    Finding,
    InputError,
    Plan,
    PlannedChange,
    RecordRef,
    Severity,
    UpdateFields,
    change_to_json,
    kind_of,
)
from crm_steward.pull import pull
from crm_steward.report import Digest, Week, as_document, collect, render
from crm_steward.report.digest import Movement, Sleep, Source, Trouble
from crm_steward.report.sources import reconciled
from crm_steward.report.words import Words
from crm_steward.rules import RuleBook, load_rules
from crm_steward.rules.kinds.base import MAX_SHARED
from crm_steward.rules.loading import Skipped
from crm_steward.scan import scan
from crm_steward.settings import Report, Settings
from crm_steward.settings.models import Reminders as Wanted
from crm_steward.store.database import Database
from crm_steward.store.figures import Figures
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.reminders import Deed, Duty, Reminders
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import Snooze, Snoozes
from crm_steward.store.tables import approvals, connections, contacts, journal, plans
from crm_steward.testing.fake import FakeCrm

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
DUE = datetime(2026, 11, 16, 7, 30, tzinfo=UTC)
LAST = DUE - timedelta(days=7)
BOOK = RuleBook(())
SETTINGS = Settings(timezone=ZoneInfo("UTC"), language="en")


def _contact(number: int, **values: Any) -> Contact:
    given = {
        "first_name": "Ada",
        "last_name": f"Lovelace{number}",
        "emails": (Email(f"ada{number}@example.org"),),
        "url": f"https://crm.example.com/{number}",
        "owner": "71",
        **values,
    }
    return Contact(ref=RecordRef("crm", str(number)), **given)


def _mirror(
    database: Database, people: Iterable[Contact], now: datetime = NOW, **poison: str
) -> None:
    page = Page(
        cursor=Cursor("1"),
        contacts=tuple(people),
        poison=tuple(Poison(name, why) for name, why in poison.items()),
        complete=True,
    )
    mirror = Mirror(database)
    mirror.save_page("crm", "hubspot", page, now=now, full=True)
    mirror.note("crm", "hubspot", last_full_at=now, last_success_at=now, last_attempt_at=now)


def _finding(*numbers: int, rule: str = "no-mail", severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        rule=rule,
        kind="duplicates" if len(numbers) > 1 else "required",
        severity=severity,
        refs=tuple(RecordRef("crm", str(number)) for number in numbers),
        evidence={"missing": ["phone"], "level": "same e-mail"},
    )


def _found(database: Database, found: Iterable[Finding], now: datetime) -> None:
    rules = {"no-mail": {"crm"}, "twice": {"crm"}}
    Findings(database).record(rules, found, now=now)


def _collect(database: Database, **values: Any) -> Digest:
    return collect(database, SETTINGS, BOOK, **{"now": NOW, **values})


def test_figures_are_counted_and_kept(database: Database) -> None:
    """Each figure counts what its formula says; next week they are the figures of last week."""
    proof = {"address": "a", "given_at": NOW, "how": "form", "text_version": "1", "source": "web"}
    granted = Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED)
    proven = Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED, **proof)  # type: ignore[arg-type] # of many types
    gone = Consent(channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN)
    people = [
        _contact(1, consents=(granted,)),
        _contact(2, consents=(proven,)),
        _contact(3, consents=(proven, gone)),
        _contact(4, emails=(Email("not an address"),)),
        _contact(5, emails=(Email("ada@example.org", AddressStatus.BOUNCED),)),
        _contact(6, emails=(Email('"x", "bounced"]@example.org'),)),
        _contact(7, emails=()),
        _contact(8, first_name=None, last_name=None),
    ]
    _mirror(database, people)
    _found(database, [_finding(1), _finding(2, 3, rule="twice"), _finding(2)], NOW)
    figures = {figure.name: figure.now for figure in _collect(database).figures}
    assert figures == {
        "contacts": 8,
        "findings": 3,
        "clean": 5 / 8,
        "complete": 6 / 8,
        "duplicated": 2 / 8,
        "email_valid": pytest.approx(4 / 7),
        "mailable": 2 / 8,
        "provable": 1 / 2,
    }
    later = _collect(database, now=NOW + timedelta(days=7))
    clean = later.figures[0]
    assert clean.values == {Week(2026, 47): 5 / 8, Week(2026, 48): 5 / 8}


def test_gone_contacts_do_not_count(database: Database) -> None:
    """A record that left the CRM is in no figure, and its findings trouble no owner."""
    _mirror(database, [_contact(1), _contact(2)])
    _found(database, [_finding(1)], NOW)
    with database.write() as writing:
        writing.execute(sa.update(contacts).where(contacts.c.id == "1").values(gone_at=NOW))
    digest = _collect(database)
    figures = {figure.name: figure.now for figure in digest.figures}
    assert (figures["contacts"], figures["clean"]) == (1, 1.0)
    assert digest.owners == ()


def test_movement_since_last_report(database: Database) -> None:
    """New, standing, resolved and reopened are told apart, in total and per rule."""
    _mirror(database, [_contact(n) for n in range(9)])
    old, mid = LAST - timedelta(days=3), LAST + timedelta(days=2)
    _found(database, [_finding(1), _finding(2), _finding(3)], old)
    _found(database, [_finding(1), _finding(2)], old + timedelta(hours=1))  # 3 resolved, long ago
    _found(database, [_finding(1), _finding(3), _finding(4, 5, rule="twice")], mid)
    digest = _collect(database)
    assert digest.movement == Movement(new=1, standing=1, reopened=1, resolved=1)
    assert {one.rule: one.movement for one in digest.rules} == {
        "no-mail": Movement(new=0, standing=1, reopened=1, resolved=1),
        "twice": Movement(new=1),
    }
    before = _collect(database, week=Week(2026, 46))
    assert before.movement == Movement(new=2)  # 3 was opened again: its first life is forgotten


def _snooze(database: Database, mark: str, days: float, at: datetime = NOW) -> None:
    one = Snooze(
        fingerprint=mark, rule="no-mail", until=at + timedelta(days=days),
        reason="canary: the merger", by="dana", at=at,
    )  # fmt: skip
    Snoozes(database).snooze([one])


def test_snoozed_findings_are_a_line_and_nothing_else(database: Database) -> None:
    """Neither moved, listed, nor at an owner; what is resolved meanwhile is not counted as snoozed."""
    _mirror(database, [_contact(n) for n in range(9)])
    found = [_finding(n) for n in range(1, 6)]
    _found(database, found, LAST - timedelta(days=1))
    for one, days in zip(found, (3, 7, 7.01, 30), strict=False):
        _snooze(database, one.fingerprint, days)
    _found(database, [*found[:3], found[4]], NOW)  # the fourth is resolved while it sleeps
    digest = _collect(database)

    assert digest.sleep == Sleep(snoozed=3, ending=2)
    assert digest.movement == Movement(standing=1, resolved=1)
    (share,) = digest.rules
    assert share.movement == digest.movement
    assert [person.id for example in share.examples for person in example.people] == ["5"]
    assert [(owner.findings, owner.records) for owner in digest.owners] == [(1, 1)]
    figures = {figure.name: figure.now for figure in digest.figures}
    assert (figures["findings"], figures["clean"]) == (1, 5 / 9)
    assert "3 more are snoozed" in render(digest, "en").text

    later = _collect(database, now=NOW + timedelta(days=7))
    assert later.sleep == Sleep(snoozed=1, ending=1)
    assert later.movement.open == 3


def test_a_past_week_knows_no_later_snooze(database: Database) -> None:
    """What was snoozed after the report of a week had been due stood in it."""
    _mirror(database, [_contact(1)])
    _found(database, [_finding(1)], LAST - timedelta(days=1))
    _snooze(database, _finding(1).fingerprint, 30)

    before = _collect(database, week=Week(2026, 46))
    assert (before.sleep, before.movement.open) == (Sleep(), 1)


def test_snoozed_changes_wait_for_nobody(database: Database) -> None:
    """The plan that waits for a decision counts no change whose finding was snoozed since."""
    changes = [
        PlannedChange(
            change=UpdateFields(ref=RecordRef("crm", str(n)), values={"city": "x"}, expected={}),
            rule="no-mail", finding=f"f{n}",
        )
        for n in range(3)
    ]  # fmt: skip
    _save(database, _plan(*changes))
    _snooze(database, "f1", 2)

    decision = _collect(database).decision
    assert decision is not None
    assert decision.total == 2


def test_people_are_named_as_the_settings_allow(database: Database) -> None:
    """Ids by default; initials or names when asked for; addresses and values never."""
    _mirror(database, [_contact(1, first_name="Jean Luc", last_name="d'Arc")])
    _found(database, [_finding(1)], NOW)
    for names, shown in (("off", "crm:1"), ("initials", "J. L. d."), ("on", "Jean Luc d'Arc")):
        settings = Settings(report=Report(names=names))  # type: ignore[arg-type] # one of three
        mail = render(collect(database, settings, BOOK, now=NOW), "en")
        assert shown in mail.text
        assert "@" not in mail.text + mail.html.replace("@media", "")
        assert ("Arc" in mail.text + mail.html) == (names == "on")


def test_owners_by_name(database: Database) -> None:
    """Findings are counted per owner, by name where `check` learnt it, and per record once."""
    people = [_contact(1), _contact(2), _contact(3, owner="72"), _contact(4, owner=None)]
    _mirror(database, people)
    found = [
        _finding(1),
        _finding(1, 2, rule="twice", severity=Severity.LOW),
        _finding(3),
        _finding(4),
    ]
    _found(database, found, NOW)
    account = {"owners": {"71": {"name": "Claire Morel"}, "72": {"name": 7}, "x": None}}
    with database.write() as writing:
        writing.execute(sa.update(connections).values(account=account))
    owners = [
        (o.owner, o.name, o.findings, o.serious, o.records) for o in _collect(database).owners
    ]
    assert owners == [("71", "Claire Morel", 2, 1, 2), ("", "", 1, 1, 1), ("72", "", 1, 1, 1)]


def _write_journal(database: Database, *lines: tuple[int, str, str, datetime, int | None]) -> None:
    """Write journal lines (contact, state, run, moment, seq it undoes)."""
    rows = []
    for number, state, run, at, undoes in lines:
        change = UpdateFields(ref=RecordRef("crm", str(number)), values={"city": run}, expected={})
        rows.append(
            {
                "run": run, "plan": "p", "key": f"{number}-{undoes}", "state": state, "kind": "update",
                "connection": "crm", "id": str(number), "rule": "no-mail", "finding": "f",
                "change": change_to_json(change) if state == "intent" else None,
                "undoes": undoes, "epoch": 1, "at": at,
            }
        )  # fmt: skip
    with database.write() as writing:
        for row in rows:
            writing.execute(sa.insert(journal), row)


def test_fixes_are_what_the_crm_confirmed(database: Database) -> None:
    """Verified changes of the week by run; refused, unknown and older ones are told apart."""
    week = LAST + timedelta(days=1)
    _write_journal(
        database,
        (1, "intent", "run-a", week, None), (1, "verified", "run-a", week, None),
        (2, "intent", "run-a", week, None), (2, "rejected", "run-a", week, None),
        (3, "intent", "run-a", week, None), (3, "conflict", "run-a", week, None),
        (4, "intent", "run-a", week, None),
        (5, "intent", "run-a", week, None), (5, "unknown", "run-a", week, None),
        (6, "intent", "run-0", LAST - timedelta(days=1), None),
        (6, "verified", "run-0", LAST - timedelta(days=1), None),
        (7, "intent", "run-a", week, None), (7, "verified", "settle-b", week, None),
        (1, "intent", "run-u", NOW, 1), (1, "verified", "run-u", NOW, 1),
    )  # fmt: skip
    digest = _collect(database)
    assert [(one.run, one.by_kind, one.undone) for one in digest.fixes] == [
        ("run-a", {"update": 2}, 1)
    ]
    coverage = digest.coverage
    assert (coverage.unsettled, coverage.refused, coverage.conflicts) == (2, 1, 1)


def _plan(*changes: PlannedChange, expires: timedelta = timedelta(hours=72)) -> Plan:
    return Plan(changes=changes, created_at=NOW, expires_at=NOW + expires, mirror="1", rules="r")


def _save(database: Database, plan: Plan) -> None:
    row = {
        "hash": plan.hash, "created_at": plan.created_at, "expires_at": plan.expires_at,
        "status": "open", "content": plan.to_json(),
    }  # fmt: skip
    with database.write() as writing:
        writing.execute(sa.insert(plans), row)


def test_decision_is_the_open_plan(database: Database) -> None:
    """What waits for a person: neither approved nor automatic nor begun, and not expired."""
    ref = RecordRef("crm", "1")
    task = CreateTask(ref=ref, title="t", body="b", due=NOW.date(), marker="m")
    changes = [
        PlannedChange(
            change=UpdateFields(ref=RecordRef("crm", str(n)), values={"city": "x"}, expected={}),
            rule="no-mail", finding="f", automatic=n == 4,
        )
        for n in range(5)
    ]  # fmt: skip
    plan = _plan(*changes, PlannedChange(change=task, rule="twice", finding="f"))
    _save(database, plan)
    approved = {"plan": plan.hash, "key": changes[0].key, "approved_by": "me", "approved_at": NOW}
    with database.write() as writing:
        writing.execute(sa.insert(approvals), approved)
    decision = _collect(database).decision
    assert decision is not None
    assert (decision.plan, decision.total, decision.approved) == (plan.hash, 4, 1)
    assert {(w.rule, w.kind, w.count) for w in decision.waiting} == {
        ("no-mail", "update", 3),
        ("twice", kind_of(task), 1),
    }
    assert _collect(database, now=NOW + timedelta(hours=73)).decision is None
    assert _collect(database, week=Week(2026, 46)).decision is None  # it was planned later


def test_coverage_names_every_gap(database: Database) -> None:
    """Quarantine by reason, withheld changes, connections that are paused, failed, late, unread."""
    _mirror(database, [_contact(1)], **{"17": "too long", "18": "too long"})
    runs = Runs(database)
    runs.finish(runs.start("plan", now=NOW), {"withheld": {"run limit": 40}}, now=NOW)
    runs.finish(runs.start("scan", now=NOW), {"left_out": {"twice: crowd": 900}}, now=NOW)
    coverage = _collect(database).coverage
    assert coverage.quarantined == (("crm", "too long", 2),)
    assert coverage.withheld == (("run limit", 40),)
    assert coverage.left_out == (("twice: crowd", 900),)
    assert coverage.scanned_at == NOW
    assert [(s.connection, s.contacts, s.trouble) for s in coverage.sources] == [("crm", 1, None)]
    for values, trouble in (
        ({"last_error": "timeout"}, Trouble.FAILED),
        ({"frozen_reason": "it shrank"}, Trouble.FROZEN),
        ({"paused_reason": "token refused"}, Trouble.PAUSED),
    ):
        with database.write() as writing:
            writing.execute(sa.update(connections).values(**values))
        source = _collect(database).coverage.sources[0]
        assert (source.trouble, source.reason) == (trouble, next(iter(values.values())))
    with database.write() as writing:
        writing.execute(
            sa.update(connections).values(
                paused_reason=None, frozen_reason=None, last_error=None,
                last_success_at=NOW - timedelta(days=3),
            )
        )  # fmt: skip
    assert _collect(database).coverage.sources[0].trouble is Trouble.LATE


def test_contacts_are_reconciled_with_what_the_crm_has(database: Database) -> None:
    """The last full read is compared to what is here: unreadable, absent, and changed since."""
    crm = FakeCrm("crm")
    for name in ("1", "2", "3", "4"):
        crm.add(name)

    def source(now: datetime = NOW) -> str:
        (one,) = _collect(database, now=now).coverage.sources
        assert one.contacts == (one.there or 0) - one.unread + one.absent + one.since
        return reconciled(one, Words("en", SETTINGS.timezone))

    def read(*, full: bool, now: datetime = NOW) -> None:
        values = {"min_source_percent": 50.0, "full": full, "clock": lambda: now}
        pull(database, "crm", "hubspot", crm, **values)  # type: ignore[arg-type] # of many types

    assert _collect(database).coverage.sources == ()
    read(full=True)
    read_at = "at the full read of Mon 16 Nov, 08:00"
    assert source() == f"4 records in the CRM {read_at}, all of them here"
    unreadable = Page(cursor=Cursor("5"), poison=(Poison("x", "too long"), Poison("1", "odd")))
    Mirror(database).save_page("crm", "hubspot", unreadable, now=NOW, full=False)
    assert source() == f"5 records in the CRM {read_at}, 1 of them unreadable"
    crm.add("6")
    read(full=False, now=NOW + timedelta(minutes=1))
    assert source() == f"5 records in the CRM {read_at}, 1 of them unreadable, 1 more since"
    del crm.records["2"]
    later = NOW + timedelta(hours=1)
    read(full=True, now=later)
    said = (
        "at the full read of Mon 16 Nov, 09:00, 1 of them unreadable, 1 here that it did not bring"
    )
    assert source(later) == f"5 records in the CRM {said}"
    crm.remove("3")
    read(full=False, now=later)
    assert source(later) == f"5 records in the CRM {said}, 1 fewer since"


def test_a_connection_never_read_whole_is_compared_to_nothing() -> None:
    """Without a full read nobody knows what the CRM has."""
    assert reconciled(Source(connection="crm", contacts=7), Words("fr", SETTINGS.timezone)) == ""


def test_a_week_to_come_is_refused(database: Database) -> None:
    """There is no report of the future."""
    with pytest.raises(InputError, match="2026-W48"):
        _collect(database, week=Week(2026, 48))


def test_a_past_week_keeps_its_figures(database: Database) -> None:
    """Looking at an old week counts nothing anew and overwrites nothing."""
    Figures(database).save("2026-W40", {"contacts": 10, "clean": 5})
    digest = _collect(database, week=Week(2026, 40))
    assert digest.figures[0].now == 0.5
    assert Figures(database).history(["2026-W40"]) == {"2026-W40": {"contacts": 10, "clean": 5}}


def test_empty_store_has_a_report(database: Database) -> None:
    """Nothing configured, nothing read: still a report, in both forms."""
    digest = _collect(database)
    assert "No contact has been read yet." in render(digest, "en").text
    assert json.loads(json.dumps(as_document(digest)))["movement"]["new"] == 0


def test_document_holds_no_values(database: Database) -> None:
    """The JSON document tells which field and what problem, and not what the contact holds."""
    _mirror(database, [_contact(1)])
    finding = Finding(
        rule="no-mail", kind="format", severity=Severity.LOW, refs=(RecordRef("crm", "1"),),
        evidence={"field": "email", "now": "canary@example.org", "proposed": "canary2", "problem": "x"},
    )  # fmt: skip
    _found(database, [finding], NOW)
    text = json.dumps(as_document(_collect(database)))
    assert "canary" not in text
    assert '"field": "email"' in text


def test_hundred_thousand_contacts_in_seconds(database: Database) -> None:
    """100,000 contacts and 20,000 findings are collected and rendered within 5 s of processor time."""
    if database.dialect != "sqlite":
        pytest.skip("one database shows it")
    whole = _contact(0)
    _mirror(database, [whole])
    with database.write() as writing:
        columns = ", ".join(c.name for c in contacts.columns if c.name != "id")
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) "
        text = numbers.format(100_000) + "SELECT {} FROM n"
        writing.exec_driver_sql(
            f"INSERT INTO contacts (id, {columns}) {text.format(f'x, {columns}')}, contacts WHERE id = '0'"
        )
        found = numbers.format(20_000) + (
            "SELECT 'f' || x, 'rule-' || (x % 20), 'required', 1 + x % 4, 'open', '', "
            '\'{"missing": ["phone"]}\', 1000000 + x, 1, 1 FROM n'
        )
        writing.exec_driver_sql(
            "INSERT INTO findings (fingerprint, rule, kind, severity, state, about, evidence, "
            f"first_seen_at, last_seen_at, openings) {found}"
        )
        writing.exec_driver_sql(
            "INSERT INTO finding_refs (fingerprint, connection, id) "
            + numbers.format(20_000) + "SELECT 'f' || x, 'crm', '' || x FROM n"
        )  # fmt: skip
    digest = _collect(database)
    html = render(digest, "en").html
    assert digest.movement.open == 20_000
    assert len(html.encode()) < 100_000


def test_what_could_not_be_examined_is_as_the_last_whole_scan_left_it(database: Database) -> None:
    """A scan of changes compares nothing and looks at little: it must not make gaps disappear."""
    _mirror(database, [_contact(1)])
    text = (
        "version: 1\nrules:\n"
        "  - {id: twice, about: x, check: {kind: unique, fields: [owner]}, mode: report}\n"
        "  - {id: no-mail, about: x, check: {kind: required, fields: [email]}, mode: report}\n"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "rules.yaml")
        path.write_text(text, "utf-8")
        book = replace(load_rules([path]), skipped=(Skipped("no-mail", "crm", field="extra.x"),))
    crowd = [_contact(number, owner="42") for number in range(MAX_SHARED + 1)]
    _mirror(database, crowd)
    scan(database, book, clock=lambda: NOW)
    later = NOW + timedelta(hours=1)
    plain = replace(book, skipped=())
    changes = scan(database, plain, clock=lambda: later, changed=True)
    coverage = _collect(database, now=later).coverage

    assert (changes.left_out, changes.skipped) == ({}, {})
    size = MAX_SHARED + 1
    assert coverage.left_out == ((f"twice: same owner: {size} contacts share one value", size),)
    assert coverage.skipped == (("crm: extra.x", 1),)
    assert coverage.scanned_at == NOW


def test_reminders_say_what_to_do(database: Database) -> None:
    """What is overdue comes with its command; PostgreSQL has its own tools to restore a backup."""
    Reminders(database).record(Deed(duty=Duty.ACCESS_REVIEW, by="Ada", at=NOW))
    review, test = _collect(database).reminders
    assert (review.overdue, review.done_by, review.every_days) == (False, "Ada", 92)
    assert (test.overdue, test.how) == (True, "crm-steward restore FILE --test")
    elsewhere = SETTINGS.model_copy(update={"database": "postgresql+psycopg://db/steward"})
    (_, test) = collect(database, elsewhere, BOOK, now=NOW).reminders
    assert test.how == "crm-steward restore --test --in NAME"
    off = SETTINGS.model_copy(
        update={"reminders": Wanted(access_review=timedelta(0), restore_test=timedelta(0))}
    )
    assert collect(database, off, BOOK, now=NOW).reminders == ()
