"""The emulated Pipedrive account: its persons, activities and organisations, and its credentials."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes
from crm_steward.sdk import Clock, utc_now
from crm_steward_pipedrive.sandbox import answers, people, schema
from crm_steward_pipedrive.sandbox.limits import Limits
from crm_steward_pipedrive.sandbox.naming import split
from crm_steward_pipedrive.sandbox.values import seconds

Row = dict[str, Any]
"""A stored record; times are epoch seconds."""

SCOPES = (
    "base",
    "contacts:full",
    "activities:full",
    "users:read",
    "recents:read",
)
_TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 -- opens nothing but an emulator
_CLIENT = ("sandbox-client", "sandbox-client-secret")
_REFRESH = "11111:22222:sandbox-refresh"
_BIN_DAYS = timedelta(days=30)
_MARKER = re.compile(r"crm-steward[:/#= ]+([0-9A-Za-z_.-]+)")
_V1_LIFE = 3_599


class PipedriveAccount(Emulator):
    """One Pipedrive company, in memory; `PipedriveSandbox` adds the calls.

    Args:
        contacts: How many persons to generate.
        seed: The same seed generates the same people.
        clock: The time.
        born: What the population is dated from; now by default.
        token: The API token that opens the account.
        scopes: What OAuth tokens may do; an API token may do everything.
        oauth: Whether `connection` describes the way by OAuth instead of the API token.
        burst: Requests per token and 2 seconds (20 is Lite's for API tokens).
        daily: Tokens per day, for the whole company.
        patience: How many 429s within a minute are forgiven before Cloudflare blocks.
        block: For how long it blocks.
        day_headers: Whether answers tell what is left of the day.
        campaigns: Whether the company has the Campaigns add-on (`marketing_status`).
        refuse_marketing: Without the add-on, whether asking for `marketing_status` is refused, or
            the field is left out. Which of the two Pipedrive does is not published.
        contact_sync: Whether persons have `postal_address`, `job_title` and the like.
        names: How a name is parted into first and last: `first` cuts behind the first word, `last`
            before the last. Which one Pipedrive does is not published.
        recents: Whether `/v1/recents` still answers.
        mark_life: How long a page's mark is accepted; None is for ever.
        api_domain: What the token endpoint names as the address to use; by default its own.
    """

    kind = "pipedrive"
    TOKEN = _TOKEN
    CLIENT = _CLIENT
    REFRESH = _REFRESH
    table_names = (
        "persons", "organizations", "activities", "fields", "types", "tokens", "refresh",
        "counters", "merged", "truth",
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
        oauth: bool = False,
        burst: int = 20,
        daily: int = 30_000,
        patience: int = 20,
        block: timedelta = timedelta(minutes=5),
        day_headers: bool = True,
        campaigns: bool = True,
        refuse_marketing: bool = True,
        contact_sync: bool = True,
        names: str = "first",
        recents: bool = True,
        mark_life: timedelta | None = None,
        api_domain: str = "",
    ) -> None:
        self.token = token
        self.scopes = tuple(scopes)
        self.oauth = oauth
        self.campaigns = campaigns
        self.refuse_marketing = refuse_marketing
        self.contact_sync = contact_sync
        self.names = names
        self.recents = recents
        self.mark_life = mark_life
        self.api_domain = api_domain
        self.hidden_for = timedelta(0)
        self.limits = Limits(
            burst=burst, daily=daily, patience=patience, block=block, day_headers=day_headers
        )
        self.shuffler = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh account of `contacts` generated persons, one token and one app."""
        tables = people.account(self.contacts, self.seed, self.born, self.names)
        tables["fields"] = schema.fields(campaigns=self.campaigns, contact_sync=self.contact_sync)
        tables["types"] = {key: {"key_string": key, "active_flag": True} for key in schema.TYPES}
        tables["tokens"] = {self.token: {"scopes": None, "expires": None}}
        tables["refresh"] = {_REFRESH: {"live": True}}
        return tables

    def reindex(self) -> None:
        """Rebuild the list of ids and who takes part in which activity."""
        self.ids = sorted(int(key) for key in self.tables["persons"])
        self.activities_of: dict[int, list[str]] = {}
        for key, activity in self.tables["activities"].items():
            self._index(key, activity)

    def summary(self) -> dict[str, Any]:
        """Return counts, tasks by marker (`crm-steward …` in note or subject), doubled tasks."""
        tasks = [row for row in self.tables["activities"].values() if row["deleted"] is None]
        tasks = [row for row in tasks if not row["done"]]
        markers = Counter(marker for task in tasks for marker in _markers(task))
        texts = Counter((task["subject"], *_participants(task)) for task in tasks)
        persons = self.tables["persons"].values()
        deleted = sum(row["deleted"] is not None for row in persons)
        return {
            "counts": {
                "active": len(persons) - deleted,
                "archived": deleted,
                "merged_away": len(self.tables["merged"]),
                "tasks": len(tasks),
            },
            "tasks_by_marker": dict(markers),
            "doubled_tasks": sum(count - 1 for count in texts.values()),
            "used_today": self.limits.used_today,
        }

    def connection(self, url: str) -> dict[str, Any]:
        """Return the settings that a connection to this account needs."""
        if self.oauth:
            client, secret = _CLIENT
            way = {"client_id": client, "client_secret": secret, "refresh_token": _REFRESH}
        else:
            way = {"api_token": self.token}
        return {"base_url": url, **way}

    # -- credentials --------------------------------------------------------------------------

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check the token, the limits and the scopes, in this order."""
        dated = {"Date": format_datetime(self.now(), usegmt=True)}
        if route.quota == "none":
            return dated
        token = bearer(request)
        granted = self.tables["tokens"].get(token)
        expired = granted is not None and (granted["expires"] or 1e12) <= seconds(self.now())
        if granted is None or expired:
            raise Refusal(answers.unauthorized().with_headers(dated))
        headers = {**self.limits.take(token, int(route.quota), self.now()), **dated}
        if granted["scopes"] is not None and not _covered(granted["scopes"], route.scopes):
            raise Refusal(answers.wrong_scope().with_headers(headers))
        return headers

    def expire_credential(self, request: Request) -> None:
        """Let the token of `request` expire now."""
        self.expire(bearer(request))

    def expire(self, token: str) -> None:
        """Let an access token expire now."""
        granted = self.tables["tokens"].get(token)
        if granted is not None:
            self.tables["tokens"][token] = {**granted, "expires": seconds(self.now())}

    def issue(self) -> Row:
        """Make an access token and the refresh token that replaces the last one."""
        number = self.next_id("token")
        access, refresh = f"v1u:sandbox-access-{number}", f"{_REFRESH}-{number}"
        expires = seconds(self.now()) + _V1_LIFE
        self.tables["tokens"][access] = {"scopes": list(self.scopes), "expires": expires}
        self.tables["refresh"][refresh] = {"live": True}
        return {"access_token": access, "refresh_token": refresh, "expires_in": _V1_LIFE}

    def error(self, status: int, message: str = "") -> Response:
        """Return Pipedrive's own body for `status`."""
        return answers.error(status, message) if message else answers.scripted(status)

    # -- records ------------------------------------------------------------------------------

    def next_id(self, what: str) -> int:
        """Draw the next id of a kind of record."""
        counters = self.tables["counters"]["next"]
        self.tables["counters"]["next"] = {**counters, what: counters[what] + 1}
        return int(counters[what])

    def find(self, person_id: str | int) -> Row | None:
        """Return the person of this id, in the bin or not; None when there is none any more."""
        row: Row | None = self.tables["persons"].get(str(person_id))
        if row is None or self.purged(row):
            return None
        return row

    def purged(self, row: Row) -> bool:
        """Tell whether a deleted record's 30 days are over."""
        return row["deleted"] is not None and row["deleted"] < seconds(self.now() - _BIN_DAYS)

    def keep(self, row: Row, *, moved: bool = True) -> Row:
        """Store a new version of a person; `moved` moves its update time."""
        now = self.now()
        if moved:
            row = {**row, "update_time": seconds(now)}
        if self.hidden_for:
            row = {**row, "shown_at": seconds(now + self.hidden_for)}
        self.tables["persons"][str(row["id"])] = row
        return row

    def named(self, row: Row, name: str) -> Row:
        """Return the person under a name, parted as this account parts them."""
        first, last = split(name, self.names)
        return {**row, "name": name, "first_name": first, "last_name": last}

    def create(self, name: str) -> Row:
        """Make a person of this name."""
        return self.enter(self.draft(name))

    def enter(self, row: Row) -> Row:
        """Let a drafted person be there."""
        self.ids.append(row["id"])
        return self.keep(row)

    def draft(self, name: str) -> Row:
        """Return a new person of this name that is not there yet."""
        now = seconds(self.now())
        row: Row = {
            "id": self.next_id("person"),
            "owner_id": schema.USERS[0]["id"],
            "org_id": None,
            "add_time": now,
            "update_time": now,
            "emails": [],
            "phones": [],
            "visible_to": 3,
            "label_ids": [],
            "custom": {},
            "sync": {**dict.fromkeys(schema.CONTACT_SYNC), "im": []},
            "marketing_status": "no_consent",
            "marketing_changed": False,
            "mail_in": None,
            "mail_out": None,
            "won": 0,
            "open": 0,
            "notes": 0,
            "deleted": None,
            "shown_at": 0,
            "spoiled": False,
        }
        return self.named(row, name)

    def delete(self, person_id: str | int) -> None:
        """Mark a person as deleted; it is removed for good after 30 days."""
        row = self.find(person_id)
        if row is not None and row["deleted"] is None:
            self.keep({**row, "deleted": seconds(self.now())})

    def merge(self, loser_id: int, survivor_id: int) -> Row:
        """Let `loser_id` disappear into `survivor_id`, which wins and takes over what it lacks."""
        loser, survivor = self.tables["persons"][str(loser_id)], self.find(survivor_id)
        assert survivor is not None  # noqa: S101 -- looked up by the caller
        merged = {**survivor}
        for name in ("org_id", "mail_in", "mail_out"):
            merged[name] = survivor[name] if survivor[name] is not None else loser[name]
        for name in ("emails", "phones", "label_ids"):
            merged[name] = survivor[name] or loser[name]
        for name in ("custom", "sync"):
            held = {key: value for key, value in survivor[name].items() if value not in (None, [])}
            merged[name] = {**loser[name], **held}
        for name in ("won", "open", "notes"):
            merged[name] = survivor[name] + loser[name]
        self._move_activities(loser_id, survivor_id)
        self.keep({**loser, "deleted": seconds(self.now())})
        self.tables["merged"][str(loser_id)] = {"into": survivor_id}
        truth = self.tables["truth"].get(str(survivor_id), {})
        self.tables["truth"][str(survivor_id)] = {
            **truth, "merged": [*truth.get("merged", []), loser_id],
        }  # fmt: skip
        return self.keep(merged)

    # -- activities ---------------------------------------------------------------------------

    def keep_activity(self, row: Row) -> Row:
        """Store an activity and remember who takes part."""
        key = str(row["id"])
        known = key in self.tables["activities"]
        self.tables["activities"][key] = row
        if not known:
            self._index(key, row)
        return row

    def activities(self, person_id: int) -> list[Row]:
        """Return the activities in which a person takes part."""
        rows = (self.tables["activities"][key] for key in self.activities_of.get(person_id, ()))
        return [row for row in rows if row["deleted"] is None]

    def _index(self, key: str, activity: Row) -> None:
        for person_id in _participants(activity):
            self.activities_of.setdefault(person_id, []).append(key)

    def _move_activities(self, loser_id: int, survivor_id: int) -> None:
        for key in self.activities_of.pop(loser_id, []):
            row = self.tables["activities"][key]
            moved = {
                (survivor_id if part["person_id"] == loser_id else part["person_id"]): part
                for part in row["participants"]
            }
            participants = [{**part, "person_id": person} for person, part in moved.items()]
            self.tables["activities"][key] = {**row, "participants": participants}
            if key not in self.activities_of.setdefault(survivor_id, []):
                self.activities_of[survivor_id].append(key)


def bearer(request: Request) -> str:
    """Return the token of a request: in `x-api-token`, or as a bearer."""
    api_token = request.headers.get("x-api-token", "")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return api_token or (token.strip() if scheme.lower() == "bearer" else "")


def _covered(granted: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether the scopes suffice; `contacts:full` includes `contacts:read`."""
    held = set(granted)
    held |= {scope.replace(":full", ":read") for scope in held}
    return set(needed) <= held


def _participants(activity: Row) -> list[int]:
    return [part["person_id"] for part in activity["participants"]]


def _markers(task: Row) -> set[str]:
    texts = (task["subject"] or "", task["note"] or "")
    return {marker for text in texts for marker in _MARKER.findall(text)}
