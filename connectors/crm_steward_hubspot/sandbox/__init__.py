"""An emulated HubSpot account over real HTTP; what it enforces is in SANDBOX.md.

    from crm_steward.sandbox import serve
    from crm_steward_hubspot.sandbox import HubSpotSandbox

    with serve(HubSpotSandbox(contacts=2000, seed=7)) as server:
        client = HubSpot(access_token=HubSpotSandbox.TOKEN, host=server.url, base_url=server.url)

`crm-steward sandbox serve --kind hubspot --contacts 2000 --seed 7` is the same from a shell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import about, batch, contacts, preferences, search, tasks
from crm_steward_hubspot.sandbox.account import SCOPES, HubSpotAccount
from crm_steward_hubspot.sandbox.values import milliseconds

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
                `{do: erase, id}`, `{do: withdraw, email}` and
                `{do: token, token, scopes?, expires_in?}`.

        Raises:
            ValueError: There is no such deed or no such record.
        """
        act = _DEEDS.get(str(deed.get("do")))
        if act is None:
            raise ValueError(f"people here can {', '.join(_DEEDS)}")
        with self.lock:
            return act(self, **{name: value for name, value in deed.items() if name != "do"})


def _edit(crm: HubSpotSandbox, id: str, values: dict[str, str]) -> Any:  # noqa: A002 -- the word the caller writes
    record_id = crm.resolve(id)
    _live(crm, record_id)
    return crm.render(crm.write(record_id, values), list(values))


def _create(crm: HubSpotSandbox, values: dict[str, str]) -> Any:
    return crm.render(crm.create(values), list(values))


def _archive(crm: HubSpotSandbox, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    _live(crm, id)
    crm.archive(id)
    return {"id": id}


def _restore(crm: HubSpotSandbox, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    crm.restore(id)
    return {"id": id}


def _erase(crm: HubSpotSandbox, id: str) -> Any:  # noqa: A002 -- the word the caller writes
    _live(crm, id)
    crm.forget(id)
    return {"id": id}


def _merge(crm: HubSpotSandbox, primary: str, other: str) -> Any:
    _live(crm, primary)
    _live(crm, other)
    return {"id": crm.merge(primary, other)["id"]}


def _token(
    crm: HubSpotSandbox,
    token: str,
    scopes: list[str] | None = None,
    expires_in: float | None = None,
) -> Any:
    expires = None if expires_in is None else milliseconds(crm.now()) + int(expires_in * 1000)
    granted = {"scopes": list(crm.scopes) if scopes is None else scopes, "expires": expires}
    crm.tables["tokens"][token] = granted
    return granted


def _withdraw(crm: HubSpotSandbox, email: str) -> Any:
    preferences.opt_out(crm, email)
    return {"email": email}


def _live(crm: HubSpotSandbox, record_id: str) -> None:
    row = crm.find(record_id)
    if row is None or row["archivedAt"] is not None:
        raise ValueError(f"there is no active record {record_id}")


_DEEDS: Mapping[str, Callable[..., Any]] = {
    "edit": _edit,
    "create": _create,
    "archive": _archive,
    "restore": _restore,
    "erase": _erase,
    "merge": _merge,
    "withdraw": _withdraw,
    "token": _token,
}
