"""Two daemons on one database: the second is refused, and one that lost its lease writes nothing more.

A process that is stopped keeps its lease while another on the same machine can see that it lives.
Here the first says that it runs in a place nobody else can look into, as a container does, and its
lease lasts two seconds instead of five minutes: it is stopped in the midst of a write for longer,
another takes over, and then it goes on.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.acceptance.deadly import KINDS, Aim, Deadly
from tests.acceptance.killing import KilledOffice, Ledger
from tests.conftest import Cli
from tests.program import ENV, PATIENCE_SECONDS, Program, Started

from crm_steward.store.database import Database
from crm_steward.store.lease import hold

ROUNDS = int(os.environ.get("STEWARD_STOP_ROUNDS", "3"))
"""Processes held up and overtaken, on each database."""
SEED = int(os.environ.get("STEWARD_KILL_SEED", "0")) or secrets.randbits(32)
TTL_SECONDS = 2
SERVICE_SECONDS = 8
"""The lease of the service, which it renews every second."""
_KIND = "hubspot"
ELSEWHERE = f"""
from datetime import timedelta
from crm_steward.daemon import alone, service
from crm_steward.store import lease
lease._place = lambda: ""
lease.HELD_UP_MS = {TTL_SECONDS * 1000}
lease.hold.__wrapped__.__kwdefaults__["ttl"] = timedelta(seconds={TTL_SECONDS})
alone.LEASE = timedelta(seconds={SERVICE_SECONDS})
service._STEP = timedelta(seconds=1)
from crm_steward.cli.app import main
main()
"""
"""The program, in a place of its own and with a short lease."""
TRACED = """
import json, os, re
import sqlalchemy as sa
WRITES = re.compile(r"\\s*(?:INSERT (?:OR \\w+ )?INTO|UPDATE|DELETE FROM)\\s+(\\w+)", re.I)
@sa.event.listens_for(sa.engine.Engine, "begin")
def begin(connection):
    connection.info["traced"] = {"tables": [], "fenced": False}
@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def execute(connection, cursor, statement, *_):
    traced = connection.info.get("traced")
    if traced is None:
        return
    if written := WRITES.match(statement):
        traced["tables"].append(written[1])
    elif "leases.epoch = " in statement:
        traced["fenced"] = not traced["tables"]
@sa.event.listens_for(sa.engine.Engine, "commit")
def commit(connection):
    traced = connection.info.pop("traced", None)
    if traced and traced["tables"]:
        with open(os.environ["PYTEST_TRACED"], "a") as stream:
            stream.write(json.dumps(traced) + chr(10))
