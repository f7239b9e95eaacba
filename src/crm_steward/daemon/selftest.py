"""The restore test that the service does by itself, where the settings say where backups are."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.rehearsing import SELF, missing, newest_of, rehearsed
from crm_steward.store.reminders import Deed, Duty, Result, latest

_log = structlog.stdlib.get_logger(__name__)
_MONTH = timedelta(days=31)
"""How often, where the settings switch the reminder off."""


def look_at_backup(database: Database, settings: Settings, now: datetime) -> Deed | None:
    """Restore the newest backup into a temporary place, if it is time, and write down how it went.

    It is time when the last test is as old as the settings allow, and daily as long as one failed.

    Returns:
        What was written down; None when it is not time, or nothing is configured.

    Raises:
        StoreError: The database cannot be read or written.
    """
    place = settings.service.restore_test
    if place is None:
        return None
    every = settings.reminders.restore_test or _MONTH
    with database.read() as reading:
        last = latest(reading, Duty.RESTORE_TEST)
    if last is not None and last.result is Result.DONE and now - last.at < every:
        return None
    file = newest_of(place, database)
    if file is None:
        deed = missing(database, now=now)
    else:
        deed, _ = rehearsed(file, database, by=SELF, now=now, newest=every)
    if deed.result is Result.DONE:
        _log.info("restored a backup to see whether it is whole: it is")
    else:
        _log.error("the restore test of a backup failed", result=deed.result.value)
    return deed
