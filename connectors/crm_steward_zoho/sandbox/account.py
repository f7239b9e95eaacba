"""The emulated Zoho organisation: its records, its credentials and its people."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes
from crm_steward.sdk import Clock, utc_now
from crm_steward_zoho.sandbox import answers, rendering
from crm_steward_zoho.sandbox.index import QueryIndex
from crm_steward_zoho.sandbox.limits import Credits, cost_of
from crm_steward_zoho.sandbox.schema import CONTACT, USERS, Field
from crm_steward_zoho.sandbox.scopes import SCOPES, covers
from crm_steward_zoho.sandbox.values import stamp

Row = dict[str, Any]
"""A stored record: id, values, created, modified (epoch seconds), deleted, locked, merging."""

_REFRESH = "1000.sandbox.refresh"
_SECRET = "sandbox-client-secret"  # noqa: S105 -- opens nothing but an emulator
_TIMES = {"Created_Time": "created", "Modified_Time": "modified"}
_KEPT = {"id": "id", "Locked__s": "locked", "$locked_for_me": "locked", "$in_merge": "merging"}
_EMPTY: Mapping[str, Any] = {"Email_Opt_Out": False, "Tag": []}
_MARKER = re.compile(r"crm-steward[:/#= ]+([0-9A-Za-z_.-]+)")


class ZohoAccount(Emulator):
    """One organisation of Zoho CRM, in memory; `ZohoSandbox` adds the calls.

    Args:
        contacts: How many contacts to generate.
        seed: The same seed generates the same people.
        clock: The time.
        born: What the population is dated from; now by default.
        scopes: What the refresh token may do.
        credits: Credits of 24 hours (Standard: 50,000 and 250 a user).
        privacy: Whether GDPR compliance is on, with the fields that come with it.
        unique_email: Whether the account's people made Email unique.
        page_reach: How many records `page` reaches.
        token_reach: How many records `page_token` reaches.
        query_lag: How long a change stays invisible to queries; Zoho documents none.
        merge_job: How long a merge takes when Zoho schedules it; None merges at once.
        refused_status: HTTP status of a write all of whose rows are refused: 400, or 202, which
            some operations answer.
        api_domain: What the token endpoint names; where it was asked, by default.
        time_zone: The organisation's.
    """

    kind = "zoho"
    ORG = "5545974000000000225"
    ZGID = "20081234567"
    CLIENT_ID = "1000.SANDBOX"
    table_names = (
        "contacts", "tasks", "refresh_tokens", "tokens", "codes", "jobs", "counters", "settings",
        "truth",
    )  # fmt: skip
    routes: Routes

    def __init__(
        self,
        *,
        contacts: int = 2_000,
        seed: int = 7,
        clock: Clock = utc_now,
        born: datetime | None = None,
        scopes: Sequence[str] = SCOPES,
        credits: int = 51_000,  # noqa: A002 -- the vendor's word
        privacy: bool = True,
        unique_email: bool = False,
        page_reach: int = 2_000,
        token_reach: int = 100_000,
        query_lag: timedelta = timedelta(0),
        merge_job: timedelta | None = None,
        refused_status: int = 400,
        api_domain: str = "",
        time_zone: str = "Europe/Paris",
    ) -> None:
        self.scopes = tuple(scopes)
        self.credits = Credits(credits)
        self.unique_email = unique_email
        self.page_reach = page_reach
        self.token_reach = token_reach
        self.merge_job = merge_job
        self.refused_status = refused_status
        self.api_domain = api_domain
        self.zone = ZoneInfo(time_zone)
        self.client_secret = _SECRET
        self.refresh_token = _REFRESH
        self.token = _REFRESH
        self._privacy = privacy
        self.index = {name: QueryIndex(query_lag) for name in ("contacts", "tasks")}
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh organisation of `contacts` generated records and one refresh token."""
        tables = rendering.account(
            self.contacts, self.seed, self.born, self.zone, privacy=self._privacy
        )
        tables["refresh_tokens"] = {_REFRESH: {"scopes": list(self.scopes), "minted": []}}
        tables["settings"] = {"privacy": self._privacy, "dropped": []}
        return tables

    def reindex(self) -> None:
        """Rebuild what queries see."""
        rows = self.tables["contacts"]
        self._order = sorted(record_id for record_id in rows if rows[record_id]["deleted"] is None)
        self.index["contacts"].fill(self.active())
        self.index["tasks"].fill(self.tables["tasks"].values())

    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings of a connection to this organisation, served at `url`."""
        return {
            "base_url": url,
            "client_id": self.CLIENT_ID,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "fields": {
                "stage": "Customer_Status",
                "language": "Language",
                "website": "Website",
                "last_person_act": "Last_Reply",
            },
            "stages": {"Prospect": "prospect", "Customer": "customer", "Former customer": "former"},
            "extra": {"customer_number": "Customer_Number"},
            "consent": {
                "text_version": "Consent_Wording",
                "source": "Consent_Source",
                "evidence": "Consent_Evidence",
            },
        }

    def summary(self) -> dict[str, Any]:
        """Return counts, tasks by marker (`crm-steward …` in the text), doubled tasks."""
        tasks = [task["values"] for task in self.tables["tasks"].values()]
        rows = self.tables["contacts"].values()
        found = Counter(
            marker for task in tasks for marker in set(_MARKER.findall(task["Description"] or ""))
        )
        texts = Counter((task["Who_Id"], task["Subject"]) for task in tasks)
        return {
            "counts": {
                "active": sum(row["deleted"] is None for row in rows),
                "deleted": sum(row["deleted"] is not None for row in rows),
                "tasks": len(tasks),
            },
            "tasks_by_marker": dict(found),
            "doubled_tasks": sum(count - 1 for count in texts.values()),
            "credits_used": self.credits.used,
        }

    # -- credentials --------------------------------------------------------------------------

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check the access token, the credits and the scopes, in this order."""
        self.finish_jobs()
        if route.quota == "none":
            return {}
        granted = self.tables["tokens"].get(_bearer(request))
        if granted is None:
            answers.refuse(401, "INVALID_TOKEN", "invalid oauth token")
        if granted["expires"] <= self.seconds():
            answers.refuse(401, "INVALID_TOKEN", "invalid oauth token")
        headers = {
            "x-accesstoken-reset": stamp(granted["expires"], self.zone),
            **self.credits.take(cost_of(route.quota, request), self.now()),
        }
        if not all(covers(granted["scopes"], needed) for needed in route.scopes):
            raise Refusal(_mismatch().with_headers(headers))
        return headers

    def require(self, request: Request, scope: str) -> None:
        """Refuse a call whose scope depends on what it asks for.

        Raises:
            Refusal: 401 `OAUTH_SCOPE_MISMATCH`.
        """
        if not covers(self.tables["tokens"][_bearer(request)]["scopes"], scope):
            raise Refusal(_mismatch())

    def expire_credential(self, request: Request) -> None:
        """Let the access token of `request` expire now."""
        name = _bearer(request)
        if name in self.tables["tokens"]:
            held = self.tables["tokens"][name]
            self.tables["tokens"][name] = {**held, "expires": self.seconds()}

    def expire_all(self) -> None:
        """Let every access token expire now."""
        for name, held in list(self.tables["tokens"].items()):
            self.tables["tokens"][name] = {**held, "expires": self.seconds()}

    def revoke(self, refresh: str) -> None:
        """Withdraw a refresh token with all its access tokens."""
        del self.tables["refresh_tokens"][refresh]
        for name, held in list(self.tables["tokens"].items()):
            if held["refresh"] == refresh:
                del self.tables["tokens"][name]

    def error(self, status: int, message: str = "") -> Response:
        """Return Zoho's own body for `status`."""
        return (
            answers.error(status, "INVALID_DATA", message) if message else answers.scripted(status)
        )

    # -- schema -------------------------------------------------------------------------------

    @property
    def privacy(self) -> bool:
        """Whether GDPR compliance is on."""
        return bool(self.tables["settings"]["privacy"])

    @property
    def fields(self) -> Mapping[str, Field]:
        """The contact fields that exist now."""
        dropped = self.tables["settings"]["dropped"]
        return {
            name: field
            for name, field in CONTACT.items()
            if name not in dropped and (self.privacy or not field.private)
        }

    # -- records ------------------------------------------------------------------------------

    def seconds(self) -> int:
        """Return the emulator's time in epoch seconds: Zoho's times have no fractions."""
        return int(self.now().timestamp())

    def new_id(self) -> str:
        """Draw the next id: 19 digits."""
        value = int(self.tables["counters"]["next_id"])
        self.tables["counters"]["next_id"] = value + 1_001
        return str(value)

    def active(self) -> list[Row]:
        """Return the records that are there, in the order of ids."""
        rows = self.tables["contacts"]
        return [rows[record_id] for record_id in self._order]

    def find(self, record_id: str) -> Row | None:
        """Return the active record of this id."""
        row: Row | None = self.tables["contacts"].get(record_id)
        return row if row is not None and row["deleted"] is None else None

    def keep(self, row: Row) -> Row:
        """Store a new version of a record, and let queries follow."""
        self.tables["contacts"][row["id"]] = row
        visible = row if row["deleted"] is None else None
        place = bisect_left(self._order, row["id"])
        known = self._order[place : place + 1] == [row["id"]]
        if visible and not known:
            self._order.insert(place, row["id"])
        elif known and not visible:
            del self._order[place]
        self.index["contacts"].note(self.now(), row["id"], visible)
        return row

    def write(self, row: Row, values: Mapping[str, Any]) -> Row:
        """Set values; None clears; Modified_Time moves in any case."""
        held = {**row["values"], **values}
        if "Email_Opt_Out" in values:
            held |= self._opting(row["values"], out=bool(values["Email_Opt_Out"]))
        held = {name: value for name, value in held.items() if value not in (None, "")}
        return self.keep({**row, "values": held, "modified": self.seconds()})

    def create(self, values: Mapping[str, Any]) -> Row:
        """Make a record."""
        now = self.seconds()
        row: Row = {
            "id": self.new_id(), "values": {}, "created": now, "modified": now, "deleted": None,
            "locked": False, "merging": False,
        }  # fmt: skip
        return self.write(row, {"Email_Opt_Out": False, "Owner": _owner(), **values})

    def delete(self, row: Row, *, by: str = USERS[0]["id"]) -> None:
        """Move a record to the recycle bin; its Modified_Time does not move."""
        deleted = {"type": "recycle", "at": self.seconds(), "by": by}
        self.keep({**row, "deleted": deleted, "merging": False})

    def restore(self, record_id: str) -> None:
        """Bring a record back from the bin, with its old Modified_Time.

        Raises:
            ValueError: It is not there.
        """
        row = self.tables["contacts"].get(record_id)
        if row is None or row["deleted"] is None or row["deleted"]["type"] != "recycle":
            raise ValueError(f"record {record_id} is not in the recycle bin")
        self.keep({**row, "deleted": None})

    def holder(self, email: str, *, but: str) -> str | None:
        """Return the id of another record with this e-mail address."""
        wanted = email.casefold()
        for row in self.active():
            if row["id"] != but and row["values"].get("Email", "").casefold() == wanted:
                return str(row["id"])
        return None

    # -- merging ------------------------------------------------------------------------------

    def merge(self, master: Row, children: Mapping[str, Sequence[str]]) -> Row:
        """Fold children into the master: chosen values are taken over, children go to the bin.

        Args:
            master: The record that remains.
            children: Id of a child → fields whose value is taken from it.
        """
        values = dict(master["values"])
        for child_id, names in children.items():
            child = self.tables["contacts"][child_id]
            values |= {name: child["values"].get(name) for name in names}
            self.delete(child)
            self._move_tasks(child_id, master["id"])
        kept = {name: value for name, value in values.items() if value is not None}
        return self.keep({**master, "values": kept, "modified": self.seconds(), "merging": False})

    def finish_jobs(self) -> None:
        """Carry out the scheduled merges whose time has come."""
        for job_id, job in list(self.tables["jobs"].items()):
            if job["status"] == "SCHEDULED" and job["due"] <= self.now().timestamp():
                master = self.find(job["master"])
                gone = [child for child in job["children"] if self.find(child) is None]
                if master is None or gone:
                    self.tables["jobs"][job_id] = {**job, "status": "FAILURE"}
                else:
                    self.merge(master, job["children"])
                    self.tables["jobs"][job_id] = {**job, "status": "COMPLETED"}

    def _move_tasks(self, old: str, new: str) -> None:
        for task in list(self.tables["tasks"].values()):
            if task["values"]["Who_Id"] == old:
                self.keep_task({**task, "values": {**task["values"], "Who_Id": new}})

    def keep_task(self, task: Row) -> Row:
        """Store a task, and let queries follow."""
        self.tables["tasks"][task["id"]] = task
        self.index["tasks"].note(self.now(), task["id"], task)
        return task

    # -- rendering ----------------------------------------------------------------------------

    def render(self, row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """Return a record as Zoho does: what was asked for, `null` where it is empty."""
        return {"id": row["id"], **{name: self.value(row, name) for name in names}}

    def value(self, row: Mapping[str, Any], name: str) -> Any:
        """Return one field of a record, calculated ones included."""
        if name in _TIMES:
            return stamp(row[_TIMES[name]], self.zone)
        if name in _KEPT:
            return row[_KEPT[name]]
        if name == "Full_Name":
            parts = (row["values"].get("First_Name"), row["values"].get("Last_Name"))
            return " ".join(part for part in parts if part)
        return row["values"].get(name, _EMPTY.get(name))

    def _opting(self, held: Mapping[str, Any], *, out: bool) -> dict[str, Any]:
        if not out:
            return {"Unsubscribed_Mode": None, "Unsubscribed_Time": None}
        if held.get("Unsubscribed_Time"):
            return {}
        return {
            "Unsubscribed_Mode": "Manual",
            "Unsubscribed_Time": stamp(self.seconds(), self.zone),
        }


def _owner() -> dict[str, Any]:
    return rendering.owner_of(0)


def _mismatch() -> Response:
    return answers.error(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme == "Zoho-oauthtoken" else ""
