"""Pulling, as the service does it: what was stored is scanned, however the pull ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from crm_steward.connect.protocol import Connector
from crm_steward.model import Clock, RetryableError
from crm_steward.pull import PullCounts, pull
from crm_steward.settings import Settings, key_of
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease
from crm_steward.store.mirror import Mirror
from crm_steward.store.restored import Restored
from crm_steward.store.tombstones import Tombstones


def _full_is_due(database: Database, settings: Settings, name: str, now: datetime) -> bool:
    """Return whether all of a connection is to be read, not only what changed."""
    full_at = Mirror(database).state(name).last_full_at
    if full_at is None or now - full_at >= settings.service.full_pull_every:
        return True
    restored = Restored.of(database)
    return bool(restored and name not in restored.done and full_at < restored.at)


def pull_pages(
    database: Database,
    settings: Settings,
    name: str,
    connector: Connector,
    lease: Lease,
    *,
    clock: Clock,
    stop: threading.Event,
    nudge: Callable[[str], None],
) -> PullCounts:
    """Pull a connection, and call for the scan of what it brought.

    Args:
        database: The store.
        settings: What to do.
        name: The connection.
        connector: Opened on it.
        lease: Kept with each page.
        clock: The time.
        stop: Set when the service is asked to stop: it ends after the page at hand.
        nudge: Lets a job run now.

    Raises:
        StewardError: As `pull`. Pages that were stored before are not brought again.
    """
    stored = False

    def page_stored(_done: int, _total: int | None) -> None:
        nonlocal stored
        stored = True
        lease.keep()
        if stop.is_set():
            raise RetryableError("Stopped; the next run goes on from here.", sent=False)

    try:
        counts = pull(
            database,
            name,
            settings.connections[name].kind,
            connector,
            clock=clock,
            full=_full_is_due(database, settings, name, clock()),
            country=settings.connections[name].country,
            min_source_percent=settings.limits.min_source_percent,
            progress=page_stored,
            stones=Tombstones(database, key_of(settings)),
        )
    except BaseException:
        if stored:
            nudge("scan-changed")
        raise
    if counts.frozen:
        nudge("report")
    if counts.full:
        nudge("scan")
    elif counts.new or counts.changed or counts.gone:
        nudge("scan-changed")
    return counts
