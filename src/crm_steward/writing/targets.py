"""The connections changes are written to, opened when first needed; one failing leaves the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from crm_steward.connect.protocol import Connector
from crm_steward.model import BusyError, StewardError, StoreError
from crm_steward.settings import Halting

_AS_SHIPPED = Halting()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An open connection that changes are written to.

    Args:
        connector: The open connection.
        settle_after: How long a write may stay invisible to what settle reads.
        batch: How many changes one call carries.
    """

    connector: Connector
    settle_after: timedelta = timedelta(0)
    batch: int = 100


class Targets:
    """Opens targets by the connection's name, and remembers which failed.

    What goes wrong with one connection (a refused credential, an unreachable CRM, a file that is
    gone, a setting) concerns that one: it is left out from then on. What concerns our own database
    ends the run.

    Args:
        open_target: Opens the connection of that name.
        halt: What stops writing to them.
    """

    def __init__(self, open_target: Callable[[str], Target], halt: Halting = _AS_SHIPPED) -> None:
        self._open = open_target
        self.halt = halt
        self._opened: dict[str, Target] = {}
        self.failures: dict[str, StewardError] = {}

    def attempt(self, connection: str, action: Callable[[Target], None]) -> bool:
        """Do something with a connection, unless it failed before; keep its failure.

        Returns:
            Whether it was done to the end.
        """
        if connection in self.failures:
            return False
        try:
            if connection not in self._opened:
                self._opened[connection] = self._open(connection)
            action(self._opened[connection])
        except (BusyError, StoreError):
            raise
        except StewardError as error:
            self.failures[connection] = error
            return False
        return True

    def close(self) -> None:
        """Close what was opened."""
        for target in self._opened.values():
            target.connector.close()
        self._opened.clear()
