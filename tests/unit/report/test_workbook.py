"""The workbook: a sheet for each list, which people sort and filter, safe to open, in both languages."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook  # noqa: TID253 -- what a reader of the file sees

from crm_steward.connect.protocol import Cursor, Page, Poison, TaskState
from crm_steward.model import (
    Channel,
    Contact,
    CreateTask,
    Finding,
    MergeRecords,
    PlannedChange,
    RecordRef,
    Severity,
    UpdateFields,
    change_to_json,
)
from crm_steward.report import Digest, as_document, as_table, collect, workbook
from crm_steward.report.catalogue import CATALOGUES
from crm_steward.report.consent import Apart, Ending, Ground, Said
from crm_steward.report.groups import Person
from crm_steward.report.listing import MOST
from crm_steward.report.objections import Objections, Unheeded
from crm_steward.report.retention import Due, Retention
from crm_steward.report.spreadsheet import Cell, Linked, Share, Spreadsheet
from crm_steward.rules import Duration, RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.following import Following
from crm_steward.store.lines import SET_ASIDE
from crm_steward.store.mirror import Mirror
from crm_steward.store.snoozes import Snooze, Snoozes
from crm_steward.store.tables import (
    connections,
    finding_refs,
    findings,
    journal,
    quarantine,
    rule_edits,
)

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
WEEK = NOW - timedelta(days=2)
BOOK = RuleBook(())
LINK = "https://crm.example/{}"
FORMULA = "=HYPERLINK(1)"


def _settings(**report: Any) -> Settings:
    return Settings.model_validate(
        {
            "timezone": ZoneInfo("UTC"),
            "language": "en",
            "connections": {"crm": {"kind": "hubspot", "token": "pat-invented"}},
            "report": report,
        }
    )


def _contact(number: int) -> Contact:
    return Contact(
        ref=RecordRef("crm", str(number)),
        first_name="Ada",
        last_name=FORMULA if number == 1 else f"Canary{number}",
        url=LINK.format(number) if number != 9 else "javascript:alert(1)",
        owner="71",
        notes="canary-free-text",
    )


def _finding(rule: str, *numbers: int, severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        rule=rule,
        kind="duplicates" if len(numbers) > 1 else "required",
        severity=severity,
        refs=tuple(RecordRef("crm", str(number)) for number in numbers),
        evidence={"missing": ["phone"], "level": "same e-mail", "certainty": "unsure"},
        score=0.8 if len(numbers) > 1 else None,
    )


def _lines(
    change: CreateTask | UpdateFields, at: datetime, *states: str, task: str = ""
) -> list[Mapping[str, Any]]:
    kind = "task" if isinstance(change, CreateTask) else "update"
    return [
        {
            "run": "run-1", "plan": "p", "key": f"{kind}-{change.ref.id}-{task}", "state": state,
            "kind": kind, "connection": "crm", "id": change.ref.id, "rule": "no-phone", "finding": "f",
            "change": change_to_json(change) if state == "intent" else None,
            "remote_id": task if state == "verified" else "", "epoch": 1, "at": at,
        }
        for state in states
    ]  # fmt: skip


def _task(number: int, *, due: datetime, owner: str | None = "71") -> CreateTask:
    return CreateTask(
        ref=RecordRef("crm", str(number)), title="Ask Ada Canary again", body="canary-free-text",
        due=due.date(), marker="m", owner=owner,
    )  # fmt: skip


def _update(number: int) -> UpdateFields:
    return UpdateFields(
        ref=RecordRef("crm", str(number)), values={"city": "Canaryville"}, expected={}
    )


@pytest.fixture
def base(database: Database) -> Database:
    """A store with something in each list that is read from it."""
    mirror = Mirror(database)
    poison = (Poison("17", "a field holds a NUL character"),)
    people = tuple(map(_contact, range(1, 10)))
    page = Page(cursor=Cursor("1"), contacts=people, poison=poison, complete=True)
    mirror.save_page("crm", "hubspot", page, now=NOW, full=True)
    found = [
        _finding("no-phone", 1),
        _finding("no-phone", 2, severity=Severity.LOW),
        _finding("twice", 3, 4),
        _finding("no-phone", 5),
    ]
    Findings(database).record({"no-phone": {"crm"}, "twice": {"crm"}}, found, now=WEEK)
    snooze = Snooze(
        fingerprint=found[3].fingerprint, rule="no-phone", until=NOW + timedelta(days=9), by="dana", at=NOW,
        reason="canary-free-text",
    )  # fmt: skip
    Snoozes(database).snooze([snooze])
    account = {"owners": {"71": {"name": "Claire Morel"}}}
    aside = {
        "connection": "crm", "id": f"{SET_ASIDE}update-8-", "reason": "canary-free-text",
        "first_seen_at": NOW, "last_seen_at": NOW, "attempts": 5,
    }  # fmt: skip
    edit = {
        "rule": "no-phone", "edit": "edited", "at": WEEK, "opened": 3, "resolved": 0, "open": 3,
    }  # fmt: skip
    lines = [
        *_lines(_task(1, due=NOW - timedelta(days=3)), WEEK, "intent", "verified", task="t1"),
        *_lines(_task(2, due=NOW), WEEK, "intent", "verified", task="t2"),
        *_lines(_task(3, due=NOW, owner=None), WEEK, "intent", "verified", task="t3"),
        *_lines(_task(4, due=NOW), WEEK, "intent", "verified", task="t4"),
        *_lines(_update(5), WEEK, "intent", "verified"),
        *_lines(_update(6), WEEK, "intent", "rejected"),
        *_lines(_update(7), WEEK, "intent"),
        *_lines(_update(8), NOW - timedelta(days=30), "intent", "rejected"),
    ]
    with database.write() as writing:
        writing.execute(sa.update(connections).values(account=account))
        writing.execute(sa.insert(quarantine), aside)
        writing.execute(sa.insert(rule_edits), edit)
        for line in lines:
            writing.execute(sa.insert(journal), line)
    states = {"t1": TaskState.OPEN, "t2": TaskState.OPEN, "t4": TaskState.DONE}
    Following(database).save("crm", states, {name: name[1] for name in states}, NOW)
    return database


def _digest(database: Database, sample: Digest) -> Digest:
    """Return the report of the store, with records in the lists that are asked of all contacts."""
    email, length = Channel.EMAIL, Duration(24, "month")
    first, second = RecordRef("crm", "1"), RecordRef("crm", "2")
    merge = MergeRecords(ref=first, losers=(second,))
    assert sample.decision is not None
    return replace(
        collect(database, _settings(), BOOK, now=NOW),
        decision=replace(
            sample.decision,
            changes=(PlannedChange(change=merge, rule="twice", finding="f"),),
        ),
        coverage=sample.coverage,
        consents=replace(
            sample.consents,
            ending=(
                Ending(channel=email, ground=Ground.ASK, length=length, count=9, records=(first,)),
            ),
            apart=(
                Apart(
                    channel=email,
                    people=4,
                    opposed=1,
                    records=(Said(person=7, record=first, status="withdrawn", opposed=True),),
                ),
            ),
            objections=Objections(
                open=1,
                late=1,
                listed=(
                    Unheeded(
                        person=Person(connection="crm", id="9"), channel=email, seen=WEEK, days=2,
                        due=NOW, late=True,
                    ),
                ),
            ),
        ),
        retention=Retention(
            this_month=NOW,
            next_month=NOW + timedelta(days=20),
            due=(
                Due(
                    rule="twice", titles={"en": "twice"}, period="prospects", length=length,
                    then="archive", past=1, this_month=1, next_month=0,
                    records=((0, second), (1, first)),
                ),
            ),
        ),
        protection=sample.protection,
        hygiene=sample.hygiene,
        reminders=sample.reminders,
    )  # fmt: skip


def _made(database: Database, digest: Digest, language: str = "en", **report: Any) -> Any:
    content = workbook(database, _settings(**report), BOOK, digest, language)
    return load_workbook(io.BytesIO(content))


def _rows(sheet: Any) -> list[dict[str, Any]]:
    head, *rows = sheet.iter_rows()
    return [
        {title.value: cell.value for title, cell in zip(head, row, strict=True)} for row in rows
    ]


def test_each_list_has_a_sheet_to_sort_and_filter(base: Database, digest: Digest) -> None:
    """Its head stays in sight and filters; records lead to the CRM; owners are named."""
    made = _made(base, _digest(base, digest))
    sheets = [one for one in made.sheetnames if one != "Contents"]
    assert sheets == [
        "Findings", "Waiting for a decision", "Tasks", "Duplicates to look at",
        "Objections not heeded yet", "Consents that end", "Consents in conflict", "Retention",
        "Changes made", "Changes not made", "Records not read", "Left out", "Snoozed findings", "Rules",
        "Edits of rules", "Connections", "Owners", "Countries", "Fields that could be lists", "Edits of the register",
        "Reminders",
    ]  # fmt: skip
    for sheet in made:
        last = sheet.cell(1, sheet.max_column).column_letter
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == f"A1:{last}{sheet.max_row}"
        assert sheet.max_row > 1
        assert all(cell.font.b for cell in sheet[1])
        head = [cell.value for cell in sheet[1]]
        for row in sheet.iter_rows(min_row=2) if "Record" in head else ():
            record = row[head.index("Record")]
            number = record.value.partition(":")[2]
            if number in set("12345678"):
                assert record.hyperlink.target == LINK.format(number)
                assert row[head.index("Owner")].value in {"Claire Morel", None, ""}
            else:
                assert record.hyperlink is None


def test_what_stands_in_the_lists(base: Database, digest: Digest) -> None:
    """Tasks as they stand, changes as they ended, people as the report counts them."""
    made = _made(base, _digest(base, digest))
    tasks = {(row["State"], row["Record"], row["Owner"]) for row in _rows(made["Tasks"])}
    assert tasks == {
        ("overdue", "crm:1", "Claire Morel"),
        ("open", "crm:2", "Claire Morel"),
        ("not read yet", "crm:3", None),
        ("done", "crm:4", "Claire Morel"),
    }
    (change,) = _rows(made["Changes made"])[:1]
    assert Counter(row["Change"] for row in _rows(made["Changes made"])) == {
        "task": 4, "correction": 1,
    }  # fmt: skip
    assert change["On"] == datetime(2026, 11, 14)  # noqa: DTZ001 -- so Excel keeps days
    ended = {(row["What became of it"], row["Record"]) for row in _rows(made["Changes not made"])}
    assert ended == {
        ("refused by the CRM", "crm:6"),
        ("not confirmed yet", "crm:7"),
        ("set aside after five refusals", "crm:8"),
    }
    (unread,) = _rows(made["Records not read"])
    assert (unread["Record"], unread["Why"]) == ("crm:17", "a field holds a NUL character")
    (waits,) = _rows(made["Waiting for a decision"])
    assert (waits["Change"], waits["Records"], waits["Can be undone"]) == ("merge", 2, "no")
    (objection,) = _rows(made["Objections not heeded yet"])
    assert (objection["Days"], objection["Overdue"]) == (2, "yes")
    due = [(row["When"], row["Record"], row["Then"]) for row in _rows(made["Retention"])]
    assert due == [("Past", "crm:2", "archive"), ("November", "crm:1", "archive")]
    (apart,) = _rows(made["Consents in conflict"])
    assert (apart["Consent"], apart["Refused and contacted"]) == ("withdrawn", "yes")
    twins = [(row["Group"], row["Record"]) for row in _rows(made["Duplicates to look at"])]
    assert twins == [(1, "crm:3"), (1, "crm:4")]
    owner = _rows(made["Owners"])[0]
    assert (owner["Owner"], owner["Open tasks"], owner["Overdue tasks"]) == ("Claire Morel", 2, 1)
    (snoozed,) = _rows(made["Snoozed findings"])
    assert (snoozed["Record"], snoozed["By"]) == ("crm:5", "dana")
    (edit,) = _rows(made["Edits of rules"])
    assert (edit["Edit"], edit["Opened"]) == ("edited", 3)


def test_the_first_sheet_names_all_lists(base: Database, digest: Digest) -> None:
    """With how much each holds and leaves out, a way to it, and those that are empty too."""
    whole = _digest(base, digest)
    for language in ("en", "fr"):
        made = _made(base, replace(whole, decision=None), language)
        contents, *others = made.worksheets
        listed = list(contents.iter_rows(min_row=2))
        assert len(listed) == 21
        lines = {row[0].value: (row[2].value, row[3].value) for row in listed}
        for sheet in others:
            assert lines[sheet.title][0] == sheet.max_row - 1
        ways = {row[0].value: row[0].hyperlink.location for row in listed if row[0].hyperlink}
        assert ways == {sheet.title: f"'{sheet.title}'!A1" for sheet in others}
        waiting = CATALOGUES[language]["workbook.waiting"]
        assert lines[waiting] == (0, 0)
        assert waiting not in ways
        ending = CATALOGUES[language]["workbook.ending"]
        assert lines[ending] == (1, 8)


def _texts(made: Any) -> Iterable[Any]:
    return (cell for sheet in made for row in sheet.iter_rows() for cell in row)


@pytest.mark.parametrize("names", ["off", "initials", "on"])
def test_people_are_named_as_the_settings_allow(base: Database, digest: Digest, names: str) -> None:
    """By id, by initials or by name; what a name begins with makes no formula; free text stays away."""
    made = _made(base, _digest(base, digest), names=names)
    cells = list(_texts(made))
    text = "\n".join(str(cell.value) for cell in cells)
    assert "canary-free-text" not in text
    assert "Canaryville" not in text
    assert "Ask Ada" not in text
    assert ("Ada Canary2" in text) == (names == "on")
    assert ("A. C." in text) == (names == "initials")
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    if names == "on":
        assert f"Ada {FORMULA}" in text


def test_a_long_list_says_what_it_leaves_out(database: Database, digest: Digest) -> None:
    """The gravest findings are in it; how many are not stands on the first sheet."""
    rows = [
        {
            "fingerprint": f"{n:06}", "rule": "r", "kind": "required", "state": "open", "about": "",
            "severity": int(Severity.HIGH if n == 5_001 else Severity.LOW), "evidence": {},
            "first_seen_at": NOW, "last_seen_at": NOW, "openings": 1,
        }
        for n in range(MOST + 3)
    ]  # fmt: skip
    refs = [{"fingerprint": f"{n:06}", "connection": "crm", "id": str(n)} for n in range(MOST + 3)]
    with database.write() as writing:
        writing.execute(sa.insert(findings), rows)
        writing.execute(sa.insert(finding_refs), refs)
    made = _made(database, replace(digest, until=NOW))
    (line,) = (row for row in _rows(made["Contents"]) if row["List"] == "Findings")
    assert (line["Lines"], line["Left out"]) == (MOST, 3)
    first = _rows(made["Findings"])[0]
    assert (first["Severity"], first["Record"]) == ("high", "crm:5001")


def test_the_document_counts_what_the_workbook_lists(base: Database, digest: Digest) -> None:
    """Neither the JSON document nor the CSV holds the records of the lists."""
    whole = _digest(base, digest)
    document = as_document(whole)
    assert "records" not in document["consents"]["ending"][0]
    assert "changes" not in document["decision"]
    assert "listed" not in document["consents"]["objections"]
    assert as_table(whole)


def test_each_figure_of_the_csv_is_told_apart(digest: Digest) -> None:
    """Section, item and measure name it alone; no record, name or address of one is in it."""
    rows = list(csv.DictReader(io.StringIO(as_table(digest))))
    keys = Counter((row["section"], row["item"], row["measure"]) for row in rows)
    assert [key for key, count in keys.items() if count > 1] == []
    found = {(row["section"], row["item"], row["measure"]): row["value"] for row in rows}
    assert found["consents", "hubspot-eu phone", "shares provable"] == "310"
    assert found["consents", "email ask 24 months", "ending count"] == "4"
    assert found["consents", "email", "apart people"] == str(digest.consents.apart[0].people)
    assert found["quotas", "hubspot-eu", "share"] == "0.031"
    assert found["reminders", "access-review", "overdue"] == "True"
    assert not [row for row in rows if "http" in row["value"] or "worst" in row["measure"]]


_CELLS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["=1+1", "+1", "-1", "@x", "\tx", "_x0041_", "<&>'\"", "{0}", " x "]),
    st.integers(-(10**9), 10**9),
    st.floats(-1e9, 1e9),
    st.dates(date(1900, 3, 1), date(2200, 1, 1)),
    st.floats(0, 1).map(Share),
    st.text(max_size=20).map(lambda text: Linked(text, "https://crm.example/?a=1&b='\"")),
    st.booleans(),
    st.none(),
)


@given(st.lists(st.tuples(_CELLS, _CELLS), max_size=5))
def test_what_is_written_is_read_back(rows: list[tuple[Cell, Cell]]) -> None:
    """Text stays text, whatever it begins with; what XML cannot hold is left out of it."""
    with Spreadsheet() as file:
        assert file.fill(file.sheet("A"), ("a", "b"), rows, widths=(10, 20)) == len(rows)
        sheet = load_workbook(io.BytesIO(file.content()))["A"]
    for row, cells in zip(rows, sheet.iter_rows(min_row=2, max_row=1 + len(rows)), strict=True):
        for value, cell in zip(row, cells, strict=True):
            _same(value, cell)


def _same(value: Cell, cell: Any) -> None:
    match value:
        case str() | Linked():
            text = value if isinstance(value, str) else value.text
            lines = text.replace("\r\n", "\n").replace("\r", "\n")
            legal = "".join(
                c for c in lines if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff")
            )
            assert (cell.value or "") == legal
            assert cell.data_type in {"s", "inlineStr"} or not legal
        case date():
            assert cell.value.date() == value
        case Share(value=share):
            assert cell.value == pytest.approx(share)
        case None:
            assert cell.value is None
        case _:
            assert cell.value == pytest.approx(float(value))


@pytest.mark.parametrize("name", ["a" * 32, "a/b", "a[", "'a", "A", ""])
def test_a_sheet_that_excel_would_not_open(name: str) -> None:
    """Its name is too long, holds signs of its own, or is taken."""
    with Spreadsheet() as file:
        file.sheet("a")
        with pytest.raises(ValueError, match="no name for a sheet"):
            file.sheet(name)


def test_every_sheet_may_be_called_so() -> None:
    """In both languages: Excel takes the name, and no two are alike."""
    for language, phrases in CATALOGUES.items():
        names = [
            key for key in phrases if f"{key}.about" in phrases and key.startswith("workbook.")
        ]
        assert len(names) == 21, language
        with Spreadsheet() as file:
            for name in names:
                file.sheet(str(phrases[name]))
            assert len(load_workbook(io.BytesIO(file.content())).sheetnames) == 21
