"""An emulated Acme account over real HTTP, for the tests and for `crm-steward sandbox serve`.

It answers what Acme documents, in Acme's words. Everything else is refused with 501 by the base
class, so that the connector cannot lean on what somebody imagined.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes, population
from crm_steward.sdk import Clock, utc_now
from crm_steward_acme.mapping import SOURCES

routes = Routes()
PAGING = ("changed_since", "after_id", "limit")
CUSTOM = "customer_number"
_READ_ONLY = {"created_at", "changed_at", "last_reply_at", "last_activity_at"}
_LIFE = timedelta(hours=1)
_WINDOW = timedelta(seconds=10)
_STATUS = {"prospect": "lead", "customer": "client", "former": "lost", "unknown": None}
_MAILING = {"granted": "yes", "withdrawn": "no", "none": "unasked", "unknown": "unasked"}


class AcmeSandbox(Emulator):
    """One account of Acme, in memory.

    Args:
        contacts: How many contacts to generate.
        seed: The same seed generates the same people.
        clock: The time.
        born: What the population is dated from; now by default.
        burst: Calls per ten seconds.
        client_secret: Opens the account, together with `CLIENT_ID`.
    """

    kind = "acme"
    table_names = ("contacts", "tasks", "fields", "tokens", "truth")
    routes = routes
    CLIENT_ID = "client-1"

    def __init__(
        self,
        *,
        contacts: int = 500,
        seed: int = 7,
        clock: Clock = utc_now,
        born: datetime | None = None,
        burst: int = 50,
        client_secret: str = "acme-sandbox-secret",  # noqa: S107 -- opens nothing but an emulator
    ) -> None:
        self.burst = burst
        self.client_secret = client_secret
        self.withdrawn = False
        self.hidden = timedelta(0)
        """How long changes from now on stay invisible to reads of changes."""
        self._recent: deque[datetime] = deque()
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh account; `truth` says who each contact really is."""
        people = population(self.contacts, self.seed, self.born, slice=self.kind)
        contacts: dict[str, Any] = {}
        for number, one in enumerate(people, start=1001):
            row = {source: getattr(one, field, None) for field, source in SOURCES.items()}
            owner = None if one.owner is None else f"u{one.owner}"
            row |= {"status": _STATUS[one.stage], "owner_id": owner, "origin": one.source}
            row |= {"id": str(number), "version": 1, CUSTOM: f"N-{number}"}
            row |= {"mailing": _MAILING[one.consent.status], "_shown": _iso(self.born)}
            contacts[str(number)] = {name: _iso(value) for name, value in row.items()}
        names = [*SOURCES.values(), "mailing", CUSTOM]
        fields = {name: {"name": name, "writable": name not in _READ_ONLY} for name in names}
        truth = {str(number): one.person for number, one in enumerate(people, start=1001)}
        return {"contacts": contacts, "fields": fields, "truth": truth}

    def reindex(self) -> None:
        """Nothing is derived."""

    def summary(self) -> dict[str, Any]:
        """Return counts."""
        return {"counts": {"contacts": len(self.live()), "tasks": len(self.tables["tasks"])}}

    def live(self) -> list[str]:
        """Return the ids of the contacts that are there, in order."""
        return [key for key, row in self.tables["contacts"].items() if "_deleted" not in row]

    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings that a connection to this account needs."""
        secret = self.client_secret
        return {"base_url": url, "client_id": self.CLIENT_ID, "client_secret": secret}

    def stamp(self, row: Mapping[str, Any], **values: Any) -> dict[str, Any]:
        """Keep a new version of a contact; `_…` is for the emulator alone."""
        now = self.now()
        times = {"changed_at": _iso(now), "_shown": _iso(now + self.hidden)}
        new = {**row, **times, **values, "version": row["version"] + 1}
        self.tables["contacts"][row["id"]] = new
        return new

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a contact as Acme's API shows it."""
        known = {"id", "version", *self.tables["fields"]}
        return {name: value for name, value in row.items() if name in known}

    def found(self, record_id: str) -> dict[str, Any]:
        """Return a contact that is there; refuse with 404, or with 410 where it was merged."""
        row = self.tables["contacts"].get(record_id)
        if row is None or "_deleted" in row:
            merged = row and row["_deleted"]["merged_into"]
            raise Refusal(_error(410 if merged else 404, "gone", merged_into=merged))
        return dict(row)

    # -- who may come in ----------------------------------------------------------------------

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check the token, then the limit of calls in ten seconds."""
        if route.quota == "token":
            return {}
        now, token = self.now(), request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tables["tokens"].get(token, "") <= _iso(now):
            raise Refusal(_error(401, "token_expired"))
        while self._recent and self._recent[0] <= now - _WINDOW:
            self._recent.popleft()
        if len(self._recent) >= self.burst:
            wait = self._recent[0] + _WINDOW - now
            answer = _error(429, "too_many_calls")
            raise Refusal(answer.with_headers({"Retry-After": f"{wait.total_seconds():.3f}"}))
        self._recent.append(now)
        return {}

    def expire_credential(self, request: Request) -> None:
        """Let the access tokens expire."""
        self.do_expire()

    def error(self, status: int, message: str = "") -> Response:
        """Return Acme's body for `status`."""
        return _error(status, message or "scripted")

    def addressed(self, request: Request, response: Response | None) -> list[str]:
        """Return the id in the path."""
        return [part for part in request.path.split("/") if part.isdecimal()]

    # -- what people do on screen -------------------------------------------------------------

    def by_hand(self, deed: Mapping[str, Any]) -> Any:
        """Do what a person does: `{"do": "edit", "id": "1001", "values": {"zip": "1000"}}`."""
        act = getattr(self, f"do_{deed.get('do')}", None)
        if act is None:
            raise ValueError(f"people here cannot {deed.get('do')!r}")
        given = {name: value for name, value in deed.items() if name not in {"do", "id"}}
        with self.lock:
            return act(deed["id"], **given) if "id" in deed else act(**given)

    def do_edit(self, key: str, values: Mapping[str, Any]) -> Any:
        """Change fields of a contact."""
        return self.stamp(self.found(key), **values)

    def do_create(self, values: Mapping[str, Any]) -> Any:
        """Make a contact."""
        number = str(max(map(int, self.tables["contacts"])) + 1)
        row = {"id": number, "version": 0, "mailing": "unasked", "created_at": _iso(self.now())}
        return self.stamp({**dict.fromkeys(self.tables["fields"]), **row}, **values)

    def do_delete(self, key: str, merged_into: str | None = None) -> Any:
        """Move a contact to the recycle bin."""
        deleted = {"id": key, "deleted_at": _iso(self.now()), "merged_into": merged_into}
        return self.stamp(self.found(key), _deleted=deleted)

    def do_restore(self, key: str) -> Any:
        """Bring a contact back."""
        row = self.tables["contacts"][key]
        return self.stamp({name: value for name, value in row.items() if name != "_deleted"})

    def do_merge(self, survivor: str, loser: str) -> Any:
        """Fold one contact into another; its tasks follow, and a no to mailing stays a no."""
        merged = self.found(loser)
        self.do_delete(loser, merged_into=survivor)
        for key, task in self.tables["tasks"].items():
            if task["contact_id"] == loser:
                self.tables["tasks"][key] = {**task, "contact_id": survivor}
        row = self.found(survivor)
        mailing = "no" if "no" in {merged["mailing"], row["mailing"]} else row["mailing"]
        return self.stamp(row, mailing=mailing)

    def do_close_task(self, key: str) -> Any:
        """Tick a task off."""
        self.tables["tasks"][key] = {**self.tables["tasks"][key], "done": True}

    def do_drop_task(self, key: str) -> Any:
        """Delete a task."""
        del self.tables["tasks"][key]

    def do_import(self) -> Any:
        """Touch every contact in the same instant."""
        moment = _iso(self.now())
        for key in self.live():
            self.stamp(self.found(key), changed_at=moment)

    def do_expire(self) -> Any:
        """Let every access token expire."""
        self.tables["tokens"].clear()

    def do_revoke(self) -> Any:
        """Withdraw the API client."""
        self.withdrawn = True
        self.do_expire()


