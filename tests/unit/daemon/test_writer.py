"""The writer's lease between the jobs of a service and the commands of a person."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from crm_steward.daemon.alone import alone
from crm_steward.daemon.writer import SharedLease
from crm_steward.model import BusyError
from crm_steward.store.database import Database
from crm_steward.store.lease import Holder, hold

ELSEWHERE = Holder("elsewhere", 1)
"""A process of another machine: whether it lives cannot be known."""


def test_jobs_share_the_lease_and_commands_get_it_between_them(
    database: Database, clock: Any
) -> None:
    """Two jobs at once hold one lease under one epoch; after the last it is free."""
    shared = SharedLease(database, clock)
    with shared.use() as one:
        with shared.use() as other:
            assert other is one
        with pytest.raises(BusyError), hold(database, clock=clock, holder=ELSEWHERE):
            pass
    with hold(database, clock=clock, holder=ELSEWHERE) as theirs:
        assert theirs.epoch == one.epoch + 1


def test_a_job_finds_out_that_a_command_is_at_work(database: Database, clock: Any) -> None:
    """It is put off, and the lease is taken normally the next time."""
    shared = SharedLease(database, clock)
    with hold(database, clock=clock, holder=ELSEWHERE), pytest.raises(BusyError), shared.use():
        pass
    with shared.use() as lease:
        assert lease.epoch > 1


def test_one_service_per_database(database: Database, clock: Any) -> None:
    """A second one is refused while the first runs, and welcome after it."""
    with alone(database, clock), pytest.raises(BusyError), alone(database, clock):
        pass
    with alone(database, clock):
        pass


def test_a_service_that_died_elsewhere_is_replaced_within_half_a_minute(
    database: Database, database_url: str, clock: Any
) -> None:
    """On PostgreSQL a lease without a sign of life lapses; SQLite's lock dies with its process."""
    with Database.open(database_url) as theirs, ExitStack() as held:
        lost = hold(theirs, "service", clock=clock, ttl=timedelta(seconds=30), holder=ELSEWHERE)
        held.enter_context(lost)
        if database.dialect == "postgresql":
            with pytest.raises(BusyError), alone(database, clock):
                pass
            clock.forward(seconds=31)
        with alone(database, clock) as lease:
            assert (lease is None) == (database.dialect == "sqlite")
