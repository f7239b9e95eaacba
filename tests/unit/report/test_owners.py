"""Each owner's own digest: their records, nobody else's, once a week."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Page, TaskState
from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Email,
    Finding,
    MergeRecords,
    Plan,
    PlannedChange,
    PostalAddress,
    RecordRef,
    Severity,
    Stage,
    UpdateFields,
    change_to_json,
)
from crm_steward.report import (
    as_table,
    collect,
    queue,
    queue_owners,
    queue_weekly,
    render_owner,
)
from crm_steward.report.digest import Digest
from crm_steward.report.fitting import LARGEST
from crm_steward.report.owners import OwnerDigest, addressed, collect_owner
from crm_steward.report.table import COLUMNS
from crm_steward.report.todo import Shared, shared
from crm_steward.rules import RuleBook, load_register, load_rules, pack_path, shipped_register
from crm_steward.settings import Mail, Recipient, Report, Settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.following import Following
from crm_steward.store.mirror import Mirror
from crm_steward.store.outbox import Outbox
from crm_steward.store.runs import Runs
from crm_steward.store.tables import connections, finding_refs, journal, plans

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
BOOK = RuleBook(())
CLAIRE, NOAH, GONE = "claire@example.org", "noah@example.org", "gone@example.org"
OWNERS: Mapping[str, Mapping[str, Any]] = {
    "crm": {
        "71": {"name": "Claire Morel", "email": "Claire@example.org", "active": True},
        "72": {"name": "Noah", "email": NOAH, "active": True},
        "73": {"name": "Gone", "email": GONE, "active": False},
        "74": {"name": "No address", "email": ""},
    },
    "second": {"005": {"name": "C. Morel", "email": CLAIRE}},
}
KINDS: Mapping[str, Any] = {name: {"kind": "file", "path": "p.csv"} for name in OWNERS}


def _settings(owners: Any = "all", **report: Any) -> Settings:
    return Settings.model_validate(
        {
            "timezone": ZoneInfo("UTC"),
            "language": "en",
            "connections": KINDS,
            "mail": Mail(host="127.0.0.1", sender="steward@example.net"),
            "report": Report.model_validate({"owners": owners, **report}),
        }
    )


def _contact(connection: str, number: int, owner: str) -> Contact:
    return Contact(
        ref=RecordRef(connection, str(number)),
        last_name=f"Name{number}",
        url=f"https://{connection}.example/{number}",
        owner=owner,
    )


def _finding(rule: str, *refs: tuple[str, int]) -> Finding:
    return Finding(
        rule=rule,
        kind="duplicates" if len(refs) > 1 else "required",
        severity=Severity.HIGH,
        refs=tuple(RecordRef(connection, str(number)) for connection, number in refs),
        evidence={"missing": ["phone"], "level": "same e-mail"},
    )


@pytest.fixture
def base(database: Database) -> Database:
    """Claire owns records in two CRMs, Noah and Gone in one; a group holds records of two owners."""
    mirror = Mirror(database)
    people = {
        "crm": [_contact("crm", 1, "71"), _contact("crm", 2, "72"), _contact("crm", 3, "73")],
        "second": [_contact("second", 9, "005")],
    }
    for name, contacts in people.items():
        page = Page(cursor=Cursor("1"), contacts=tuple(contacts), complete=True)
        mirror.save_page(name, "file", page, now=NOW, full=True)
        mirror.note(name, "file", last_full_at=NOW, last_success_at=NOW, last_attempt_at=NOW)
        with database.write() as writing:
            mine = connections.c.connection == name
            account = {"owners": OWNERS[name]}
            writing.execute(sa.update(connections).where(mine).values(account=account))
    found = [
        _finding("no-phone", ("crm", 1)),
        _finding("no-phone", ("crm", 2)),
        _finding("no-phone", ("second", 9)),
        _finding("twice", ("crm", 1), ("crm", 2)),
    ]
    rules = {"no-phone": {"crm", "second"}, "twice": {"crm"}}
    Findings(database).record(rules, found, now=NOW - timedelta(hours=1))
    return database


def _digest(database: Database, address: str, **report: Any) -> OwnerDigest:
    digest = collect_owner(database, _settings(**report), BOOK, address, now=NOW)
    assert digest is not None
    return digest


def test_an_owner_sees_their_records_of_every_crm(base: Database) -> None:
    """The address makes one person of the owners of two CRMs; others' records are counted only."""
    digest = _digest(base, CLAIRE, names="on")
    assert (digest.movement.open, digest.movement.new) == (3, 3)
    counts = {rule.rule: rule.movement.open for rule in digest.rules}
    assert counts == {"no-phone": 2, "twice": 1}
    for language in ("en", "fr"):
        mail = render_owner(digest, language)
        for text in (mail.html, mail.text):
            assert "https://crm.example/1" in text
            assert "https://second.example/9" in text
            assert "https://crm.example/2" not in text
            assert "Name2" not in text
    assert "and 1 more" in render_owner(digest, "en").text
    assert "2 records" in render_owner(digest, "en").text