from crm_steward.cli.app import main
main()
"""
"""The program; each write transaction that it commits is written down."""
UNFENCED = {
    # What a person decides, by a command of theirs: it takes no lease, and needs none.
    "plans", "approvals", "halts", "snoozes", "decisions", "meta",
    # The taking and the giving back of leases themselves.
    "leases",
    # That a plan was made.
    "runs",
    # The service's own table of when what was done, and the outbox, which a unique key protects.
    "jobs", "outbox", "rulebooks",
    # How many calls went out: they did, whoever holds the lease since.
    "usages",
}  # fmt: skip


def test_every_transaction_that_matters_is_fenced(
    office: Office, account: Account, program: Program, tmp_path: Path
) -> None:
    """Over the whole loop: what is read from CRMs, found, written and erased commits under an epoch."""
    office()
    env = {**os.environ, **ENV, "PYTEST_TRACED": str(tmp_path / "traced")}
    address = next(
        row["properties"]["email"]
        for row in account.contacts.values()
        if row["properties"].get("email")
    )

    def traced(*arguments: str) -> None:
        done = program.run(arguments, cwd=tmp_path, env=env, code=TRACED)
        assert done.returncode in {0, 1}, (arguments, done.stderr)

    for command in (
        ["pull"], ["scan"], ["plan"], ["apply"], ["apply", "--yes", "--approve", "all"],
        ["undo", "phone-e164", "--yes"], ["pull", "--full"], ["scan", "--changed"],
        ["erase", "--email", address, "--yes"], ["journal", "purge"],
    ):  # fmt: skip
        traced(*command)
    said = [json.loads(line) for line in (tmp_path / "traced").read_text("utf-8").splitlines()]

    loose = [
        set(one["tables"]) - UNFENCED
        for one in said
        if not one["fenced"] and "alembic_version" not in one["tables"]
    ]
    fenced = {table for one in said if one["fenced"] for table in one["tables"]}
    assert [tables for tables in loose if tables] == []
    assert {"contacts", "findings", "journal", "runs", "tombstones"} <= fenced


@contextmanager
def serving(program: Program, url: str, folder: Path, seed: str) -> Iterator[KilledOffice]:
    """Give an office with a plan to write, whose CRM can hold a client up."""
    server = Deadly(KINDS[_KIND].make(40 + 30 * ROUNDS, 3), KINDS[_KIND])
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    server.start()
    try:
        office = KilledOffice(folder, url, _KIND, server, rng, program)
        office.write()
        for command in ("pull", "scan", "plan"):
            office.well(command)
        yield office
    finally:
        server.stop()
    assert server.crashes == []


def until(true: Callable[[], bool], process: Started) -> None:
    """Wait until something is true, or the process ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Return whether a service answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def writes(office: KilledOffice, since: int) -> list[str]:
    """Return the calls since then that could have changed something."""
    reading = re.compile(r"/search$|/batch/read$|/access-token-info$")
    return [
        f"{call['method']} {call['path']}"
        for call in list(office.server.log)[since:]
        if call["method"] != "GET" and not reading.search(call["path"])
    ]


@pytest.mark.long
def test_a_process_that_was_held_up_writes_nothing_more(
    database_url: str, program: Program, tmp_path: Path
) -> None:
    """Stopped in the midst of a write, overtaken, continued: no call, no line, exit code 8."""
    print(f"STEWARD_KILL_SEED={SEED}")  # noqa: T201 -- pytest shows it when it fails
    overtaken = 0
    with serving(program, database_url, tmp_path, f"{SEED}-{database_url[:6]}") as office:
        while overtaken < ROUNDS:
            plan, _ = office.look()
            assert plan is not None
            new = [one for one in plan.plan.changes if one.key not in office.approved][:6]
            assert new, "nothing is left to write"
            keys = [one.key for one in new]
            office.approved |= {one.key: one.change.ref for one in new}
            with program.start(office.applied(plan, keys), cwd=tmp_path, code=ELSEWHERE) as first:
                aim = Aim(call=office.rng.randint(1, 9), how="sent", sent=signal.SIGSTOP)
                office.server.aim(aim, first.pid)
                until(office.server.struck.is_set, first)
                if not office.server.struck.is_set():
                    continue  # it made fewer calls than that
                office.server.aim(Aim())
                # The lease is taken after the first calls at the latest; a living one keeps it.
                time.sleep(TTL_SECONDS + 0.5)
                second = office.calls(*office.applied(plan, []))
                assert second.returncode in {0, 1, 6}, second.stderr
                _, before = office.look()
                calls = len(office.server.log)
                first.send_signal(signal.SIGCONT)
                first.wait(PATIENCE_SECONDS)
                said = first.err
            assert writes(office, calls) == []
            _, after = office.look()
            assert after == before, "a line of a stale epoch"
            assert first.poll() == 8, said
            assert "took over" in said
            assert "Traceback" not in said
            overtaken += 1
            office.well("plan")
        office.finish()
        _, lines = office.look()
    said_ = Ledger.of(lines)
    assert office.server.idle == []
    assert office.server.values == said_.values
    assert set(said_.made.values()) <= {1}
    assert sum(office.server.made.values()) == said_.made.total()
    epochs = [line.epoch for line in lines]
    assert epochs == sorted(epochs)


