"""An emulated Zoho CRM organisation over real HTTP; what it enforces is in SANDBOX.md.

    from crm_steward.sandbox import serve
    from crm_steward_zoho.sandbox import ZohoSandbox

    with serve(ZohoSandbox(contacts=2000, seed=7)) as server:
        settings = {"kind": "zoho", **server.emulator.connection(server.url)}

`crm-steward sandbox serve --kind zoho --contacts 2000 --seed 7` is the same from a shell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_zoho.sandbox import (
    about,
    coql,
    deeds,
    listing,
    merging,
    recycling,
    tasks,
    tokens,
    writing,
)
from crm_steward_zoho.sandbox.account import ZohoAccount
from crm_steward_zoho.sandbox.scopes import SCOPES

__all__ = ["SCOPES", "ZohoSandbox"]


class ZohoSandbox(ZohoAccount):
    """One emulated organisation with all its calls; see `ZohoAccount` for the arguments."""

    routes = Routes().include(
        tokens.routes,
        listing.routes,
        coql.routes,
        writing.routes,
        merging.routes,
        recycling.routes,
        tasks.routes,
        about.routes,
    )

    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the ids in the path, the query or the body, else among the results."""
        parts = [part for part in request.path.split("/") if part.isdecimal()]
        if parts:
            return parts
        if "ids" in request.query:
            return request.one("ids").split(",")
        if request.body and request.method != "POST":
            return [str(row["id"]) for row in request.json.get("data", []) if "id" in row]
        content = response.body if response else None
        rows = content.get("data", []) if isinstance(content, dict) else []
        return [row["id"] for row in rows if "id" in row]

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does in Zoho's own interface; `deeds.DEEDS` lists what there is.

        Args:
            deed: `{do: edit, id, values}`, `{do: merge, master, children}`, …

        Raises:
            ValueError: There is no such deed or no such record.
        """
        act: Callable[..., Any] | None = deeds.DEEDS.get(str(deed.get("do")))
        if act is None:
            raise ValueError(f"people here can {', '.join(deeds.DEEDS)}")
        with self.lock:
            return act(self, **{name: value for name, value in deed.items() if name != "do"})
