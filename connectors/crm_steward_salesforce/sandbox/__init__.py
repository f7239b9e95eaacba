"""An emulated Salesforce org over real HTTP; what it enforces is in SANDBOX.md.

    from crm_steward.sandbox import serve
    from crm_steward_salesforce.sandbox import SalesforceSandbox

    with serve(SalesforceSandbox(contacts=2000, seed=7)) as server:
        settings = server.emulator.connection(server.url)

`crm-steward sandbox serve --kind salesforce --contacts 2000 --seed 7` is the same from a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_salesforce.sandbox import about, oauth, query, rows, soap
from crm_steward_salesforce.sandbox.deeds import DEEDS
from crm_steward_salesforce.sandbox.org import PERMISSIONS, SalesforceOrg

__all__ = ["PERMISSIONS", "SalesforceSandbox"]

_CONTACT_ID = re.compile(r"003[0-9A-Za-z]{15}")


class SalesforceSandbox(SalesforceOrg):
    """One emulated org with all its calls; see `SalesforceOrg` for the arguments."""

    routes = Routes().include(oauth.routes, query.routes, rows.routes, soap.routes, about.routes)

    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings, beside `kind`, that a connection to this org needs."""
        return {
            "client_id": self.app.client_id,
            "client_secret": self.app.client_secret,
            "domain": "vendor.my",
            "base_url": url,
        }

    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the ids of the contacts a request names, or else of those it brought."""
        named = _CONTACT_ID.findall(request.target + request.body.decode("utf-8", "replace"))
        if named:
            return list(dict.fromkeys(named))
        body = response.body if response else None
        records = body.get("records", []) if isinstance(body, dict) else []
        return [row["Id"] for row in records if _CONTACT_ID.fullmatch(str(row.get("Id")))]

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does in Salesforce's own interface.

        Args:
            deed: `{do: edit, id, values}`, `{do: delete, id}`, `{do: merge, master, losers}`, … as
                SANDBOX.md lists them.

        Raises:
            ValueError: There is no such deed or no such record.
        """
        act = DEEDS.get(str(deed.get("do")))
        if act is None:
            raise ValueError(f"people here can {', '.join(DEEDS)}")
        with self.lock:
            return act(self, **{name: value for name, value in deed.items() if name != "do"})
