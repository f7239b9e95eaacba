"""The emulated HubSpot account: its records, its search index, its credentials and its people."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes
from crm_steward.sdk import Clock, utc_now
from crm_steward_hubspot.sandbox import answers, credentials, rendering
from crm_steward_hubspot.sandbox.index import SearchIndex, drop, place
from crm_steward_hubspot.sandbox.limits import BURST, OAUTH_BURST, Limits
from crm_steward_hubspot.sandbox.schema import (
    CONTACT,
    CONTACT_ALWAYS,
    CONTACT_DEFAULTS,
    Property,
)
from crm_steward_hubspot.sandbox.values import iso, listed, milliseconds, mirror_optouts

Row = dict[str, Any]
"""A stored record: id, properties, createdAt, updatedAt, archivedAt (epoch milliseconds)."""

SCOPES = (
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.owners.read",
    "crm.schemas.contacts.read",
    "communication_preferences.read",
    "communication_preferences.read_write",
    "oauth",
)
_TOKEN = "pat-eu1-sandbox"  # noqa: S105 -- opens nothing but an emulator
_URL_LIMIT = 8_192
_BIN_DAYS = timedelta(days=90)
_MARKER = re.compile(r"crm-steward[:/#= ]+([0-9A-Za-z_.-]+)")


class Conflict(Exception):  # noqa: N818 -- an answer, not a failure of ours
    """Another record holds the e-mail address."""

    def __init__(self, existing: str) -> None:
        super().__init__(existing)
        self.existing = existing


class HubSpotAccount(Emulator):
    """One HubSpot account, in memory; `HubSpotSandbox` adds the calls.

    Args:
        contacts: How many contacts to generate.
        seed: The same seed generates the same people.
        clock: The time.
        born: What the population is dated from; now by default.
        token: The bearer token that opens the account.
        scopes: What the token may do.
        burst: Calls per 10 seconds and app (100 Free and Starter, 190 Professional, 110 by OAuth);
            the last two are the defaults.
        search_per_second: Search calls per second and account.
        daily: Calls per day.
        index_lag: How long a change stays invisible to search.
        search_id_order: How search compares `hs_object_id`: `numeric` or `text`. Which one HubSpot
            uses is contested, so a client must be right under both.
        preserve_primary_id: Whether a merge keeps the primary's id (a public beta) or makes a new one.
        time_zone: The account's.
        oauth: Whether it is reached through an installed app (refresh token, 110 calls per 10
            seconds, no daily limit) instead of a static token.
        rotate: Whether each refresh token buys one access token only.
        gdpr: Whether data privacy settings are on: then v3 wants a legal basis and its explanation.
        closed: Start of a path → status, for what this account's product or time has no access to.
        merge_lag: How long the tasks of merged contacts take to arrive at the survivor.
    """

    kind = "hubspot"
    TOKEN = _TOKEN
    PORTAL = 145_000_001
    table_names = (
        "contacts", "aliases", "tasks", "preferences", "tokens", "refresh_tokens", "dropped",
        "counters", "truth",
    )  # fmt: skip
    routes: Routes

    def __init__(
        self,
        *,
        contacts: int = 2_000,
        seed: int = 7,
        clock: Clock = utc_now,
        born: datetime | None = None,
        token: str = _TOKEN,
        scopes: Sequence[str] = SCOPES,
        burst: int | None = None,
        search_per_second: int = 5,
        daily: int = 625_000,
        index_lag: timedelta = timedelta(seconds=3),
        search_id_order: str = "numeric",
        preserve_primary_id: bool = False,
        time_zone: str = "Europe/Paris",
        oauth: bool = False,
        rotate: bool = False,
        gdpr: bool = True,
        closed: Mapping[str, int] | None = None,
        merge_lag: timedelta = timedelta(0),
    ) -> None:
        self.token = token
        self.scopes = tuple(scopes)
        self.index = SearchIndex(index_lag)
        self.search_id_order = search_id_order
        self.preserve_primary_id = preserve_primary_id
        self.oauth = oauth
        self.rotate = rotate
        self.gdpr = gdpr
        self.closed = dict(closed or {})
        self.merge_lag = merge_lag
        self.limits = Limits(
            burst=burst or (OAUTH_BURST if oauth else BURST),
            search=search_per_second,
            daily=daily,
            time_zone=time_zone,
        )
        self.shuffler = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh account of `contacts` generated records and one credential."""
        tables = rendering.account(self.contacts, self.seed, self.born)
        if not self.oauth:
            tables["tokens"] = {self.token: {"scopes": list(self.scopes), "expires": None}}
        tables["refresh_tokens"] = {credentials.REFRESH_TOKEN: {}}
        return tables

    @property
    def definitions(self) -> Mapping[str, Property]:
        """The contact properties that this account has."""
        dropped = self.tables["dropped"]
        return {n: p for n, p in CONTACT.items() if n not in dropped} if dropped else CONTACT

    def reindex(self) -> None:
        """Rebuild the id lists, the e-mail index, the search index and the associations."""
        rows = self.tables["contacts"]
        self.active = sorted(int(i) for i, row in rows.items() if row["archivedAt"] is None)
        self.archived = sorted(int(i) for i, row in rows.items() if row["archivedAt"] is not None)
        self._holders: dict[str, str] = {}
        for record_id in self.active:
            self._hold(rows[str(record_id)])
        self.index.fill(rows[str(i)] for i in self.active)
        self.tasks_of: dict[str, list[str]] = {}
        for task_id, task in self.tables["tasks"].items():
            for contact_id in task["contacts"]:
                self.tasks_of.setdefault(contact_id, []).append(task_id)

    def summary(self) -> dict[str, Any]:
        """Return counts, tasks by marker (`crm-steward:…` in body or subject), doubled tasks."""
        tasks = [t for t in self.tables["tasks"].values() if t["archivedAt"] is None]
        markers = Counter(marker for task in tasks for marker in _markers(task))
        texts = Counter(
            (*task["contacts"], task["properties"].get("hs_task_subject", "")) for task in tasks
        )
        return {
            "counts": {
                "active": len(self.active),
                "archived": len(self.archived),
                "merged_away": len(self.tables["aliases"]),
                "tasks": len(tasks),
            },
            "tasks_by_marker": dict(markers),
            "doubled_tasks": sum(count - 1 for count in texts.values()),
            "used_today": self.limits.used_today,
        }

    # -- credentials --------------------------------------------------------------------------

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check the address, the bearer token, the limits and the scopes, in this order."""
        if len(request.target) > _URL_LIMIT:
            raise Refusal(answers.uri_too_long())
        for prefix, status in self.closed.items():
            if request.path.startswith(prefix):
                raise Refusal(answers.scripted(status))
        if route.quota == "none":
            return {}
        token = credentials.bearer(request)
        grant = credentials.granted(self, token)
        app = str(grant.get("app", token))
        headers = self.limits.take(route.quota, app, self.now(), oauth=app == "oauth")
        refusal = credentials.refused(grant, route.scopes)
        if refusal is not None:
            raise Refusal(refusal.with_headers(headers))
        return {**headers, "Date": format_datetime(self.now(), usegmt=True)}

    def expire_credential(self, request: Request) -> None:
        """Let the bearer token of `request` expire now."""
        credentials.expire(self, [credentials.bearer(request)])

    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings, beside `kind`, that a connection to this account needs."""
        if self.oauth:
            return {
                "client_id": credentials.CLIENT_ID,
                "client_secret": credentials.CLIENT_SECRET,
                "refresh_token": credentials.REFRESH_TOKEN,
                "base_url": url,
            }
        return {"token": self.token, "base_url": url}

    def error(self, status: int, message: str = "") -> Response:
        """Return HubSpot's own body for `status`."""
        return answers.error(status, message) if message else answers.scripted(status)

    # -- records ------------------------------------------------------------------------------

    def find(self, record_id: str) -> Row | None:
        """Return the active or archived record of exactly this id."""
        row: Row | None = self.tables["contacts"].get(record_id)
        return row

    def resolve(self, record_id: str) -> str:
        """Follow merges: return the id of the record that an old id answers with now."""
        while record_id in self.tables["aliases"]:
            record_id = self.tables["aliases"][record_id]
        return record_id

    def holder(self, email: str) -> str | None:
        """Return the id of the active record whose primary or additional address `email` is."""
        return self._holders.get(email.casefold())

    def new_id(self) -> str:
        """Draw the next record id."""
        value = self.tables["counters"]["next_id"]["value"]
        self.tables["counters"]["next_id"] = {"value": value + self.shuffler.randrange(1, 90)}
        return str(value)

    def write(self, record_id: str, values: Mapping[str, str]) -> Row:
        """Set values of an active record; `""` clears; `lastmodifieddate` moves in any case.

        Raises:
            Conflict: Another record holds the new e-mail address.
        """
        row = self.tables["contacts"][record_id]
        email = values.get("email")
        if email:
            holder = self.holder(email)
            if holder not in {None, record_id}:
                raise Conflict(str(holder))
        now = milliseconds(self.now())
        properties = {**row["properties"], **values, "lastmodifieddate": iso(now)}
        properties = {name: value for name, value in properties.items() if value != ""}
        if "email" in values:
            mirror_optouts(properties, self.tables["preferences"].get(properties.get("email", "")))
        return self.keep({**row, "properties": properties, "updatedAt": now})

    def create(self, values: Mapping[str, str]) -> Row:
        """Make a record.

        Raises:
            Conflict: Another record holds the e-mail address.
        """
        email = values.get("email")
        if email and (holder := self.holder(email)):
            raise Conflict(holder)
        now = milliseconds(self.now())
        record_id = self.new_id()
        properties = {name: value for name, value in values.items() if value}
        properties |= {
            "createdate": iso(now), "lastmodifieddate": iso(now), "hs_object_id": record_id,
        }  # fmt: skip
        mirror_optouts(properties, self.tables["preferences"].get(properties.get("email", "")))
        row = {
            "id": record_id,
            "properties": properties,
            "createdAt": now,
            "updatedAt": now,
            "archivedAt": None,
        }
        return self.keep(row)

    def keep(self, row: Row) -> Row:
        """Store a new version of a record, and let the search index follow later."""
        record_id = int(row["id"])
        before = self.tables["contacts"].get(row["id"])
        if before is not None:
            self._release(before)
        self.tables["contacts"][row["id"]] = row
        drop(self.archived if row["archivedAt"] is None else self.active, record_id)
        place(self.active if row["archivedAt"] is None else self.archived, record_id)
        if row["archivedAt"] is None:
            self._hold(row)
        self.index.note(self.now(), record_id, row if row["archivedAt"] is None else None)
        return row

    def archive(self, record_id: str) -> None:
        """Move a record to the recycle bin; its modified date does not move."""
        row = self.tables["contacts"].get(record_id)
        if row is not None and row["archivedAt"] is None:
            self.keep({**row, "archivedAt": milliseconds(self.now())})

    def restore(self, record_id: str) -> None:
        """Bring a record back from the bin, with its old modified date.

        Raises:
            ValueError: It is not there, or its 90 days are over.
        """
        row = self.tables["contacts"].get(record_id)
        if row is None or row["archivedAt"] is None or self.purged(row):
            raise ValueError(f"record {record_id} is not in the recycle bin")
        self.keep({**row, "archivedAt": None})

    def purged(self, row: Row) -> bool:
        """Tell whether a record's time in the recycle bin is over."""
        limit = milliseconds(self.now() - _BIN_DAYS)
        return row["archivedAt"] is not None and row["archivedAt"] < limit

    def forget(self, record_id: str) -> None:
        """Remove a record for good."""
        row = self.tables["contacts"].get(record_id)
        if row is None:
            return
        self._release(row)
        del self.tables["contacts"][record_id]
        drop(self.active, int(record_id))
        drop(self.archived, int(record_id))
        self.index.note(self.now(), int(record_id), None)

    def _hold(self, row: Row) -> None:
        for address in _addresses(row):
            self._holders[address] = row["id"]

    def _release(self, row: Row) -> None:
        for address in _addresses(row):
            if self._holders.get(address) == row["id"]:
                del self._holders[address]

    # -- rendering ----------------------------------------------------------------------------

    def render(self, row: Mapping[str, Any], properties: Sequence[str]) -> dict[str, Any]:
        """Return a record as HubSpot does: what was asked for, `null` where it is empty."""
        held = row["properties"]
        known = self.definitions
        names = [n for n in properties if n in known] if properties else CONTACT_DEFAULTS
        rendered = {
            "id": row["id"],
            "properties": {
                name: held.get(name) for name in dict.fromkeys((*names, *CONTACT_ALWAYS))
            },
            "createdAt": iso(row["createdAt"]),
            "updatedAt": iso(row["updatedAt"]),
            "archived": row["archivedAt"] is not None,
            "url": f"https://app-eu1.hubspot.com/contacts/{self.PORTAL}/record/0-1/{row['id']}",
        }
        if row["archivedAt"] is not None:
            rendered["archivedAt"] = iso(row["archivedAt"])
        if row.get("spoilt"):
            rendered["properties"] = ["spoilt"]
        return rendered


def _markers(task: Row) -> set[str]:
    texts = (task["properties"].get(name, "") for name in ("hs_task_subject", "hs_task_body"))
    return {marker for text in texts for marker in _MARKER.findall(text)}


def _addresses(row: Row) -> list[str]:
    email = row["properties"].get("email")
    others = listed(row, "hs_additional_emails")
    return [address.casefold() for address in ([email] if email else []) + others]
