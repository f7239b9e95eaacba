"""`crm-steward redirects` as another system reads it: chains, order, resuming, both formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Cli

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import Contact, RecordRef
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.redirects import Redirect, followed, redirects

START = datetime(2026, 11, 16, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ref(name: str, connection: str = "crm") -> RecordRef:
    """Name a record."""
    return RecordRef(connection, name)


def page(
    database: Database,
    hours: int,
    present: str = "",
    merged: Mapping[str, str] | None = None,
    connection: str = "crm",
) -> None:
    """Store what a pull brought some hours after the start."""
    told = merged or {}
    Mirror(database).save_page(
        connection,
        "fake",
        Page(
            cursor=Cursor("1"),
            contacts=tuple(Contact(ref=ref(name, connection)) for name in present),
            gone=tuple(Gone(ref(a, connection), ref(b, connection)) for a, b in told.items()),
        ),
        now=START + hours * HOUR,
        full=True,
    )


def ways(found: list[Redirect]) -> list[tuple[str, str, int]]:
    """Return old id, surviving id, and hours after the start."""
    return [(one.old.id, one.survivor.id, (one.at - START) // HOUR) for one in found]


def test_a_chain_leads_to_its_end(database: Database) -> None:
    """And is told again when it leads elsewhere, in the order in which that became known."""
    page(database, 0, "abcdef")
    page(database, 1, merged={"a": "b"})
    page(database, 2, merged={"e": "f"})
    assert ways(redirects(database)) == [("a", "b", 1), ("e", "f", 2)]
    page(database, 3, merged={"b": "c"})
    assert ways(redirects(database)) == [("e", "f", 2), ("a", "c", 3), ("b", "c", 3)]
    assert ways(redirects(database, since=START + 3 * HOUR)) == [("a", "c", 3), ("b", "c", 3)]
    soon = START + 3 * HOUR + timedelta(minutes=10)
    assert len(redirects(database, since=soon)) == 2, "told once more for a while"
    assert redirects(database, since=START + 4 * HOUR) == []


def test_a_record_that_is_back_leads_nowhere(database: Database) -> None:
    """Restored in the CRM: it is itself again, and what led to it leads there."""
    page(database, 0, "abc")
    page(database, 1, merged={"a": "b"})
    page(database, 2, merged={"b": "c"})
    page(database, 3, "b")
    assert ways(redirects(database)) == [("a", "b", 1)]


def test_connections_keep_apart(database: Database) -> None:
    """The same id in two accounts is two people."""
    for connection, into in (("one", "b"), ("two", "c")):
        page(database, 0, "abc", connection=connection)
        page(database, 1, merged={"a": into}, connection=connection)
    assert [one.survivor for one in redirects(database)] == [ref("b", "one"), ref("c", "two")]
    assert [one.old for one in redirects(database, connections=["two"])] == [ref("a", "two")]


@given(pairs=st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")))
def test_no_way_leads_in_a_circle(pairs: dict[str, str]) -> None:
    """Whatever was merged into whatever: a way ends at a record that leads nowhere, or is none."""
    steps = {ref(old): (ref(into), START) for old, into in pairs.items() if old != into}
    for old in steps:
        found = followed(old, steps)
        assert found is None or found.survivor not in steps
        assert found is None or found.survivor != old


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> str:
    """Write settings with two spreadsheets, and give the URL of their database."""
    connections: dict[str, Any] = {n: {"kind": "file", "path": f"{n}.csv"} for n in ("crm", "two")}
    content = {"version": 1, "database": database_url, "connections": connections}
    path = tmp_path / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    path.chmod(0o600)
    return database_url


def test_another_system_reads_it(steward: Cli, settings: str, tmp_path: Path) -> None:
    """As lines of JSON and as CSV, on screen and in a file; resumed from the last line."""
    with Database.open(settings) as database:
        page(database, 0, "abc")
        page(database, 1, merged={"a": "b"})
        page(database, 5, merged={"b": "c"})
        page(database, 0, "=x", connection="two")
        page(database, 2, merged={"=": "x"}, connection="two")
    shown = steward("redirects")
    assert shown.returncode == 0, shown.stderr
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert lines == [
        told("two", "=", "x", 2),
        told("crm", "a", "c", 5),
        told("crm", "b", "c", 5),
    ]
    last = steward("redirects", "--since", lines[-1]["at"], "--connection", "crm")
    assert [json.loads(line) for line in last.stdout.splitlines()] == lines[1:]
    assert steward("redirects", "--since", "2026-11-17").stdout == ""

    written = steward("redirects", "--format", "csv", "--output", "map.csv")
    assert (written.returncode, written.stdout) == (0, "")
    text = (tmp_path / "map.csv").read_text("utf-8")
    assert text == steward("redirects", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["old_id"] for row in rows] == ["'=", "a", "b"], "no formula for a spreadsheet"
    assert rows[1:] == lines[1:]


def told(connection: str, old: str, survivor: str, hours: int) -> dict[str, str]:
    """Return a line of the feed."""
    at = (START + hours * HOUR).isoformat()
    return {"connection": connection, "old_id": old, "surviving_id": survivor, "at": at}


def test_a_moment_that_is_none_is_refused(steward: Cli, settings: str) -> None:
    """With the way to write one."""
    assert settings
    refused = steward("redirects", "--since", "yesterday")
    assert refused.returncode == 2
    assert "2026-01-31" in refused.stderr