def test_an_address_that_no_crm_names(base: Database) -> None:
    """It has no digest, whoever asks for it; capitals and spaces are no other address."""
    assert collect_owner(base, _settings(), BOOK, "nobody@example.org", now=NOW) is None
    assert _digest(base, " CLAIRE@Example.org ").movement.open == 3


def test_who_gets_one_is_a_setting(base: Database) -> None:
    """Off, all who are active and have an address, or those whom the settings name."""
    assert addressed(base, _settings("off")) == ()
    assert {one.address for one in addressed(base, _settings("all"))} == {CLAIRE, NOAH}
    named = addressed(base, _settings([{"address": GONE, "language": "fr"}]))
    assert named == (Recipient(address=GONE, language="fr"),)
    assert Settings.model_validate({"report": {"owners": False}}).report.owners == "off"


def test_queued_once_a_week_and_only_when_there_is_something(base: Database) -> None:
    """Whoever has nothing open and nothing resolved gets no mail; nobody gets two."""
    owners = [CLAIRE, NOAH, GONE, "nobody@example.org"]
    settings = _settings(owners)
    assert sorted(queue_owners(base, settings, BOOK, NOW)) == [CLAIRE, NOAH]
    assert queue_owners(base, settings, BOOK, NOW + timedelta(days=2)) == []
    assert len(queue_owners(base, settings, BOOK, NOW + timedelta(days=7))) == 2
    letters = {letter.period for letter in Outbox(base).letters()}
    assert letters == {"2026-W47-owner", "2026-W48-owner"}


def test_who_had_nothing_on_the_day_hears_nothing_until_the_next_one(base: Database) -> None:
    """What comes up in the midst of the week makes no mail then; the next report has it."""
    settings = _settings([CLAIRE, GONE])
    assert queue_owners(base, settings, BOOK, NOW) == [CLAIRE]
    found = [_finding("late", ("crm", 3))]
    Findings(base).record({"late": {"crm"}}, found, now=NOW + timedelta(days=2))
    assert queue_owners(base, settings, BOOK, NOW + timedelta(days=3)) == []
    assert sorted(queue_owners(base, settings, BOOK, NOW + timedelta(days=7))) == [CLAIRE, GONE]


