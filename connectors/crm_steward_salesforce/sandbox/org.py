"""The emulated org: its records, its schema as the user sees it, its credentials and its day."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from crm_steward.sandbox import Emulator, Refusal, Request, Response, Route, Routes
from crm_steward.sdk import Clock, utc_now
from crm_steward_salesforce.sandbox import answers, rendering
from crm_steward_salesforce.sandbox.app import App
from crm_steward_salesforce.sandbox.schema import OBJECTS, PRIVACY, Field
from crm_steward_salesforce.sandbox.values import full_id, new_id, stamp

Row = dict[str, Any]
"""A stored record: API field → value; `IsDeleted` ones lie in the recycle bin."""

PERMISSIONS = ("ApiEnabled", "ReadContact", "EditContact", "DeleteContact", "CreateTask")
_URL_LIMIT = 16_384
_DAY = timedelta(days=1)
_OLDEST, _NEWEST, _RETIRED = 31, 68, range(21, 31)
_VERSION = re.compile(r"/services/(?:data/v|Soap/u/)([0-9]+)\.0(?:/|$)")
_MARKER = re.compile(r"crm-steward[:/#= ]+([0-9A-Za-z_.-]+)")


class SalesforceOrg(Emulator):
    """One Salesforce org, in memory; `SalesforceSandbox` adds the calls.

    Args:
        contacts: How many contacts to generate.
        seed: The same seed generates the same people.
        clock: The time.
        born: What the population is dated from; now by default.
        daily: Calls in any 24 hours.
        page_rows: Rows of a page of results at most; Salesforce gives fewer than 2,000 where rows
            are wide.
        locator_life: How long the rest of a result can be fetched.
        commit_lag: How long a person's change stays uncommitted: it is stamped when it is made and
            seen when it is committed.
        session_life: How long an access token lives; None for ever. Salesforce does not tell it.
        rotate_refresh: Whether each use of the refresh token gives a new one and ends the old.
        privacy: Whether *Data Protection and Privacy* is on: Individual, ContactPointTypeConsent.
        duplicate_rule: `alert`, `block` or empty: a contact saved with another one's e-mail address.
        permissions: What the user may do, of `PERMISSIONS`.
        sandbox: Whether it is a sandbox org, whose assertions are for `test.salesforce.com`.
        time_zone: The org's.
    """

    kind = "salesforce"
    ORG = new_id("00D", 1)
    USER = new_id("005", 1)
    table_names = (
        *OBJECTS, "tokens", "pending", "counters", "org", "truth",
    )  # fmt: skip
    routes: Routes

    def __init__(
        self,
        *,
        contacts: int = 2_000,
        seed: int = 7,
        clock: Clock = utc_now,
        born: datetime | None = None,
        daily: int = 100_000,
        page_rows: int = 2_000,
        locator_life: timedelta = timedelta(minutes=15),
        commit_lag: timedelta = timedelta(0),
        session_life: timedelta | None = None,
        rotate_refresh: bool = False,
        privacy: bool = True,
        duplicate_rule: str = "",
        permissions: Sequence[str] = PERMISSIONS,
        sandbox: bool = False,
        time_zone: str = "Europe/Paris",
    ) -> None:
        self.daily = daily
        self.page_rows = page_rows
        self.locator_life = locator_life
        self.commit_lag = commit_lag
        self.session_life = session_life
        self.rotate_refresh = rotate_refresh
        self.privacy = privacy
        self.duplicate_rule = duplicate_rule
        self.permissions = set(permissions)
        self.app = App(sandbox=sandbox)
        self.time_zone = time_zone
        self.used: deque[datetime] = deque()
        self.locators: dict[str, tuple[list[Row], str, datetime]] = {}
        self.locked: Counter[str] = Counter()
        super().__init__(contacts=contacts, seed=seed, clock=clock, born=born)

    @property
    def token(self) -> str:
        """A session that is open from the start, as a person's own."""
        return self.app.session

    # -- state --------------------------------------------------------------------------------

    def populate(self) -> dict[str, dict[str, Any]]:
        """Return a fresh org of `contacts` generated records and one open session."""
        tables = rendering.org(self.contacts, self.seed, self.born, privacy=self.privacy)
        organization = {
            "Id": self.ORG,
            "Name": "Vendor Example",
            "TimeZoneSidKey": self.time_zone,
            "OrganizationType": "Enterprise Edition",
            "IsSandbox": self.app.sandbox,
        }
        tables["Organization"] = {self.ORG: rendering.dated(organization, self.born)}
        tables["tokens"] = {self.token: {"expires": None, "refresh": ""}}
        tables["org"] = {
            "hidden": {"fields": []},
            "refresh": {"token": self.app.refresh_token, "works": True},
            "app": {"works": True},
        }
        return tables

    def reindex(self) -> None:
        """Forget what belongs to sessions: open results, locks, used calls."""
        self.locators.clear()
        self.locked.clear()
        self.used.clear()

    def summary(self) -> dict[str, Any]:
        """Return counts, tasks by marker, doubled tasks, calls used in the last 24 hours."""
        rows = self.tables["Contact"].values()
        tasks = [task for task in self.tables["Task"].values() if not task["IsDeleted"]]
        markers = Counter(
            marker for t in tasks for marker in set(_MARKER.findall(t.get("Description") or ""))
        )
        texts = Counter((task.get("WhoId"), task.get("Subject")) for task in tasks)
        return {
            "counts": {
                "active": sum(not row["IsDeleted"] for row in rows),
                "archived": sum(row["IsDeleted"] and not row["MasterRecordId"] for row in rows),
                "merged_away": sum(bool(row["MasterRecordId"]) for row in rows),
                "tasks": len(tasks),
            },
            "tasks_by_marker": dict(markers),
            "doubled_tasks": sum(count - 1 for count in texts.values()),
            "used_today": len(self.used),
        }

    # -- admission ----------------------------------------------------------------------------

    def admit(self, request: Request, route: Route) -> Mapping[str, str]:
        """Check address, version, token, permission and quota, in this order."""
        now = self.now()
        self._commit(now)
        date = {"Date": format_datetime(now, usegmt=True)}
        if len(request.target) > _URL_LIMIT:
            page = b"<html><head><title>414 URI Too Long</title></head></html>"
            raise Refusal(Response(414, page, {"Content-Type": "text/html", **date}))
        self._check_version(request.path)
        if route.quota in {"none", "soap"}:
            return date
        if not self.session_of(self.bearer(request)):
            raise Refusal(answers.expired().with_headers(date))
        if "ApiEnabled" not in self.permissions:
            refused = answers.error(403, "API_DISABLED_FOR_ORG", "API is not enabled for this user")
            raise Refusal(refused.with_headers(date))
        return {**date, **self.take(now)}

    def take(self, now: datetime) -> dict[str, str]:
        """Count one call of the rolling 24 hours, and return the header that tells.

        Raises:
            Refusal: 403, the quota is used up.
        """
        while self.used and self.used[0] <= now - _DAY:
            self.used.popleft()
        if len(self.used) >= self.daily:
            usage = {"Sforce-Limit-Info": f"api-usage={len(self.used)}/{self.daily}"}
            raise Refusal(answers.over_quota().with_headers(usage))
        self.used.append(now)
        return {"Sforce-Limit-Info": f"api-usage={len(self.used)}/{self.daily}"}

    def session_of(self, token: str) -> Row | None:
        """Return the open session behind an access token, or None."""
        held: Row | None = self.tables["tokens"].get(token)
        if held is None or (held["expires"] is not None and held["expires"] <= self._seconds()):
            return None
        return held

    def open_session(self, *, refresh: str = "") -> str:
        """Open a session and return its access token."""
        token = f"{self.ORG[:15]}!sandbox.{self.count('session'):08d}.{self.seed}"
        life = self.session_life
        expires = None if life is None else self._seconds() + life.total_seconds()
        self.tables["tokens"][token] = {"expires": expires, "refresh": refresh}
        return token

    def expire_credential(self, request: Request) -> None:
        """Let the access token of `request` end now."""
        self.end_session(self.bearer(request) or self.app.session_in(request.body))

    def end_session(self, token: str) -> None:
        """Let an access token end now."""
        held = self.tables["tokens"].get(token)
        if held is not None:
            self.tables["tokens"][token] = {**held, "expires": self._seconds()}

    @staticmethod
    def bearer(request: Request) -> str:
        """Return the access token a REST call carries."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def error(self, status: int, message: str = "") -> Response:
        """Return Salesforce's own body for `status`."""
        return answers.scripted(status, message)

    def _seconds(self) -> float:
        return self.now().timestamp()

    def _check_version(self, path: str) -> None:
        found = _VERSION.match(path)
        if found is None or _OLDEST <= int(found[1]) <= _NEWEST:
            return
        if int(found[1]) in _RETIRED:
            answers.refuse(410, "UNSUPPORTED_API_VERSION", "The Api Version is retired")
        answers.refuse(404, "NOT_FOUND", "The requested resource does not exist")

    @staticmethod
    def versions() -> range:
        """Return the API versions that are served."""
        return range(_OLDEST, _NEWEST + 1)

    # -- schema -------------------------------------------------------------------------------

    @property
    def hidden(self) -> frozenset[str]:
        """Fields (`Contact.Email`) that this user cannot see, or that were deleted."""
        return frozenset(self.tables["org"]["hidden"]["fields"])

    def hide(self, names: Iterable[str]) -> None:
        """Hide fields (`Contact.Email`) from the user; `names` replace what was hidden."""
        self.tables["org"]["hidden"] = {"fields": sorted(names)}

    def fields(self, name: str) -> dict[str, Field]:
        """Return the fields of an object that the user can see."""
        hidden = self.hidden
        return {
            field.name: field
            for field in OBJECTS[name].fields.values()
            if f"{name}.{field.name}" not in hidden and self.exists(field.refers or name)
        }

    def exists(self, name: str) -> bool:
        """Whether the org has an object, and lets this user see it."""
        if name == "Contact" and "ReadContact" not in self.permissions:
            return False
        return name in OBJECTS and (self.privacy or name not in PRIVACY)

    # -- records ------------------------------------------------------------------------------

    def find(self, name: str, record_id: str) -> Row | None:
        """Return a record, deleted or not; None when there never was one, or it was purged."""
        row: Row | None = self.tables[name].get(full_id(record_id))
        return row

    def live(self, name: str) -> list[Row]:
        """Return the records that are not deleted."""
        return [row for row in self.tables[name].values() if not row["IsDeleted"]]

    def create(self, name: str, values: Mapping[str, Any]) -> Row:
        """Make a record."""
        record_id = new_id(OBJECTS[name].prefix, 50_000_000 + 37 * self.count(name))
        now = self.now()
        defaults: Row = {
            field.name: False if field.type == "boolean" else None
            for field in OBJECTS[name].fields.values()
        }
        if "OwnerId" in defaults:
            defaults["OwnerId"] = self.USER
        row = rendering.dated({**defaults, **values, "Id": record_id}, now)
        self.tables[name][record_id] = rendering.named(row)
        return row

    def write(
        self, name: str, record_id: str, values: Mapping[str, Any], *, system: bool = False
    ) -> None:
        """Change a record; a `system` change moves `SystemModstamp` only."""
        now = stamp(self.now())
        moved = {"SystemModstamp": now}
        if not system:
            moved |= {"LastModifiedDate": now, "LastModifiedById": self.USER}
        row = {**self.tables[name][full_id(record_id)], **values, **moved}
        self.tables[name][full_id(record_id)] = rendering.named(row)

    def count(self, name: str) -> int:
        """Return the next number of a counter."""
        value = int(self.tables["counters"].get(name, {"value": 0})["value"]) + 1
        self.tables["counters"][name] = {"value": value}
        return value

    def later(self, name: str, record_id: str, values: Mapping[str, Any]) -> None:
        """Let a person change a record: seen at once, or when `commit_lag` is over."""
        if not self.commit_lag:
            self.write(name, record_id, values)
            return
        now = self.now()
        dated = {"SystemModstamp": stamp(now), "LastModifiedDate": stamp(now)}
        self.tables["pending"][f"{self.count('pending'):08d}"] = {
            "object": name,
            "id": full_id(record_id),
            "values": {**values, **dated},
            "due": (now + self.commit_lag).timestamp(),
        }

    def _commit(self, now: datetime) -> None:
        """Let what people changed and whose transaction has ended be seen."""
        for key, held in list(self.tables["pending"].items()):
            if held["due"] <= now.timestamp():
                table = self.tables[held["object"]]
                table[held["id"]] = rendering.named({**table.get(held["id"], {}), **held["values"]})
                del self.tables["pending"][key]
