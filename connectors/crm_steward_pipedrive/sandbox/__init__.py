"""An emulated Pipedrive company over real HTTP; what it enforces is in SANDBOX.md.

    from crm_steward.sandbox import serve
    from crm_steward_pipedrive.sandbox import PipedriveSandbox

    with serve(PipedriveSandbox(contacts=2000, seed=7)) as server:
        requests.get(server.url + "/api/v2/persons", headers={"x-api-token": PipedriveSandbox.TOKEN})

`crm-steward sandbox serve --kind pipedrive --contacts 2000 --seed 7` is the same from a shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_pipedrive.sandbox import about, activities, persons, recents
from crm_steward_pipedrive.sandbox.account import SCOPES, PipedriveAccount
from crm_steward_pipedrive.sandbox.deeds import DEEDS

__all__ = ["SCOPES", "PipedriveSandbox"]


class PipedriveSandbox(PipedriveAccount):
    """One emulated Pipedrive company with all its calls; see `PipedriveAccount` for the arguments.

    Version 1 answers under `/v1` and under `/api/v1`, version 2 under `/api/v2` alone.
    """

    routes = Routes().include(persons.routes, activities.routes, about.routes, recents.routes)

    def answer(self, request: Request) -> Response:
        """Answer one request; `/api/v1` is another name of `/v1`."""
        if request.target.startswith("/api/v1/"):
            request = Request(
                method=request.method,
                target=request.target.removeprefix("/api"),
                headers=request.headers,
                body=request.body,
                meddling=request.meddling,
            )
        return super().answer(request)

    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the ids in the path, or among the results, whichever there is."""
        numbers = [part for part in request.path.split("/") if part.isdecimal()]
        if numbers:
            return numbers
        data = (response.body or {}).get("data") if response else None
        return [str(row["id"]) for row in data] if isinstance(data, list) else []

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does in Pipedrive's own interface.

        Args:
            deed: `{do: edit, id, values}` and the others that SANDBOX.md lists.

        Raises:
            ValueError: There is no such deed or no such record.
        """
        act = DEEDS.get(str(deed.get("do")))
        if act is None:
            raise ValueError(f"people here can {', '.join(DEEDS)}")
        with self.lock:
            return act(self, **{name: value for name, value in deed.items() if name != "do"})