def test_the_store_is_read_once_for_the_report_and_its_digest(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two languages and the digest of data protection rest on the same reading, which takes seconds."""
    made = importlib.import_module(
        "crm_steward.report.queue"
    )  # the package has a function so named
    read: list[Digest] = []

    def counted(*arguments: Any, **named: Any) -> Digest:
        read.append(collect(*arguments, **named))
        return read[-1]

    monkeypatch.setattr(made, "collect", counted)
    managers = [NOAH, {"address": GONE, "language": "fr"}]
    settings = _settings("off", recipients=managers, privacy=["dpo@example.org"])
    Runs(base).finish(Runs(base).start("scan", now=NOW), {}, now=NOW)
    assert queue_weekly(base, settings, BOOK, NOW) == 3
    assert queue_weekly(base, settings, BOOK, NOW + timedelta(hours=1)) == 0
    assert len(read) == 1


def test_the_report_to_the_same_address_is_another_mail(base: Database) -> None:
    """A manager who owns records gets both, each once."""
    settings = _settings([CLAIRE], recipients=[CLAIRE])
    assert queue(base, settings, BOOK, settings.report.recipients, NOW) == [CLAIRE]
    assert queue_owners(base, settings, BOOK, NOW) == [CLAIRE]
    assert len({letter.id for letter in Outbox(base).letters()}) == 2


def _task(
    database: Database, record: int, owner: str | None, *, due: int, state: TaskState | None
) -> None:
    """Let a task stand in the CRM that was made yesterday and is due in so many days."""
    change = CreateTask(
        ref=RecordRef("crm", str(record)), title="t", body="b", marker="m", owner=owner,
        due=(NOW + timedelta(days=due)).date(),
    )  # fmt: skip
    task = f"{record}-{owner}-{due}"
    with database.write() as writing:
        for line in ("intent", "verified"):
            row = {
                "run": "r", "plan": "p", "key": task, "state": line, "kind": "task",
                "connection": "crm", "id": str(record), "rule": "no-phone", "finding": "f",
                "change": change_to_json(change) if line == "intent" else None,
                "remote_id": task if line == "verified" else "", "epoch": 1,
                "at": NOW - timedelta(days=1),
            }  # fmt: skip
            writing.execute(sa.insert(journal), row)
    if state is not None:
        Following(database).save("crm", {task: state}, {task: str(record)}, NOW)


def _told(database: Database, address: str, **report: Any) -> OwnerDigest:
    """Return the digest where the CRM tells what becomes of tasks."""
    settings = _settings(**report)
    hubspot = {"crm": {"kind": "hubspot", "token": "pat-invented"}, "second": KINDS["second"]}
    known = Settings.model_validate({"connections": hubspot}).connections
    settings = settings.model_copy(update={"connections": known})
    digest = collect_owner(database, settings, BOOK, address, now=NOW)
    assert digest is not None
    return digest


def test_an_owner_is_told_of_their_tasks(base: Database) -> None:
    """Those given to them, and those given to nobody about their records; due first comes first."""
    _task(base, 1, "71", due=-3, state=TaskState.OPEN)
    _task(base, 1, None, due=2, state=TaskState.OPEN)
    _task(base, 2, "71", due=1, state=None)  # about a record of Noah's
    _task(base, 1, "71", due=5, state=TaskState.DONE)
    _task(base, 2, "72", due=-9, state=TaskState.OPEN)
    _task(base, 2, None, due=0, state=TaskState.OPEN)
    tasks = _told(base, CLAIRE).tasks
    assert (tasks.created, tasks.done, tasks.open, tasks.overdue) == (4, 1, 3, 1)
    assert [(one.person and one.person.id, one.overdue) for one in tasks.next] == [
        ("1", True), (None, False), ("1", False),
    ]  # fmt: skip
    noah = _told(base, NOAH).tasks
    assert (noah.created, noah.open, noah.overdue) == (2, 2, 1)
    for language, title, late, elsewhere in (
        ("en", "Your tasks", "overdue since 13 Nov 2026", "a record of somebody else"),
        ("fr", "Vos tâches", "en retard depuis le 13 nov. 2026", "une fiche d\u2019un autre"),
    ):
        mail = render_owner(_told(base, CLAIRE, names="on"), language)
        text = " ".join(mail.text.split())
        for said in (title, late, elsewhere):
            assert said in mail.html
            assert said.lower() in text.lower()
        assert "Name2" not in mail.html + text
        assert "crm.example/2" not in mail.html + text


def test_who_has_only_tasks_gets_a_digest(base: Database) -> None:
    """Nothing is found in their records, and there is something to do: it is the headline."""
    _task(base, 1, "71", due=1, state=TaskState.OPEN)
    with base.write() as writing:
        writing.execute(sa.delete(finding_refs))
    digest = _told(base, CLAIRE)
    assert not digest.movement.open
    assert not digest.silent
    assert "1 task for you to do" in render_owner(digest, "en").subject
    assert _told(base, GONE).silent


def test_an_owner_is_told_what_was_changed_in_their_records(base: Database) -> None:
    """By kind of change; tasks are told apart, and what was undone since is not told."""
    with base.write() as writing:
        for record, kind, undoes in ((1, "update", None), (2, "merge", None), (3, "update", None)):
            for state in ("intent", "verified"):
                row = {
                    "run": "r", "plan": "p", "key": f"{record}", "state": state, "kind": kind,
                    "connection": "crm", "id": str(record), "rule": "no-phone", "finding": "f",
                    "change": None, "undoes": undoes, "epoch": 1, "at": NOW - timedelta(days=1),
                }  # fmt: skip
                writing.execute(sa.insert(journal), row)
    assert _told(base, CLAIRE).written == {"update": 1}
    assert _told(base, NOAH).written == {"merge": 1}
    assert "since last week: 1 correction." in " ".join(
        render_owner(_told(base, CLAIRE), "en").text.split()
    )


def _dated(connection: str, number: int, owner: str, **values: Any) -> Contact:
    held = {"stage": Stage.PROSPECT, "address": PostalAddress(country="FR"), **values}
    return replace(_contact(connection, number, owner), **held)


@pytest.fixture
def ahead(base: Database) -> Database:
    """Prospects of Claire, Noah and Gone whose periods end, Germans whose consents end, and a plan."""
    old, soon = datetime(2023, 9, 1, tzinfo=UTC), datetime(2023, 11, 10, tzinfo=UTC)
    given = datetime(2024, 12, 1, tzinfo=UTC)  # two years on 1 December: to be asked for again
    said = Consent(channel=Channel.EMAIL, status=ConsentStatus.GRANTED, given_at=given)
    german = PostalAddress(country="DE")
    mail = {"consents": (said,), "stage": Stage.CUSTOMER, "address": german}
    people = {
        "crm": [
            _dated("crm", 21, "71", last_person_act=old),
            _dated("crm", 22, "72", last_person_act=old),
            _dated("crm", 23, "73", last_person_act=soon),
            _dated("crm", 24, "71", emails=(Email("a@example.org"),), **mail),
            _dated("crm", 25, "72", emails=(Email("b@example.org"),), **mail),
            _dated("crm", 26, "", last_person_act=old),
        ],
        "second": [_dated("second", 29, "005", last_person_act=soon)],
    }
    for name, contacts in people.items():
        page = Page(cursor=Cursor("2"), contacts=tuple(contacts), complete=True)
        Mirror(base).save_page(name, "file", page, now=NOW, full=False)
    changes = [
        UpdateFields(ref=RecordRef("crm", "21"), values={"city": "x"}, expected={}),
        UpdateFields(ref=RecordRef("crm", "22"), values={"city": "x"}, expected={}),
        UpdateFields(ref=RecordRef("second", "29"), values={"city": "x"}, expected={}),
        MergeRecords(ref=RecordRef("crm", "22"), losers=(RecordRef("crm", "24"),)),
    ]
    planned = [PlannedChange(change=one, rule="no-phone", finding="f") for one in changes]
    done = replace(planned[0], change=replace(changes[0], values={"city": "y"}), automatic=True)
    plan = Plan(
        changes=(*planned, done), created_at=NOW, expires_at=NOW + timedelta(hours=72),
        mirror="1", rules="r",
    )  # fmt: skip
    row = {
        "hash": plan.hash, "created_at": plan.created_at, "expires_at": plan.expires_at,
        "status": "open", "content": plan.to_json(),
    }  # fmt: skip
    with base.write() as writing:
        writing.execute(sa.insert(plans), row)
    return base


PACKS = load_rules(
    [pack_path("retention-fr"), pack_path("consent-de")],
    periods=load_register(shipped_register()).periods,
    zone=ZoneInfo("UTC"),
)


def test_what_comes_up_in_their_records_is_told_to_owners(ahead: Database) -> None:
    """What waits for a decision, and what ends within this month and the next: theirs, in every CRM."""
    settings = _settings("all", names="on")
    claire = collect_owner(ahead, settings, PACKS, CLAIRE, now=NOW)
    assert claire is not None
    coming = claire.coming
    assert [(one.kind, one.count) for one in coming.waiting] == [("merge", 1), ("update", 2)]
    (due,) = [one for one in coming.retention.due if one.rule == "retention-prospect-due"]
    assert (due.past, due.this_month, due.next_month) == (1, 0, 1)
    assert [str(ref) for _, ref in due.records] == ["crm:21", "second:29"]
    assert [(one.count, str(one.length), one.ground) for one in coming.ending] == [
        (1, "24 months", "ask")
    ]
    for language, said in (
        ("en", ("What comes up", "3 changes of your records wait", "1 merge, cannot be undone", "over: 1 and December: 1", "E-mail: 1 consent to be asked for again", "https://second.example/29", "Name21")),
        ("fr", ("À venir", "3 modifications de vos fiches attendent", "1 fusion, annulation impossible", "échus\u00a0: 1 et décembre\u00a0: 1", "E-mail\u00a0: 1 consentement à redemander", "https://crm.example/24")),
    ):  # fmt: skip
        mail = render_owner(claire, language)
        text = " ".join(mail.text.split(" ")).replace("\n", " ").casefold()
        page = mail.html.replace("&nbsp;", "\u00a0").casefold()
        for part in said:
            assert part.casefold() in page, part
            assert part.casefold() in text, part
        for other in ("22", "25", "26"):
            assert f"crm.example/{other}" not in mail.html + mail.text
            assert f"Name{other}" not in mail.html + mail.text
    rows = as_table(claire)
    assert ",coming,retention-prospect-due prospects,retention due past,1" in rows
    assert ",coming,no-phone merge irreversible,waiting count,1" in rows


def test_who_has_only_something_coming_up_gets_a_digest(ahead: Database) -> None:
    """Nothing is found yet in the records of Gone; a period ends next month. It is read once for all."""
    gone = collect_owner(ahead, _settings(), PACKS, GONE, now=NOW)
    assert gone is not None
    assert (gone.movement.open, gone.coming.waiting, gone.silent) == (0, (), False)
    assert "something comes up in your records" in render_owner(gone, "en").subject
    assert sorted(queue_owners(ahead, _settings([CLAIRE, GONE]), PACKS, NOW)) == [CLAIRE, GONE]


def test_what_all_digests_rest_on_is_read_once(
    base: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many owners there are, the tasks of all are read at once; without owners, never."""
    made = importlib.import_module("crm_steward.report.owners")
    read: list[Shared] = []

    def counted(*arguments: Any, **named: Any) -> Shared:
        read.append(shared(*arguments, **named))
        return read[-1]

    monkeypatch.setattr(made, "shared", counted)
    assert queue_owners(base, _settings("off"), BOOK, NOW) == []
    assert read == []
    assert len(queue_owners(base, _settings([CLAIRE, NOAH]), BOOK, NOW)) == 2
    assert len(read) == 1


def test_a_digest_fits_into_a_mail(base: Database, digest: Digest) -> None:
    """With forty rules of long links, examples give way and nothing else."""
    owner = _digest(base, CLAIRE)
    url = "https://crm.example/" + "a" * 400
    rules = []
    for rule in digest.rules * 10:
        shown = rule.examples[0]
        people = tuple(replace(one, url=url) for one in shown.people)
        rules.append(replace(rule, examples=(replace(shown, people=people * 3),) * 5))
    mail = render_owner(replace(owner, rules=tuple(rules)), "fr")
    assert len(mail.html.encode()) <= LARGEST
    assert mail.html.count('class="pill') == 20


def _opened(content: bytes) -> Any:
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(content))


