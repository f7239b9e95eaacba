"""The base of every emulated CRM: state, clock, and routes that refuse what is not documented."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from crm_steward.model import Clock, utc_now
from crm_steward.sandbox.tables import Table
from crm_steward.sandbox.wire import Refusal, Request, Response, Route, Routes


class Emulator(ABC):
    """One account of one CRM, in memory, answering as its vendor documents.

    A subclass names its `kind`, its `tables` and its `routes`, fills the tables in `populate`,
    rebuilds what it derives from them in `reindex`, and decides in `admit` whether a call may pass
    (credentials, scopes, quotas). Whatever has no route, or carries a parameter the route does not
    know, is answered 501 with a text naming it, so that a connector cannot lean on imagination.

    Args:
        contacts: How many contacts to generate.
        seed: The same seed generates the same people.
        clock: The time; the emulator's own `offset` is added to it.
        born: The moment the population is dated from; now by default.
    """

    kind: str
    table_names: tuple[str, ...]
    routes: Routes

    def __init__(
        self, *, contacts: int, seed: int, clock: Clock = utc_now, born: datetime | None = None
    ) -> None:
        self.contacts = contacts
        self.seed = seed
        self.lock = threading.RLock()
        self._clock = clock
        self._offset = timedelta(0)
        self.born = born or clock()
        self.tables: dict[str, Table] = {name: Table() for name in self.table_names}
        self.reset()

    # -- the subclass's part ------------------------------------------------------------------

    @abstractmethod
    def populate(self) -> dict[str, dict[str, Any]]:
        """Return the rows of each table of a fresh account."""

    @abstractmethod
    def reindex(self) -> None:
        """Rebuild everything derived from the tables."""

    @abstractmethod
    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check credential, scopes and quotas; return headers to add to the answer.

        Raises:
            Refusal: The call may not pass.
        """

    @abstractmethod
    def error(self, status: int, message: str = "") -> Response:
        """Return the vendor's own answer for `status`, as documented; for scripted faults."""

    @abstractmethod
    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the ids of the records a request reads or writes, for scripted human edits."""

    @abstractmethod
    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does in the CRM's own interface; see the emulator's documentation.

        Raises:
            ValueError: There is no such deed or no such record.
        """

    @abstractmethod
    def expire_credential(self, request: Request) -> None:
        """Let the credential `request` carries expire."""

    @abstractmethod
    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings, beside `kind`, that a connection to this account needs.

        Args:
            url: Where it is served.
        """

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Return counts and what tests compare, beside the tables themselves."""

    # -- the common part ----------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the emulator's own time, in UTC."""
        return self._clock() + self._offset

    @property
    def offset(self) -> timedelta:
        """How far the emulator's clock is ahead of the given one."""
        return self._offset

    @offset.setter
    def offset(self, value: timedelta) -> None:
        with self.lock:
            self._offset = value

    def answer(self, request: Request) -> Response:
        """Answer one request, one at a time."""
        with self.lock:
            try:
                return self._handle(request)
            except Refusal as refusal:
                return refusal.response

    def _handle(self, request: Request) -> Response:
        found = self.routes.find(request.method, request.path)
        if found is None:
            return self.unknown(f"{request.method} {request.path}")
        route, placeholders = found
        headers = self.admit(request, route)
        try:
            self._check_parameters(request, route)
            return route.handler(self, request, **placeholders).with_headers(headers)
        except Refusal as refusal:
            return refusal.response.with_headers(headers)

    def _check_parameters(self, request: Request, route: Route) -> None:
        call = f"{route.method} {route.path}"
        strange = sorted(set(request.query) - route.query)
        if strange:
            raise Refusal(self.unknown(f"{call} with parameter {', '.join(strange)}"))
        if route.body:
            self._check_body(request, route)

    def _check_body(self, request: Request, route: Route) -> None:
        try:
            content = request.json
        except ValueError as error:
            raise Refusal(self.error(400, "Invalid input JSON")) from error
        if not isinstance(content, dict):
            raise Refusal(self.error(400, "Invalid input JSON: an object is expected"))
        strange = sorted(set(content) - route.body)
        if strange:
            what = f"{route.method} {route.path} with {', '.join(strange)} in the body"
            raise Refusal(self.unknown(what))

    def unknown(self, what: str) -> Response:
        """Return the loud refusal of something the emulator does not know."""
        message = (
            f"The {self.kind} sandbox does not know {what}. It answers only what the vendor "
            "documents and what has been built; see SANDBOX.md of the connector."
        )
        return Response(501, {"status": "error", "message": message, "category": "SANDBOX_UNKNOWN"})

    def reset(self, state: Mapping[str, Any] | None = None) -> None:
        """Go back to a fresh account, or to what `state()` returned.

        Raises:
            ValueError: `state` is not of this kind of emulator.
        """
        if state is not None and state.get("kind") != self.kind:
            raise ValueError(f"the state is of kind {state.get('kind')!r}, not {self.kind!r}")
        with self.lock:
            rows = self.populate() if state is None else state["tables"]
            for name, table in self.tables.items():
                table.fill(rows.get(name, {}))
            self.reindex()

    def state(self) -> dict[str, Any]:
        """Return everything the account holds, JSON-ready, the truth included."""
        with self.lock:
            return {
                "kind": self.kind,
                "now": self.now().isoformat(),
                "seed": self.seed,
                **self.summary(),
                "tables": {name: dict(table) for name, table in self.tables.items()},
            }
