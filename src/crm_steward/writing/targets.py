"""The connections changes are written to, opened when first needed; one failing leaves the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from crm_steward.connect.calls import Calls
from crm_steward.connect.identity import account_of, refuse_other
from crm_steward.connect.protocol import Connector
from crm_steward.model import BusyError, StewardError, StoreError
from crm_steward.settings import Halting
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

_AS_SHIPPED = Halting()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An open connection that changes are written to.

    Args:
        connector: The open connection.
        settle_after: How long a write may stay invisible to what settle reads.
        batch: How many changes one call carries.
        ahead: Returns how far the CRM's clock is ahead of ours, by its last answer.
    """

    connector: Connector
    settle_after: timedelta = timedelta(0)
    batch: int = 100
    ahead: Callable[[], timedelta | None] = lambda: None


class Targets:
    """Opens targets by the connection's name, and remembers which failed.

    Before anything else the account that the credential opens is held against the one that was
    read: what is asked of another account, or written to it, concerns the wrong people.

    What goes wrong with one connection (a refused credential, an unreachable CRM, a file that is
    gone, a setting) concerns that one: it is left out from then on. What concerns our own database
    ends the run.

    Args:
        open_target: Opens the connection of that name.
        halt: What stops writing to them.
    """

    def __init__(self, open_target: Callable[[str], Target], halt: Halting = _AS_SHIPPED) -> None:
        self._open_target = open_target
        self.halt = halt
        self._opened: dict[str, Target] = {}
        self.failures: dict[str, StewardError] = {}
        self.calls: dict[str, Calls] = {}
        """What paces the connections that were opened for this run alone."""

    def attempt(
        self, database: Database, connection: str, action: Callable[[Target], None]
    ) -> bool:
        """Do something with a connection, unless it failed before; keep its failure.

        Args:
            database: The store, which knows the account that was read.
            connection: The connection's name.
            action: What is done.

        Returns:
            Whether it was done to the end.
        """
        if connection in self.failures:
            return False
        try:
            action(self._opened.get(connection) or self._open(database, connection))
        except (BusyError, StoreError):
            raise
        except StewardError as error:
            self.failures[connection] = error
            return False
        return True

    def _open(self, database: Database, connection: str) -> Target:
        target = self._open_target(connection)
        try:
            known = Mirror(database).state(connection).account_id
            if known:
                refuse_other(connection, known, account_of(target.connector))
        except BaseException:
            target.connector.close()
            raise
        self._opened[connection] = target
        return target

    def close(self) -> None:
        """Close what was opened."""
        for target in self._opened.values():
            target.connector.close()
        self._opened.clear()