# -- the calls ----------------------------------------------------------------------------------


@routes.add("POST", "/token", body=("client_id", "client_secret"), quota="token")
def _token(crm: AcmeSandbox, request: Request) -> Response:
    client = {"client_id": crm.CLIENT_ID, "client_secret": crm.client_secret}
    if crm.withdrawn or request.json != client:
        return _error(401, "invalid_client")
    token = f"acme-token-{len(crm.tables['tokens'])}-{crm.now().timestamp()}"
    crm.tables["tokens"][token] = _iso(crm.now() + _LIFE)
    return Response(200, {"access_token": token, "expires_in": int(_LIFE.total_seconds())})


@routes.add("GET", "/account")
def _account(crm: AcmeSandbox, _: Request) -> Response:
    return Response(200, {"id": "acme-1", "name": "Example Ltd", "time_zone": "Europe/London"})


@routes.add("GET", "/users")
def _users(crm: AcmeSandbox, _: Request) -> Response:
    users = [
        {"id": f"u{n}", "name": f"User {n}", "email": f"u{n}@example.com", "active": n < 4}
        for n in range(5)
    ]
    return Response(200, {"users": users})


@routes.add("GET", "/fields")
def _fields(crm: AcmeSandbox, _: Request) -> Response:
    labelled = [
        {**field, "label": name.replace("_", " ")} for name, field in crm.tables["fields"].items()
    ]
    return Response(200, {"fields": labelled})


