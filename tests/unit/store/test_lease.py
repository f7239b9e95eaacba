"""The lease: one writer at a time, whatever happens to the one before it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.conftest import SetClock
from tests.stalling import Stalls

from crm_steward.model import BusyError, RecordRef, StoreError, UpdateFields
from crm_steward.store import lease as lease_module
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, intent_of
from crm_steward.store.lease import Holder, Lease, borrow, hold
from crm_steward.store.plans import Plans
from crm_steward.store.restored import Restored
from crm_steward.store.runs import Runs
from crm_steward.store.tables import leases, meta

ELSEWHERE = Holder("elsewhere", 7)
_SHORT = timedelta(seconds=20)
_HOLD = """
import sys, time
from crm_steward.store.database import Database
from crm_steward.store.lease import hold
with Database.open(sys.argv[1]) as database, hold(database):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_holds_it_and_the_other_is_told_who(database: Database, clock: Any) -> None:
    """The second is refused, by name of host and process; after release it gets it."""
    with (
        hold(database, clock=clock, holder=ELSEWHERE),
        pytest.raises(BusyError, match=r"elsewhere:7"),
        hold(database, clock=clock),
    ):
        pytest.fail("two at once")
    with hold(database, clock=clock) as lease:
        assert lease.epoch == 2


def test_a_lease_that_a_clock_ahead_has_given_lasts_no_longer_than_any(
    database: Database, clock: Any
) -> None:
    """Its holder died elsewhere; from when somebody asks for it, it lasts five minutes, not years."""
    with hold(database, clock=clock, holder=ELSEWHERE):
        """Its process dies before it lets go."""
    left = {"holder": str(ELSEWHERE), "expires_at": clock() + timedelta(days=2000)}
    with database.write() as writing:
        writing.execute(sa.update(leases).values(left))
    for minutes in (0, 4):
        clock.forward(minutes=minutes)
        with pytest.raises(BusyError), hold(database, clock=clock):
            pytest.fail("two at once")
    clock.forward(minutes=1)
    with hold(database, clock=clock) as lease:
        assert lease.epoch == 2


