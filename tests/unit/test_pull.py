"""Pull: at least once, resumable, and never fooled by a source that shrank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_steward.connect.protocol import Account, Cursor, Page
from crm_steward.model import AuthError, Clock, Contact, RecordRef, RetryableError, Revision
from crm_steward.pull import PullCounts, pull
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror


@dataclass
class Source:
    """A CRM that holds `ids`, gives pages of two, and fails before page `fails_at`."""

    ids: list[str]
    fails_at: int = -1
    error: Exception = field(default_factory=lambda: RetryableError("the network went away"))
    asked: list[Cursor | None] = field(default_factory=list)

    def check(self) -> Account:
        return Account(id="1", name="A fake CRM", missing=("scope x",))

    def read(self, since: Cursor | None) -> Iterator[Page]:
        self.asked.append(since)
        start = int(since) if since and since != "end" else 0
        left = [] if since == "end" else self.ids[start:]
        pages = [left[n : n + 2] for n in range(0, len(left), 2)] or [[]]
        for number, ids in enumerate(pages):
            if number == self.fails_at:
                raise self.error
            start += len(ids)
            last = number == len(pages) - 1
            yield Page(
                cursor=Cursor("end" if last else str(start)),
                contacts=[Contact(ref=RecordRef("crm", one)) for one in ids],
                complete=last,
            )


def run(database: Database, source: Source, clock: Clock, **options: object) -> PullCounts:
    """Pull `source` as the connection `crm`."""
    return pull(database, "crm", "fake", source, clock=clock, **options)  # type: ignore[arg-type] # only read() is called


def test_the_first_pull_reads_everything_and_the_next_only_changes(
    database: Database, clock: Clock
) -> None:
    """The cursor of the last page is where the next pull begins."""
    source = Source(["1", "2", "3"])
    first, second = run(database, source, clock), run(database, source, clock)

    assert (first.full, first.new, first.live) == (True, 3, 3)
    assert first.missing == ("scope x",)
    assert Mirror(database).state("crm").account["name"] == "A fake CRM"
    assert (second.full, second.new, second.live) == (False, 0, 3)
    assert source.asked == [None, "end"]


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_an_interrupted_full_pull_goes_on_where_it_stopped(
    database: Database, clock: Clock, fails_at: int
) -> None:
    """Whatever page fails, what was read is kept, nothing is read as deleted, the rest follows."""
    source = Source(["1", "2", "3", "4", "5", "6"], fails_at)
    with pytest.raises(RetryableError):
        run(database, source, clock)
    state = Mirror(database).state("crm")
    source.fails_at = -1
    done = run(database, source, clock)

    assert state.last_full_at is None
    assert state.last_error == "the network went away"
    assert (done.full, done.live) == (True, 6)
    assert source.asked[1] == (str(fails_at * 2) if fails_at else None)
    assert Mirror(database).state("crm").last_error is None


def test_a_weekly_full_pull_that_never_began_freezes_nothing(
    database: Database, clock: Clock
) -> None:
    """The CRM is away before the first page: the next pull reads in full, the one after changes."""
    source = Source([str(number) for number in range(20)])
    run(database, source, clock)
    source.fails_at = 0
    with pytest.raises(RetryableError):
        run(database, source, clock, full=True)
    source.fails_at = -1
    again, after = run(database, source, clock), run(database, source, clock)

    assert (again.full, again.live, again.absent, again.frozen) == (True, 20, 0, "")
    assert (after.full, after.live, after.absent, after.frozen) == (False, 20, 0, "")
    assert source.asked == [None, None, None, "end"]


def test_a_refused_credential_pauses_the_connection(database: Database, clock: Clock) -> None:
    """The pause is written down with its reason, and ends with the next good pull."""
    source = Source(["1"], 0, AuthError("the token was revoked"))
    with pytest.raises(AuthError):
        run(database, source, clock)
    paused = Mirror(database).state("crm").paused_reason
    source.fails_at = -1
    run(database, source, clock)

    assert paused == "the token was revoked"
    assert Mirror(database).state("crm").paused_reason is None


@pytest.mark.parametrize(("left", "frozen"), [(0, True), (50, True), (89, True), (91, False)])
def test_a_source_that_shrank_freezes_writing(
    database: Database, clock: Clock, left: int, frozen: bool
) -> None:
    """Below 90 % of last time nothing is inferred; from 90 % on, absence counts."""
    everything = [str(number) for number in range(100)]
    run(database, Source(everything), clock)
    for _ in range(2):
        clock.forward(days=7)  # type: ignore[attr-defined] # the clock of the tests can be moved
        done = run(database, Source(everything[:left]), clock, full=True)

    assert bool(done.frozen) is frozen
    assert bool(Mirror(database).state("crm").frozen_reason) is frozen
    assert done.live == (100 if frozen else left)


def test_a_person_can_say_that_the_shrinking_is_right(database: Database, clock: Clock) -> None:
    """Accepted once, the smaller base is the new measure."""
    run(database, Source([str(number) for number in range(100)]), clock)
    for accept in (False, True, True):
        clock.forward(days=7)  # type: ignore[attr-defined] # the clock of the tests can be moved
        done = run(database, Source(["1"]), clock, full=True, accept_shrink=accept)

    assert (done.frozen, done.live) == ("", 1)
    assert Mirror(database).state("crm").frozen_reason is None


@dataclass
class Dated:
    """A CRM of one record, whose last change has a date; reading changes brings what it is told."""

    clock: Clock
    name: str = "Ana"
    changed_at: datetime | None = None
    tells: bool = True

    def check(self) -> Account:
        return Account(id="1", name="A fake CRM")

    def edit(self, name: str, *, tells: bool, ago: timedelta = timedelta(0)) -> None:
        self.name, self.tells, self.changed_at = name, tells, self.clock() - ago

    def read(self, since: Cursor | None) -> Iterator[Page]:
        held = Contact(
            ref=RecordRef("crm", "1"),
            revision=Revision(self.name),
            first_name=self.name,
            updated_at=self.changed_at,
        )
        brought = [held] if since is None or self.tells else []
        yield Page(cursor=Cursor("end"), contacts=brought, complete=True)


@pytest.mark.parametrize(
    ("tells", "after", "missed"),
    [
        (True, timedelta(hours=1), 0),
        (False, timedelta(hours=1), 1),
        (False, timedelta(minutes=10), 0),  # a CRM's clock may be behind ours so far
    ],
)
def test_a_full_read_counts_what_reading_changes_had_missed(
    database: Database, clock: Any, tells: bool, after: timedelta, missed: int
) -> None:
    """A change older than the last read of changes, that did not bring it, was missed."""
    source = Dated(clock, changed_at=clock())
    run(database, source, clock)
    clock.forward(days=1)
    source.edit("Anna", tells=tells)
    clock.forward(seconds=after.total_seconds())
    changes = run(database, source, clock)
    clock.forward(days=1)
    whole = run(database, source, clock, full=True)

    assert (changes.full, changes.missed) == (False, 0)
    assert (whole.full, whole.missed) == (True, missed)
    assert run(database, source, clock, full=True).missed == 0


def test_what_changed_while_no_read_came_to_its_end_was_not_missed(
    database: Database, clock: Any
) -> None:
    """A read of changes that broke off covers nothing: what the next full one brings is news."""
    source = Dated(clock, changed_at=clock())
    run(database, source, clock)
    clock.forward(days=1)
    source.edit("Anna", tells=False)
    clock.forward(hours=1)
    with pytest.raises(RetryableError):
        run(database, Source(["1"], 0), clock)
    clock.forward(days=1)

    assert run(database, source, clock, full=True).missed == 0
