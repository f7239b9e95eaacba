"""Here: the heavy verbs, done in this process."""

from __future__ import annotations

import threading
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from crm_steward.daemon.heavy import Planned, RulesRead, Scanned
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.daemon.telling import numbers
from crm_steward.model import Clock, RetryableError
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease
from crm_steward.store.restored import Restored
from crm_steward.writing.plan import make_plan, store_plan

if TYPE_CHECKING:
    from crm_steward.store.reminders import Deed


class Here:
    """Does the heavy verbs, see `Heavy`.

    Args:
        settings: What to do.
        database: The store.
        rules: The rules.
        clock: The time.
        stop: Set when the service is asked to stop: each verb ends at its next safe point.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        rules: Rulebook,
        *,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._database = database
        self._rulebook = rules
        self._clock = clock
        self._stop = stop

    @property
    def rules(self) -> RulesRead:
        """The rules as they were read last."""
        return self._rulebook.said

    def read(self) -> RulesRead:
        """Read the rules."""
        self._rulebook.reload()
        return self.rules

    def book(self) -> RuleBook:
        """Return the rules themselves."""
        return self._rulebook.current

    def scan(self, lease: Lease, *, changed: bool) -> Scanned:
        """Look at the mirror."""
        from crm_steward.scan import scan  # noqa: PLC0415 -- a process loads what its verb needs

        counts = scan(
            self._database,
            self._rulebook.reload(),
            clock=self._clock,
            only_due=Restored.of(self._database) is None,
            changed=changed,
            progress=lambda _rule, _number, _total: self._come_so_far(lease),
        )
        return Scanned(
            figures={**numbers(asdict(counts)), "not_examined": counts.not_examined},
            jumped=counts.jumped,
            moved=bool(counts.new or counts.reopened or counts.resolved),
        )

    def plan(self, lease: Lease) -> Planned | None:
        """Make a plan, and store it when it holds something automatic."""
        book, settings = self._rulebook.current, self._settings
        made = make_plan(
            self._database,
            book,
            limits=settings.limits,
            abilities=settings.abilities,
            language=settings.language,
            zone=settings.timezone,
            clock=self._clock,
            save=False,
            stop_file=settings.halt.file,
            progress=lambda _done, _total: self._come_so_far(lease),
        )
        if not any(planned.automatic for planned in made.plan.changes):
            return None
        return Planned(store_plan(self._database, made, clock=self._clock).hash, book.digest)

    def weekly(self, now: datetime) -> int:
        """Queue the mails of this week that are missing."""
        from crm_steward.report import queue_weekly  # noqa: PLC0415 -- the same

        return queue_weekly(self._database, self._settings, self._rulebook.reload(), now)

    def restore_test(self, now: datetime) -> Deed | None:
        """Restore the newest backup, when it is time."""
        from crm_steward.daemon.selftest import look_at_backup  # noqa: PLC0415 -- the same

        return look_at_backup(self._database, self._settings, now)

    def _come_so_far(self, lease: Lease) -> None:
        """Keep the lease, and end here when asked to stop: what was stored stays."""
        lease.keep()
        if self._stop.is_set():
            raise RetryableError("Stopped; the next run goes on from here.", sent=False)