def test_a_process_that_was_killed_is_replaced_at_once(database_url: str) -> None:
    """Two processes: while the first lives it is busy; after kill -9 the lease is free."""
    with Database.open(database_url) as database:
        command = [sys.executable, "-c", _HOLD, database_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(BusyError, match=f":{process.pid}"), hold(database):
                pytest.fail("two at once")
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        with hold(database) as lease:
            assert lease.epoch == 2


def test_a_stopped_process_keeps_it_past_its_end(database: Database, clock: Any) -> None:
    """A live process of this machine could wake up and send: its lease does not run out."""
    with hold(database, clock=clock):
        clock.forward(hours=5)
        with pytest.raises(BusyError), hold(database, clock=clock, holder=ELSEWHERE):
            pytest.fail("taken from a process that lives")


@pytest.fixture
def other(database_url: str, database: Database) -> Iterator[Database]:
    """Give the same database as another process opens it."""
    assert database.version()
    with Database.open(database_url) as opened:
        yield opened


def test_a_silent_holder_elsewhere_loses_it(
    database: Database, other: Database, clock: Any
) -> None:
    """Where nobody can see whether it lives, the end of the lease decides; it finds out itself."""
    with hold(other, clock=clock, holder=ELSEWHERE, ttl=timedelta(minutes=5)) as lease:
        clock.forward(seconds=299)
        with pytest.raises(BusyError, match="is writing"), hold(database, clock=clock):
            pytest.fail("too early")
        clock.forward(seconds=2)
        with hold(database, clock=clock) as taken:
            assert taken.epoch == lease.epoch + 1
        with pytest.raises(BusyError, match="took over"):
            lease.renew()


def test_a_stale_epoch_cannot_write(database: Database, other: Database, clock: Any) -> None:
    """Whoever slept through the end of its lease cannot journal, and so cannot send."""
    change = UpdateFields(ref=RecordRef("crm", "1"), values={"city": "B"}, expected={"city": "A"})
    line = intent_of(change, key="k", run="r", plan="p", rule="x", finding="f", at=clock())
    with hold(other, clock=clock, holder=ELSEWHERE) as stale:
        clock.forward(minutes=6)
        with hold(database, clock=clock) as lease:
            for attempt in (lambda: Journal(other).append([line], stale), stale.renew, stale.held):
                with pytest.raises(BusyError, match="took over"):
                    attempt()
            Journal(database).append([line], lease)

    assert [line.epoch for line in Journal(database).lines()] == [lease.epoch]


def test_no_transaction_of_a_stale_process_is_committed(
    database: Database, other: Database, clock: Any
) -> None:
    """Not only the journal: whatever it writes, in any thread, also when its clock stood still."""
    runs = Runs(other)
    with (
        hold(other, clock=clock, holder=ELSEWHERE, ttl=timedelta(minutes=5)),
        ThreadPoolExecutor(1) as threads,
    ):
        runs.start("pull", now=clock())
        later = SetClock(clock() + timedelta(minutes=6))
        with hold(database, clock=later):
            pass
        for start in (runs.start, lambda *a, **k: threads.submit(runs.start, *a, **k).result()):
            with pytest.raises(BusyError, match="took over"):
                start("scan", now=clock())
        with pytest.raises(BusyError, match="took over"):
            Plans(other).show("plan")

    assert [run.verb for run in Runs(database).latest()] == ["pull"]
    assert Plans(database).shown() == ""
    runs.start("scan", now=clock())
    assert len(runs.latest()) == 2, "once it has let go of everything, it is one like others"


def test_a_transaction_that_stands_still_does_not_keep_it_for_ever(
    database: Database, other: Database, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process stopped in the midst of a transaction loses that, and then the lease; nothing of it stays."""
    if database.dialect != "postgresql":
        pytest.skip("SQLite: the lock of a file, which a stopped process keeps")
    monkeypatch.setattr(lease_module, "HELD_UP_MS", 200)
    later = SetClock(clock() + timedelta(minutes=6))
    with hold(other, clock=clock, holder=ELSEWHERE, ttl=timedelta(minutes=5)) as stale:
        with pytest.raises(StoreError), other.write() as stopped:
            stopped.execute(sa.insert(meta), {"key": "half", "value": "1"})
            with hold(database, clock=later) as taken:
                assert taken.epoch == stale.epoch + 1
            stopped.execute(sa.insert(meta), {"key": "rest", "value": "1"})
        with pytest.raises(BusyError, match="took over"):
            stale.renew()

    with database.read() as reading:
        names = reading.execute(sa.select(meta.c.key)).scalars().all()
    assert {"half", "rest"}.isdisjoint(names)


def test_taking_it_does_not_hold_up_its_holder_for_ever(
    database: Database, other: Database, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process stopped in the midst of taking an expired lease leaves it to the one that had it."""
    if database.dialect != "postgresql":
        pytest.skip("SQLite: the lock of a file, which a stopped process keeps")
    monkeypatch.setattr(lease_module, "HELD_UP_MS", 200)
    with hold(database, clock=clock, holder=ELSEWHERE) as lease:
        renewing = ThreadPoolExecutor(1)

        def stopped() -> SetClock:
            """Stand still between the statements of the taking."""
            renewing.submit(lease.renew).result(timeout=60)
            return clock

        monkeypatch.setattr(lease_module, "_held", lambda *_: not stopped())
        with renewing, pytest.raises(StoreError), hold(other, clock=clock):
            pytest.fail("its transaction was ended")
        lease.held()


def test_transactions_under_one_lease_do_not_wait_for_each_other(
    database: Database, clock: Any
) -> None:
    """On PostgreSQL a pull stores its page while a scan stores its findings; SQLite has one writer."""
    if database.dialect != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    with hold(database, clock=clock) as lease, database.write() as scanning:
        scanning.execute(sa.insert(meta), {"key": "scan", "value": "1"})
        with ThreadPoolExecutor(1) as threads:
            threads.submit(Runs(database).start, "pull", now=clock()).result(timeout=20)
            threads.submit(lease.renew).result(timeout=20)

    assert [run.verb for run in Runs(database).latest()] == ["pull"]


def test_a_sign_of_life_prolongs_it(database: Database, clock: Any) -> None:
    """`keep` renews when a quarter of the time is over, and not at each call."""
    with hold(database, clock=clock, holder=ELSEWHERE, ttl=timedelta(minutes=4)) as lease:
        clock.forward(seconds=59)
        lease.keep()
        assert _ends(database) == lease.renewed_at + timedelta(minutes=4)
        clock.forward(seconds=2)
        lease.keep()
        assert _ends(database) == clock() + timedelta(minutes=4)


def _ends(database: Database) -> Any:
    with database.read() as reading:
        return reading.execute(sa.select(leases.c.expires_at)).scalar_one()


def test_a_pid_used_again_is_not_mistaken() -> None:
    """The same pid with another start, or in another container, is another process."""
    here = Holder.here()
    if not here.place:
        pytest.skip("this system has no /proc")
    assert here.alive() is True
    assert Holder(here.host, here.pid, here.place, "1").alive() is False
    assert Holder(here.host, here.pid, "another", here.born).alive() is None
    assert Holder(here.host, here.pid).alive() is None
    assert Holder.parse(str(here)) == here
    assert Holder.parse("a:b:7::") == Holder("a:b", 7)


def test_what_a_process_did_before_it_began_anew_is_over(
    database: Database, other: Database, clock: Any
) -> None:
    """`execv` keeps pid and start: a service that was reloaded must not wait for itself."""
    here = Holder.here()
    if not here.place:
        pytest.skip("this system has no /proc")
    born = here.born.partition(".")[0]
    before = Holder(here.host, here.pid, here.place, f"{born}.another")
    assert before.alive() is False
    assert Holder(here.host, here.pid, here.place, born).alive() is True, (
        "as earlier versions wrote"
    )
    with hold(other, clock=clock, holder=before), hold(database, clock=clock) as lease:
        assert lease.holder == here


def test_leases_of_different_names_do_not_meet(database: Database, clock: Any) -> None:
    """A lease for another purpose is another lease."""
    with hold(database, "one", clock=clock), hold(database, "two", clock=clock) as lease:
        assert isinstance(lease, Lease)


def test_whoever_is_overtaken_while_taking_it_takes_nobody_for_an_older_copy(
    tmp_path: Path, clock: Any
) -> None:
    """It slept between taking the lease and looking at the epoch: a later epoch is a successor's.

    It used to declare the database an older copy: nothing was written until all was reconciled.
    """
    url = f"sqlite:///{tmp_path}/steward.db"
    with Database.open(url) as other, Stalls.open(url) as database:

        def overtake() -> None:
            clock.forward(minutes=11)
            with hold(other, clock=clock, holder=Holder("there", 8)):
                """It does its work, and remembers its epoch beside the database."""

        database.meanwhile = overtake
        with (
            pytest.raises(BusyError, match="took over"),
            hold(database, clock=clock, holder=ELSEWHERE),
        ):
            pytest.fail("held without being held")
        assert Restored.of(database) is None
        with hold(database, clock=clock):
            assert Restored.of(database) is None


def test_whoever_was_overtaken_does_not_turn_the_epoch_back(tmp_path: Path, clock: Any) -> None:
    """It ends without having noticed: what is remembered beside the database stays its successor's."""
    url = f"sqlite:///{tmp_path}/steward.db"
    with Database.open(url) as database, Database.open(url) as other:
        with hold(other, clock=clock, holder=ELSEWHERE):
            clock.forward(minutes=11)
            with hold(database, clock=clock, holder=Holder("there", 8)) as successor:
                remembered = successor.epoch
        beside = json.loads((tmp_path / "steward.db.epoch").read_text("utf-8"))
        assert beside["epoch"] == remembered


def test_what_is_just_taken_is_held_for_other_threads_too(database_url: str, clock: Any) -> None:
    """From the commit on, with no moment in which the same process could take it a second time."""
    with Stalls.open(database_url) as database:

        def refused() -> None:
            with pytest.raises(BusyError), hold(database, "token crm/1", clock=clock):
                pytest.fail("two at once")
            met.append(1)

        met: list[int] = []
        database.meanwhile = refused
        with hold(database, "token crm/1", clock=clock) as lease:
            assert (lease.epoch, met) == (1, [1])
            lease.renew()


def test_what_may_have_been_taken_locks_nobody_out_of_his_own(
    database_url: str, clock: Any
) -> None:
    """The answer to the commit is lost, once more at the next try: then the same process takes it."""
    with Stalls.open(database_url) as database, Database.open(database_url) as other:

        def away() -> None:
            raise StoreError("The database is away.")

        for _ in range(2):
            database.meanwhile = away
            with pytest.raises(StoreError), hold(database, clock=clock):
                pytest.fail("nobody knows that it was taken")
            with pytest.raises(BusyError), hold(other, clock=clock):
                pytest.fail("whoever holds it lives, as far as others know")
        with hold(database, clock=clock) as lease:
            assert lease.epoch == 3
            with pytest.raises(BusyError), hold(database, clock=clock):
                pytest.fail("it is held again")


def test_whoever_lost_one_lease_keeps_the_other(
    database: Database, other: Database, clock: Any
) -> None:
    """A page takes too long and the writer's is overtaken: the service's is renewed, and released."""
    with hold(other, clock=clock, holder=ELSEWHERE):
        with hold(other, "service", clock=clock, holder=ELSEWHERE, ttl=_SHORT) as service:
            for _ in range(61):
                clock.forward(seconds=5)
                service.keep()
            with hold(database, clock=clock):
                clock.forward(seconds=5)
                service.keep()
                assert service.renewed_at == clock()
                with pytest.raises(BusyError, match="took over"):
                    Runs(other).start("pull", now=clock())
        with hold(database, "service", clock=clock) as taken:
            assert taken.epoch == service.epoch + 1


class Away(Database):
    """A database that can be out of reach."""

    away = False

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[sa.Connection]:
        """Give a connection, or none."""
        if self.away:
            raise StoreError("The database is away.")
        with super().write(fenced=fenced) as writing:
            yield writing


def test_what_could_not_be_released_locks_nobody_out_of_his_own(
    database_url: str, clock: Any
) -> None:
    """Away as it ends: the same process takes it again at once; for another one it is still held."""
    with Away.open(database_url) as database, Database.open(database_url) as other:
        with pytest.raises(StoreError), hold(database, clock=clock):
            database.away = True
        database.away = False
        with pytest.raises(BusyError), hold(other, clock=clock):
            pytest.fail("whoever holds it lives, as far as others know")
        with hold(database, clock=clock) as lease:
            assert lease.epoch == 2
            with pytest.raises(BusyError), hold(database, clock=clock):
                pytest.fail("it is held again")
        with hold(other, clock=clock) as lease:
            assert lease.epoch == 3


def test_who_borrows_a_lease_writes_under_it_as_long_as_the_lender_holds_it(
    database: Database, clock: Any
) -> None:
    """Its signs of life count, its end releases nothing, and it is fenced off with the lender."""
    with Database.open(_url(database)) as other:
        with hold(database, clock=clock) as lease:
            clock.forward(minutes=4)
            with borrow(other, lease.loan, clock=clock) as borrowed:
                borrowed.keep()
                Runs(other).start("scan", now=clock())
            clock.forward(minutes=4)
            assert lease.ours()
            with pytest.raises(BusyError), hold(other, clock=clock, holder=ELSEWHERE):
                pytest.fail("two at once")
            with borrow(other, lease.loan, clock=clock) as borrowed:
                taken = {"holder": str(ELSEWHERE), "epoch": lease.epoch + 1}
                with database.engine.begin() as writing:
                    writing.execute(sa.update(leases).values(taken))
                with pytest.raises(BusyError, match="took over"):
                    borrowed.renew()
                with pytest.raises(BusyError, match="took over"):
                    Runs(other).start("scan", now=clock())
            with database.engine.begin() as writing:
                mine = {"holder": str(lease.holder), "epoch": lease.epoch}
                writing.execute(sa.update(leases).values(mine))
        assert len(Runs(database).latest("scan")) == 1


def _url(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)