def test_the_workbook_travels_with_the_report(base: Database) -> None:
    """When the settings want it, and then the mail is otherwise as ever."""
    settings = _settings("off", recipients=[NOAH], workbook=True)
    queue(base, settings, BOOK, settings.report.recipients, NOW)
    (letter,) = Outbox(base).letters()
    message = message_from_string(letter.message, policy=policy.default)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "crm-steward-2026-W47.xlsx"
    assert _opened(attached.get_content()).sheetnames[:2] == ["Contents", "Findings"]
    assert message.get_body(("plain",)) is not None


def test_a_table_has_every_figure(digest: Digest) -> None:
    """One line per figure with the same columns always; values of CRMs cannot become formulas."""
    rows = list(csv.DictReader(io.StringIO(as_table(digest))))
    assert tuple(rows[0]) == COLUMNS
    found = {(row["section"], row["item"], row["measure"]): row["value"] for row in rows}
    assert found["figures", "clean", "values 2026-W47"] == "0.824"
    assert found["movement", "", "new"] == "86"
    assert found["rules", "same-person", "movement new"] == "12"
    assert found["owners", "hubspot-eu 72", "findings"] == "530"
    assert {row["week"] for row in rows} == {"2026-W47"}
    assert not any(cell.startswith(("=", "@", "\t")) for row in rows for cell in row.values())
