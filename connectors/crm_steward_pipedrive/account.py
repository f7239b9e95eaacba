"""What `check` asks Pipedrive: the company, what the credential may do, fields, users, add-ons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from crm_steward.sdk import Account, Clock, Kept, Owner, Problem
from crm_steward_pipedrive import PipedriveSettings
from crm_steward_pipedrive.errors import PipedriveForbiddenError, PipedriveRejectedError
from crm_steward_pipedrive.mapping import Sources
from crm_steward_pipedrive.reading import RECENTS_COST
from crm_steward_pipedrive.records import LIST_COST, PAGE, Records
from crm_steward_pipedrive.schema import PersonField, Schema
from crm_steward_pipedrive.tasks import TYPES_COST
from crm_steward_pipedrive.wire import Document, Wire, is_list, row_of, rows_of

T = TypeVar("T")
ME_COST, USERS_COST = 2, 20
_SYNCED = "job_title"


class Inspector:
    """Asks one account about itself.

    Args:
        connection: The connection's name.
        wire: The account.
        records: Reads persons.
        settings: The connection's settings, whose mapped fields are looked up.
        clock: The time.
    """

    def __init__(
        self,
        connection: str,
        wire: Wire,
        records: Records,
        settings: PipedriveSettings,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._wire = wire
        self._records = records
        self._settings = settings
        self._clock = clock
        self._missing: list[str] = []

    def account(self, me: Document) -> Account:
        """Gather all that can be learnt; what is forbidden is named as missing, with its remedy.

        Args:
            me: What `details` brought.

        Raises:
            AuthError: The token itself is refused.
            RetryableError: Pipedrive cannot be reached.
        """
        self._missing = []
        campaigns = self._allowed("contacts:full", "reading contacts", self._records.has_campaigns)
        schema = self._allowed("contacts:full", "checking mapped fields", self.schema)
        owners = self._allowed("users:read", "naming owners in reports", self._owners) or {}
        self._allowed("activities:full", "creating tasks and dating activities", self._types)
        self._look_for_deletions()
        self._name_add_ons(campaigns, schema)
        fields = {code: one.described() for code, one in (schema.fields if schema else {}).items()}
        if schema:
            self._missing += [str(problem) for problem in self.sources(schema)[1]]
        return Account(
            id=company_of(me),
            name=str(me.get("company_name") or me.get("company_domain") or "Pipedrive"),
            time_zone=str(me.get("timezone_name") or ""),
            owners=owners,
            fields=fields,
            missing=tuple(self._missing),
            quota=dict(self._wire.left),
        )

    def details(self) -> Document:
        """Bring the user whose credential it is, and the company."""
        return row_of(self._wire.call(lambda api: api.v1.users.get_me(), cost=ME_COST))

    def schema(self) -> Schema:
        """Bring all person fields."""
        found: list[PersonField] = []
        mark = ""
        while True:
            answer = self._fields({"limit": str(PAGE), **({"cursor": mark} if mark else {})})
            found += [one for item in rows_of(answer) if (one := PersonField.of(item))]
            mark = self._wire.mark_behind(answer, mark)
            if not mark:
                return Schema(found)

    def sources(self, schema: Schema) -> tuple[Sources, list[Problem]]:
        """Return where the settings' fields are kept, and what is wrong with their names."""
        settings, problems = self._settings, []
        found: dict[str, dict[str, PersonField]] = {"fields": {}, "extra": {}, "consent": {}}
        given: Mapping[str, Mapping[Any, str]] = {
            "fields": settings.fields,
            "extra": settings.extra,
            "consent": settings.consent,
        }
        for part, names in given.items():
            for ours, theirs in names.items():
                where = f"connections.{self._connection}.{part}.{ours}"
                field = schema.find(theirs, where)
                if isinstance(field, Problem):
                    problems.append(field)
                else:
                    found[part][ours] = field
        kept = Kept.of(settings.fields, settings.source_types)
        return Sources(**found, stages=settings.stages, kinds=settings.kinds, kept=kept), problems

    # -- what is missing ----------------------------------------------------------------------

    def _allowed(self, scope: str, purpose: str, ask: Callable[[], T]) -> T | None:
        """Ask, or note the scope as missing when Pipedrive forbids it."""
        try:
            return ask()
        except PipedriveForbiddenError:
            self._missing.append(
                f"The credential lacks the scope {scope}, wanted for {purpose}. Grant it to the "
                "app in Pipedrive, or take the API token of a user who may do it."
            )
            return None

    def _look_for_deletions(self) -> None:
        try:
            self._allowed("recents:read", "noticing deletions at once", self._recents)
        except PipedriveRejectedError as error:
            if not error.gone:
                raise
            self._missing.append(
                "Pipedrive no longer tells of recent deletions (recents of version 1). They are "
                "found by full reads; nothing needs to be done."
            )

    def _name_add_ons(self, campaigns: bool | None, schema: Schema | None) -> None:  # noqa: FBT001 -- what was learnt
        if campaigns is False:
            self._missing.append(
                "The company has no Campaigns add-on: consent is not read, and nobody can be "
                "unsubscribed from here. Add it in Pipedrive, or keep consent elsewhere."
            )
        if schema and _SYNCED not in schema.fields and not self._moved():
            self._missing.append(
                "The company has not set up Contact Sync: contacts have no job title and no "
                "postal address. Set it up in Pipedrive, or name custom fields in "
                f"connections.{self._connection}.fields."
            )

    def _moved(self) -> bool:
        return {"job_title", "city"} <= set(self._settings.fields)

    # -- requests -----------------------------------------------------------------------------

    def _fields(self, query: Mapping[str, str]) -> Document:
        return self._wire.call(
            lambda api: api.v2.persons.get_person_fields(params=query),
            cost=LIST_COST,
            sound=is_list,
        )

    def _types(self) -> Document:
        return self._wire.call(
            lambda api: api.v1._get(f"{api.v1.BASE_URL}activityTypes"),  # noqa: SLF001 -- the library has no such method
            cost=TYPES_COST,
        )

    def _recents(self) -> Document:
        moment = self._clock() - timedelta(minutes=1)
        query = {"since_timestamp": f"{moment:%Y-%m-%d %H:%M:%S}", "items": "person", "limit": "1"}
        return self._wire.call(
            lambda api: api.v1.recents.get_recent_changes(params=query), cost=RECENTS_COST
        )

    def _owners(self) -> Mapping[str, Owner]:
        """Return people of today and of yesterday: contacts keep the owners who left."""
        answer = self._wire.call(lambda api: api.v1.users.get_all_users(), cost=USERS_COST)
        rows = [row for row in rows_of(answer) if isinstance(row, dict) and row.get("id")]
        return {str(row["id"]): _owner(row) for row in rows}


def company_of(me: Document) -> str:
    """Return the company's id; empty when the details are not known."""
    return str(me.get("company_id") or me.get("company_domain") or "")


def _owner(row: Mapping[str, Any]) -> Owner:
    email = str(row.get("email") or "")
    active = row.get("active_flag") is not False and row.get("is_deleted") is not True
    return Owner(id=str(row["id"]), name=str(row.get("name") or email), email=email, active=active)
