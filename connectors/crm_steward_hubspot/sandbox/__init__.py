"""An emulated HubSpot account over real HTTP; what it enforces is in SANDBOX.md.

    from crm_steward.sandbox import serve
    from crm_steward_hubspot.sandbox import HubSpotSandbox

    with serve(HubSpotSandbox(contacts=2000, seed=7)) as server:
        client = HubSpot(access_token=HubSpotSandbox.TOKEN, host=server.url, base_url=server.url)

`crm-steward sandbox serve --kind hubspot --contacts 2000 --seed 7` is the same from a shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import (
    about,
    batch,
    contacts,
    deeds,
    oauth,
    preferences,
    search,
    tasks,
)
from crm_steward_hubspot.sandbox.account import SCOPES, HubSpotAccount

__all__ = ["SCOPES", "HubSpotSandbox"]


class HubSpotSandbox(HubSpotAccount):
    """One emulated HubSpot account with all its calls; see `HubSpotAccount` for the arguments."""

    routes = Routes().include(
        contacts.routes,
        batch.routes,
        search.routes,
        tasks.routes,
        preferences.routes,
        about.routes,
        oauth.routes,
    )

    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the ids in the path, in the batch, or among the results, whichever there is."""
        last = request.path.rpartition("/")[2]
        if last.isdecimal():
            return [last]
        if request.body:
            rows = request.json.get("inputs") or []
            return [str(row["id"]) for row in rows if "id" in row]
        results = (response.body or {}).get("results", []) if response else []
        return [row["id"] for row in results]

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does in HubSpot's own interface.

        Args:
            deed: One of `{do: edit, id, values}` (read-only properties too), `{do: archive, id}`,
                `{do: restore, id}`, `{do: merge, primary, other}`, `{do: create, values}`,
                `{do: erase, id}`, `{do: spoil, id}`, `{do: withdraw, email, subscription?}`,
                `{do: opt_in, email}`, `{do: drop_field, name}`,
                `{do: token, token, scopes?, expires_in?}`, `{do: expire}` and `{do: revoke}`.

        Raises:
            ValueError: There is no such deed or no such record.
        """
        return deeds.do(self, deed)
