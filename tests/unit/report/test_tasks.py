"""Tasks in the report: what was made, and what became of it as the CRM told last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import TaskState
from crm_steward.model import CloseTask, CreateTask, RecordRef, change_to_json
from crm_steward.report import Digest, as_document, render
from crm_steward.report.findings import Names
from crm_steward.report.tasks import TaskOwner, Tasks, TaskShare, tasks
from crm_steward.store.database import Database
from crm_steward.store.following import Following
from crm_steward.store.tables import connections, journal

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
LAST = NOW - timedelta(days=7)


def _line(
    change: CreateTask | CloseTask, state: str, at: datetime, remote: str
) -> dict[str, object]:
    kind = "task" if isinstance(change, CreateTask) else "close_task"
    return {
        "run": "r", "plan": "p", "key": f"{kind}-{change.ref}-{remote}", "state": state, "kind": kind,
        "connection": change.ref.connection, "id": change.ref.id, "rule": "r", "finding": "f",
        "change": change_to_json(change) if state == "intent" else None,
        "remote_id": "" if state == "intent" else remote, "epoch": 1, "at": at,
    }  # fmt: skip


def _make(
    database: Database,
    task: str,
    at: datetime,
    *,
    due: datetime = NOW,
    owner: str | None = None,
    connection: str = "crm",
) -> None:
    change = CreateTask(
        ref=RecordRef(connection, f"of-{task}"), title="Ask Ada", body="b", due=due.date(),
        marker="m", owner=owner,
    )  # fmt: skip
    _write(database, change, at, task)


def _write(database: Database, change: CreateTask | CloseTask, at: datetime, task: str) -> None:
    with database.write() as writing:
        for state in ("intent", "verified"):
            writing.execute(sa.insert(journal), _line(change, state, at, task))


def _close(database: Database, task: str, at: datetime) -> None:
    change = CloseTask(ref=RecordRef("crm", f"of-{task}"), task=task, marker="m")
    _write(database, change, at, task)


def _tell(database: Database, at: datetime, states: Mapping[str, TaskState]) -> None:
    Following(database).save("crm", states, {task: f"of-{task}" for task in states}, at)


def _read(database: Database, *telling: str, now: datetime = NOW, zone: str = "UTC") -> Tasks:
    with database.read() as reading:
        named = Names(reading, "off").owner
        return tasks(reading, named, telling, (LAST, now), now=now, zone=ZoneInfo(zone))


def test_each_task_is_counted_where_it_stands(database: Database) -> None:
    """Made, done, deleted and closed this week; open, overdue and not read yet as of now."""
    before, week = LAST - timedelta(days=30), LAST + timedelta(days=1)
    for task in ("done", "dropped", "done-long-ago", "closed", "late", "closed-long-ago"):
        _make(database, task, before, due=NOW - timedelta(days=1))
    for task in ("open", "unread"):
        _make(database, task, week, due=NOW)
    _tell(database, before, {"done-long-ago": TaskState.DONE})
    _close(database, "closed-long-ago", before)
    _close(database, "closed", week)
    read = NOW - timedelta(hours=3)
    _tell(database, week, {"late": TaskState.OPEN, "open": TaskState.OPEN, "done": TaskState.OPEN})
    _tell(database, read, {"done": TaskState.DONE, "dropped": TaskState.DELETED})
    _tell(database, read, {"open": TaskState.OPEN})

    assert _read(database, "crm").shares == (
        TaskShare(
            connection="crm", created=2, closed=1, done=1, deleted=1, open=2, overdue=1, unread=1,
            read_at=week,
        ),
    )  # fmt: skip


def test_a_task_that_was_done_before_we_closed_it_is_done(database: Database) -> None:
    """The person did it; our closing changed nothing and is not counted beside it."""
    week = LAST + timedelta(days=1)
    _make(database, "1", week)
    _tell(database, week, {"1": TaskState.DONE})
    _close(database, "1", NOW)
    (share,) = _read(database, "crm").shares
    assert (share.done, share.closed, share.open) == (1, 0, 0)


def test_what_a_crm_does_not_tell_is_not_said(database: Database) -> None:
    """Of a connection without the capability it is known what was made there, and nothing else."""
    _make(database, "1", LAST + timedelta(days=1), due=LAST)
    found = _read(database)
    assert found == Tasks(shares=(TaskShare(connection="crm", created=1, told=False),))


def test_due_today_is_not_overdue_in_the_zone_of_the_reader(database: Database) -> None:
    """The day ends where the reader is."""
    _make(database, "1", LAST, due=NOW)
    _tell(database, NOW, {"1": TaskState.OPEN})
    late = NOW.replace(hour=23)
    assert _read(database, "crm", now=late).shares[0].overdue == 0
    assert _read(database, "crm", now=late, zone="Europe/Paris").shares[0].overdue == 1


def test_owners_with_most_overdue_come_first(database: Database) -> None:
    """By the name that `check` learnt; five are named, the rest are counted."""
    account = {"owners": {"71": {"name": "Claire Morel"}}}
    with database.write() as writing:
        row = {"connection": "crm", "kind": "fake", "live": 0, "account": account}
        writing.execute(sa.insert(connections), row)
    for owner, count, due in (
        ("71", 2, -1), (None, 5, 1), ("72", 1, -1), ("73", 4, 1), ("74", 3, 1), ("75", 1, 1), ("76", 1, 1),
    ):  # fmt: skip
        for n in range(count):
            task = f"{owner}-{n}"
            _make(database, task, LAST, due=NOW + timedelta(days=due), owner=owner)
            _tell(database, NOW, {task: TaskState.OPEN})
    found = _read(database, "crm")
    assert found.owners[0] == TaskOwner(
        connection="crm", owner="71", name="Claire Morel", open=2, overdue=2
    )
    assert [one.owner for one in found.owners] == ["71", "72", "", "73", "74"]
    assert found.more_owners == 2


def test_a_task_is_read_once_a_day_and_not_after_it_is_done(database: Database) -> None:
    """Those never read first, then those not read for longest; none that is done, closed or old."""
    _make(database, "old", NOW - timedelta(days=366))
    for task in ("a", "b", "c", "d"):
        _make(database, task, LAST)
    _make(database, "elsewhere", LAST, connection="other")
    _close(database, "d", LAST)
    following = Following(database)
    _tell(database, NOW - timedelta(hours=30), {"a": TaskState.OPEN})
    assert following.wanted("crm", NOW) == {"b": "of-b", "c": "of-c", "a": "of-a"}
    assert list(following.wanted("crm", NOW))[-1] == "a"
    _tell(database, NOW, {"a": TaskState.OPEN, "b": TaskState.DONE, "c": TaskState.DELETED})
    assert following.wanted("crm", NOW + timedelta(hours=19)) == {}
    assert list(following.wanted("crm", NOW + timedelta(hours=20))) == ["a"]


def test_what_was_not_asked_for_is_not_kept(database: Database) -> None:
    """A connector that tells of other tasks than it was asked for tells nothing of ours."""
    _make(database, "a", LAST)
    following = Following(database)
    wanted = following.wanted("crm", NOW)
    following.save("crm", {"a": TaskState.DONE, "b": TaskState.DONE}, wanted, NOW)
    assert _read(database, "crm").shares[0].done == 1


def test_one_pull_reads_no_more_than_its_share(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left over is read by the next pull."""
    monkeypatch.setattr("crm_steward.store.following.AT_ONCE", 2)
    for task in ("a", "b", "c"):
        _make(database, task, LAST)
    following = Following(database)
    first = following.wanted("crm", NOW)
    assert len(first) == 2
    _tell(database, NOW, dict.fromkeys(first, TaskState.OPEN))
    assert set(following.wanted("crm", NOW)) == {"a", "b", "c"} - set(first)


def test_both_parts_say_the_same_in_both_languages(digest: Digest) -> None:
    """The numbers, since when they are known, and where nothing is known."""
    for language, said in (
        ("en", ("Tasks we made in the CRMs", "as read on Sun 15 Nov, 12:30", "not told here")),
        (
            "fr",
            ("Tâches créées dans les CRM", "lues le dim. 15 nov., 12:30", "n\u2019est pas indiqué"),
        ),
    ):
        mail = render(digest, language)
        text = " ".join(mail.text.split())
        for words in said:
            assert words in mail.html
            assert words.lower() in text.lower()
    assert as_document(digest)["tasks"]["shares"][0]["overdue"] == 9


def test_without_tasks_there_is_no_section(digest: Digest) -> None:
    """Neither a title nor a table."""
    mail = render(replace(digest, tasks=Tasks()), "en")
    assert "Tasks we made" not in mail.html
    assert "TASKS WE MADE" not in mail.text
