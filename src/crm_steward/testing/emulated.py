"""A contract account on an emulator of ours: what every one of them would otherwise write again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, ClassVar

from crm_steward.sandbox import Server, parse_faults
from crm_steward.sdk import Calls, Clock, Connector, Context, MemoryVault, utc_now
from crm_steward.testing.account import SandboxAccount, Trouble, Verb, quick_calls

FAULTS: Mapping[Trouble, Mapping[str, Any]] = MappingProxyType(
    {
        Trouble.LOST_BEFORE: {"reset": "before"},
        Trouble.LOST_AFTER: {"reset": "after"},
        Trouble.HALF: {"half_body": True},
        Trouble.UNAVAILABLE: {"status": 503},
        Trouble.REFUSED: {"status": 429, "retry_after": 0.05},
        Trouble.WAIT: {"status": 429, "retry_after": 7},
        Trouble.FORBIDDEN: {"expire_token": True},
        Trouble.GARBLED: {"truncated_json": True},
        Trouble.HTML: {"status": 200, "html": True},
        Trouble.ERROR_BODY: {"error_body": True},
        Trouble.SILENT: {"no_op": True},
        Trouble.PARTIAL: {"partial": {"rows": [1]}},
    }
)
"""Trouble → fault of the emulator's script, for a vendor that puts callers off with 429."""


class EmulatedAccount(SandboxAccount):
    """An account of an emulator that is built on `crm_steward.sandbox.Emulator`.

    A subclass gives `spec`, `paths`, `secrets`, `ids`, and the hands it has inside; `do` is the
    emulator's own way to let a person act.

    Args:
        server: The emulator, served.
    """

    paths: ClassVar[Mapping[Verb, str]]
    """Verb → regular expression, searched in `METHOD /path?query`, of the calls that serve it.

    A verb that the connector does not have is left out.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.crm: Any = server.emulator
        self._vault = MemoryVault()

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        """Open a connection with the settings that the emulator says it needs."""
        given = {**self.crm.connection(self.server.url), "timeout": "10 seconds", **settings}
        name = self.spec.kind
        context = Context(
            connection=name, calls=calls or quick_calls(name), clock=clock, vault=self._vault
        )
        return self.spec.open(self.spec.settings.model_validate({"kind": name, **given}), context)

    def requests(self, verb: Verb) -> int:
        """Count the calls in the server's log."""
        if verb not in self.paths:
            return 0
        made = (f"{entry['method']} {entry['path']}" for entry in self.server.log)
        return sum(re.search(self.paths[verb], call) is not None for call in made)

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        """Script the fault."""
        method, _, path = self.paths[verb].removeprefix("^").partition(" ")
        fault = FAULTS[trouble]
        if trouble is Trouble.PARTIAL and self.per_call == 1:
            fault, nth = {"status": 400}, nth + 1
        met = {"method": method, "path": f"^{path}", "nth": nth}
        self.server.faults.add(parse_faults({**met, **fault}))

    def shift(self, seconds: float) -> None:
        """Move the emulator's clock."""
        self.crm.offset += timedelta(seconds=seconds)

    def do(self, deed: str, **what: Any) -> Any:
        """Let a person act, as the emulator's `by_hand` does it."""
        return self.crm.by_hand({"do": deed, **what})