def test_a_second_process_is_refused_while_the_first_lives(
    database_url: str, program: Program, tmp_path: Path
) -> None:
    """Also while it is stopped, and for as long as that lasts: one clear line, exit code 8."""
    with serving(program, database_url, tmp_path, f"{SEED}") as office:
        plan, _ = office.look()
        assert plan is not None
        here = ELSEWHERE.replace('lease._place = lambda: ""\n', "")
        with program.start(office.applied(plan, []), cwd=tmp_path, code=here) as first:
            office.server.aim(Aim(call=3, how="sent", sent=signal.SIGSTOP), first.pid)
            until(office.server.struck.is_set, first)
            office.server.aim(Aim())
            time.sleep(TTL_SECONDS + 0.5)
            refused = [office.calls(*one) for one in (["pull"], office.applied(plan, []))]
            first.send_signal(signal.SIGCONT)
            assert first.wait(PATIENCE_SECONDS) in {0, 1}

    assert [one.returncode for one in refused] == [8, 8]
    for one in refused:
        (line,) = one.stderr.strip().splitlines()
        assert f":{first.pid}) is writing on this database" in line


def test_a_second_service_is_refused_or_takes_over(
    database_url: str, program: Program, tmp_path: Path, steward: Cli
) -> None:
    """SQLite: the lock of the system. PostgreSQL: a stopped one elsewhere ends with 8 when it wakes."""
    with (
        serving(program, database_url, tmp_path, f"{SEED}") as office,
        program.start(["run"], cwd=tmp_path, code=ELSEWHERE) as first,
    ):
        until(lambda: answers(office.port), first)
        busy = steward("run")
        stop(office, first)
        time.sleep(SERVICE_SECONDS + 0.5)
        if database_url.startswith("sqlite"):
            still = steward("run")
            # 7 where it was stopped with the database in its hand: refused all the same.
            assert still.returncode in {7, 8}, still.stderr
            first.send_signal(signal.SIGCONT)
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE_SECONDS) == 0
        else:
            office.write()  # another port: the first still holds its own
            with program.start(["run"], cwd=tmp_path, code=ELSEWHERE) as other:
                until(lambda: answers(office.port), other)
                assert other.poll() is None, "it did not take over"
                stop(office, other)
                calls = len(office.server.log)
                first.send_signal(signal.SIGCONT)
                first.wait(PATIENCE_SECONDS)
                said = first.err
                assert (first.poll(), writes(office, calls)) == (8, []), said
                assert "took over" in said

    assert busy.returncode == 8, busy.stderr
    assert len(busy.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_service_that_was_overtaken_does_not_wait_for_the_crm(
    database_url: str, program: Program, tmp_path: Path
) -> None:
    """It ends with 8 though a call of its hangs, so that whoever watches over it starts it anew."""
    with serving(program, database_url, tmp_path, f"{SEED}") as office:
        office.write(timeout="5 minutes")
        with program.start(["run"], cwd=tmp_path, code=ELSEWHERE) as first:
            until(lambda: answers(office.port), first)
            with office.server.emulator.lock:  # it answers nobody
                until(lambda: office.server.waiting > 0, first)
                first.send_signal(signal.SIGSTOP)
                time.sleep(SERVICE_SECONDS + 0.5)
                with Database.open(database_url) as database, hold(database, "service"):
                    first.send_signal(signal.SIGCONT)
                    first.wait(PATIENCE_SECONDS)
                said = first.err

    assert first.poll() == 8, said
    assert "took over" in said


def stop(office: KilledOffice, process: Started) -> None:
    """Stop a service at its next call, which the CRM has answered by then."""
    office.server.aim(Aim(call=1, how="sent", sent=signal.SIGSTOP), process.pid)
    until(office.server.struck.is_set, process)
    assert office.server.struck.is_set(), "it ended"
    office.server.aim(Aim())
