"""Leaving an account: a connection goes on with another one, which somebody said is right.

Ids of the one mean nothing in the other, or somebody else. So nothing that was planned, is under
way or could be taken back there is left to be done here; what was done stays in the journal.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.database import Database
from crm_steward.store.following import leave_tasks
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import Lease
from crm_steward.store.mirror import bump
from crm_steward.store.plans import supersede
from crm_steward.store.purging import purge_connection
from crm_steward.store.tables import connections, contacts, quarantine

LEFT = "its account was left before the answer was known"


def leave(database: Database, connection: str, lease: Lease, now: datetime) -> None:
    """Forget where a connection stands, so that another account can be read under its name.

    Its records count as gone, open plans as superseded, changes under way as not to be told any
    more. Values go from its lines in the journal: nothing of them can be undone in the new account.

    Args:
        database: The store.
        connection: Its name.
        lease: The writer's.
        now: When.

    Raises:
        BusyError: The lease was lost.
        StoreError: The database refuses.
    """
    journal = Journal(database)
    lost = [
        replace(
            standing.intent, state=State.CONFLICT, change=None, reason=LEFT, remote_id="", at=now
        )
        for standing in journal.under_way(connection)
    ]
    journal.append(lost, lease)
    purge_connection(database, connection, now, lease)
    with database.write() as writing:
        lease.check(writing)
        live = (contacts.c.connection == connection, contacts.c.gone_at.is_(None))
        writing.execute(sa.update(contacts).where(*live).values(gone_at=now, changed_at=now))
        writing.execute(sa.delete(quarantine).where(quarantine.c.connection == connection))
        supersede(writing)
        leave_tasks(writing, connection, now)
        here = sa.update(connections).where(connections.c.connection == connection)
        writing.execute(
            here.values(
                cursor=None,
                pass_started_at=None,
                last_full_at=None,
                covered_until=None,
                live=0,
                paused_reason=None,
                frozen_reason=None,
                last_error=None,
                account=None,
            )
        )
        bump(database, writing)