@routes.add("GET", "/contacts", query=PAGING)
def _list(crm: AcmeSandbox, request: Request) -> Response:
    since, now = request.one("changed_since"), _iso(crm.now())
    rows = (crm.tables["contacts"][key] for key in crm.live())
    changed = [row for row in rows if row["changed_at"] >= since]
    seen = [crm.shown(row) for row in changed if not since or row["_shown"] <= now]
    return _paged(request, seen)


@routes.add("GET", "/contacts/deleted", query=PAGING)
def _deleted(crm: AcmeSandbox, request: Request) -> Response:
    gone = (row["_deleted"] for row in crm.tables["contacts"].values() if "_deleted" in row)
    since = request.one("changed_since")
    return _paged(request, [row for row in gone if row["deleted_at"] >= since])


@routes.add("GET", "/contacts/{key}")
def _get(crm: AcmeSandbox, _: Request, key: str) -> Response:
    return Response(200, crm.shown(crm.found(key)))


@routes.add("PATCH", "/contacts/{key}", body=("fields",))
def _patch(crm: AcmeSandbox, request: Request, key: str) -> Response:
    row, values = crm.found(key), request.json.get("fields", {})
    if request.headers.get("if-match", f'"{row["version"]}"') != f'"{row["version"]}"':
        return _error(412, "version_mismatch")
    for name in values:
        if not crm.tables["fields"].get(name, {}).get("writable"):
            return _error(400, "unknown_field", field=name)
    if request.meddling:
        return Response(200, {})
    return Response(200, crm.shown(crm.stamp(row, **values)))


@routes.add("DELETE", "/contacts/{key}")
def _delete(crm: AcmeSandbox, _: Request, key: str) -> Response:
    crm.do_delete(key)
    return Response(204)


@routes.add("POST", "/contacts/{key}/unsubscribe")
def _unsubscribe(crm: AcmeSandbox, _: Request, key: str) -> Response:
    return Response(200, crm.shown(crm.stamp(crm.found(key), mailing="no")))


@routes.add("POST", "/tasks", body=("contact_id", "title", "notes", "due", "owner_id"))
def _create_task(crm: AcmeSandbox, request: Request) -> Response:
    crm.found(str(request.json.get("contact_id")))
    if request.meddling:
        return Response(200, {})
    task = {"id": f"t{len(crm.tables['tasks']) + 1}", "done": False, **request.json}
    crm.tables["tasks"][task["id"]] = task
    return Response(201, task)


@routes.add("GET", "/tasks/{key}")
def _task(crm: AcmeSandbox, _: Request, key: str) -> Response:
    return Response(200, _found_task(crm, key))


@routes.add("PATCH", "/tasks/{key}", body=("done",))
def _patch_task(crm: AcmeSandbox, request: Request, key: str) -> Response:
    task = {**_found_task(crm, key), "done": request.json["done"]}
    if request.meddling:
        return Response(200, {})
    crm.tables["tasks"][key] = task
    return Response(200, task)


def _found_task(crm: AcmeSandbox, key: str) -> dict[str, Any]:
    if key not in crm.tables["tasks"]:
        raise Refusal(_error(404, "gone"))
    return dict(crm.tables["tasks"][key])


@routes.add("GET", "/contacts/{key}/tasks")
def _tasks(crm: AcmeSandbox, _: Request, key: str) -> Response:
    crm.found(key)
    mine = [task for task in crm.tables["tasks"].values() if task["contact_id"] == key]
    return Response(200, {"tasks": mine})


def _paged(request: Request, rows: list[dict[str, Any]]) -> Response:
    """Return the page behind `after_id`; rows come in the order of their ids."""
    limit, after = min(int(request.one("limit", "100")), 100), int(request.one("after_id", "0"))
    behind = sorted((r for r in rows if int(r["id"]) > after), key=lambda row: int(row["id"]))
    more = behind[limit - 1]["id"] if len(behind) > limit else None
    return Response(200, {"items": behind[:limit], "next": more})


def _error(status: int, code: str, **more: Any) -> Response:
    told = {name: value for name, value in more.items() if value}
    return Response(status, {"error": {"code": code, "message": "Acme's own words.", **told}})


def _iso(value: Any) -> Any:
    """Return a time as text that sorts by time; everything else as it is."""
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
