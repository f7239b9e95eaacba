"""The emulated HubSpot account: its records, its search index, its credentials and its people."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes
from crm_steward.sdk import Clock, utc_now
from crm_steward_hubspot.sandbox import answers, rendering
from crm_steward_hubspot.sandbox.index import SearchIndex, drop, place
from crm_steward_hubspot.sandbox.limits import Limits
from crm_steward_hubspot.sandbox.merging import listed, merged_values
from crm_steward_hubspot.sandbox.schema import CONTACT, CONTACT_ALWAYS, CONTACT_DEFAULTS
from crm_steward_hubspot.sandbox.values import iso, milliseconds

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
_IDENTITIES = 250
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
        burst: Calls per 10 seconds and app (100 Free and Starter, 190 Professional).
        search_per_second: Search calls per second and account.
        daily: Calls per day.
        index_lag: How long a change stays invisible to search.
        search_id_order: How search compares `hs_object_id`: `numeric` or `text`. Which one HubSpot
            uses is contested, so a client must be right under both.
        preserve_primary_id: Whether a merge keeps the primary's id (a public beta) or makes a new one.
        time_zone: The account's.
    """

    kind = "hubspot"
    TOKEN = _TOKEN
    PORTAL = 145_000_001
    table_names = ("contacts", "aliases", "tasks", "preferences", "tokens", "counters", "truth")
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
        burst: int = 190,
        search_per_second: int = 5,
        daily: int = 625_000,
        index_lag: timedelta = timedelta(seconds=3),
        search_id_order: str = "numeric",
        preserve_primary_id: bool = False,
        time_zone: str = "Europe/Paris",
    ) -> None:
        self.token = token
        self.scopes = tuple(scopes)
        self.index = SearchIndex(index_lag)
        self.search_id_order = search_id_order
        self.preserve_primary_id = preserve_primary_id
        self.limits = Limits(
            burst=burst, search=search_per_second, daily=daily, time_zone=time_zone
        )
        self.shuffler = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh account of `contacts` generated records and one token."""
        tables = rendering.account(self.contacts, self.seed, self.born)
        tables["tokens"] = {self.token: {"scopes": list(self.scopes), "expires": None}}
        return tables

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
        """Check the address's length, the bearer token, the limits and the scopes, in this order."""
        if len(request.target) > _URL_LIMIT:
            raise Refusal(answers.uri_too_long())
        if route.quota == "none":
            return {}
        token = self._bearer(request)
        granted = self.tables["tokens"].get(token)
        if granted is None:
            answers.refuse(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")
        expires = granted["expires"]
        if expires is not None and expires <= milliseconds(self.now()):
            answers.refuse(
                401,
                "The OAuth token used to make this call is expired.",
                "EXPIRED_AUTHENTICATION",
                context={"expire time": [iso(expires)]},
            )
        headers = self.limits.take(route.quota, token, self.now())
        if not set(route.scopes) <= set(granted["scopes"]):
            raise Refusal(_without(granted["scopes"], route.scopes).with_headers(headers))
        return headers

    def expire_credential(self, request: Request) -> None:
        """Let the bearer token of `request` expire now."""
        token = self._bearer(request)
        granted = self.tables["tokens"].get(token)
        if granted is not None:
            self.tables["tokens"][token] = {**granted, "expires": milliseconds(self.now())}

    @staticmethod
    def _bearer(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

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
            _mirror_optout(properties, self.tables["preferences"].get(properties.get("email", "")))
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
        _mirror_optout(properties, self.tables["preferences"].get(properties.get("email", "")))
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

    def merge(self, primary_id: str, other_id: str) -> Row:
        """Fold `other_id` into `primary_id`, both active and different, under a new id.

        Raises:
            Refusal: 414 beyond 250 identities.
        """
        primary, other = self.tables["contacts"][primary_id], self.tables["contacts"][other_id]
        absorbed = [
            *listed(primary, "hs_merged_object_ids"),
            *listed(other, "hs_merged_object_ids"),
        ]
        now = milliseconds(self.now())
        new_id = primary_id if self.preserve_primary_id else self.new_id()
        absorbed += [i for i in (primary_id, other_id) if i != new_id]
        if len(absorbed) > _IDENTITIES:
            answers.refuse(414, "Cannot have more than 250 identities on a profile")
        row: Row = {
            "id": new_id,
            "properties": merged_values(primary, other, new_id, absorbed, now),
            "createdAt": min(primary["createdAt"], other["createdAt"]),
            "updatedAt": now,
            "archivedAt": None,
        }
        for old in (primary_id, other_id):
            self.forget(old)
            if old != new_id:
                self.tables["aliases"][old] = new_id
        self._move_tasks((primary_id, other_id), new_id)
        self.tables["truth"][new_id] = {
            **self.tables["truth"].get(primary_id, {}), "merged": absorbed,
        }  # fmt: skip
        return self.keep(row)

    def _hold(self, row: Row) -> None:
        for address in _addresses(row):
            self._holders[address] = row["id"]

    def _release(self, row: Row) -> None:
        for address in _addresses(row):
            if self._holders.get(address) == row["id"]:
                del self._holders[address]

    def _move_tasks(self, old_ids: tuple[str, str], new_id: str) -> None:
        moved = [task for old in old_ids for task in self.tasks_of.pop(old, [])]
        for task_id in moved:
            task = self.tables["tasks"][task_id]
            contacts = [new_id if c in old_ids else c for c in task["contacts"]]
            self.tables["tasks"][task_id] = {**task, "contacts": list(dict.fromkeys(contacts))}
        if moved:
            self.tasks_of[new_id] = list(dict.fromkeys(moved))

    # -- rendering ----------------------------------------------------------------------------

    def render(self, row: Mapping[str, Any], properties: Sequence[str]) -> dict[str, Any]:
        """Return a record as HubSpot does: what was asked for, `null` where it is empty."""
        held = row["properties"]
        names = [n for n in properties if n in CONTACT] if properties else CONTACT_DEFAULTS
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
        return rendered


def _without(granted: Sequence[str], needed: Sequence[str]) -> Response:
    try:
        answers.missing_scopes([scope for scope in needed if scope not in granted])
    except Refusal as refusal:
        return refusal.response


def _markers(task: Row) -> set[str]:
    texts = (task["properties"].get(name, "") for name in ("hs_task_subject", "hs_task_body"))
    return {marker for text in texts for marker in _MARKER.findall(text)}


def _mirror_optout(properties: dict[str, str], preference: Mapping[str, Any] | None) -> None:
    """Consent hangs on the address, so the flag follows the address a record now has."""
    properties.pop("hs_email_optout", None)
    if preference and preference["optout"] is not None:
        properties["hs_email_optout"] = "true"


def _addresses(row: Row) -> list[str]:
    email = row["properties"].get("email")
    others = listed(row, "hs_additional_emails")
    return [address.casefold() for address in ([email] if email else []) + others]
