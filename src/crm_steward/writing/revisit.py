"""Revisit: what is looked at in a CRM each time it was read: its clock, and what canaries wrote."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm_steward.connect.protocol import Connector
from crm_steward.connect.spec import ConnectorSpec
from crm_steward.settings import Settings
from crm_steward.store.clocks import Clocks, off, said
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease
from crm_steward.writing.canary import read_back


def revisit(
    database: Database,
    connection: str,
    connector: Connector,
    lease: Lease,
    *,
    settings: Settings,
    spec: ConnectorSpec,
    ahead: timedelta | None,
    now: datetime,
) -> str:
    """Keep how far the CRM's clock is from ours, and read back what canaries wrote there.

    With a clock that is wrong, canaries wait: nobody knows for how long they were left alone.

    Args:
        database: The store.
        connection: Its name.
        connector: The open connection, just read.
        lease: The writer's.
        settings: With the limits.
        spec: The connector's.
        ahead: How far the CRM's clock is ahead, by its last answer; None: it did not tell.
        now: The time.

    Returns:
        How far the clocks are apart, if they were not when it was read before; else empty.

    Raises:
        RetryableError: The CRM cannot be reached; it is looked at the next time.
    """
    clocks = Clocks(database)
    before = clocks.ahead().get(connection)
    if ahead is not None:
        clocks.note(connection, ahead)
    if not off(ahead):
        read_back(
            database,
            connection,
            connector,
            lease,
            limits=settings.limits,
            percent=settings.halt.percent,
            settle_after=spec.settle_after,
            now=now,
        )
    return said(ahead) if ahead is not None and off(ahead) and not off(before) else ""
