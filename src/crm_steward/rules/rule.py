"""One rule as a manager wrote it, checked, and able to find."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import Finding, Severity
from crm_steward.rules.actions import (
    Action,
    ActionEntry,
    ArchiveAction,
    SuppressAction,
    TagAction,
    UpdateAction,
)
from crm_steward.rules.block import Block, refuse
from crm_steward.rules.conditions import Condition
from crm_steward.rules.kinds import AnyCheck, Check, LeftOut, Scope
from crm_steward.rules.merging import MergeAction
from crm_steward.rules.scope import DEFAULT, Except, Mode, Modes, Unable, mode_in
from crm_steward.rules.texts import LocalText

if TYPE_CHECKING:
    import duckdb

_ID = r"^[a-z0-9][a-z0-9._-]{0,79}$"

Every = Literal["scan", "day", "week", "month", "quarter"]


def _id(text: str) -> str:
    if not re.fullmatch(_ID, text, re.ASCII):
        raise PydanticCustomError("rule_id", "bad id", {"value": text})
    return text


def _severity(label: Any) -> Severity:
    known = tuple(severity.label for severity in Severity)
    if label not in known:
        raise PydanticCustomError("one_of", "severity", {"value": label, "expected": known})
    return Severity.parse(label)


class Limits(Block):
    """Bounds of what this rule may change in one run, on top of the settings'. They fail closed."""

    max_changes: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | SkipJsonSchema[None] = (
        None
    )
    """At most this many changes."""
    max_percent: Annotated[float, Field(strict=True, ge=0, le=100)] | SkipJsonSchema[None] = None
    """At most this share of a connection's contacts, in percent."""


_SIGHT = ("severity", "connections", "where", "exceptions", "check")
"""What of a rule decides what it finds."""


class Rule(Block):
    """One rule: which contacts it looks at, what it looks for, what it asks for."""

    id: Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": _ID})]
    """The rule's name, unique over all files. Findings and the journal refer to it: keep it."""
    about: LocalText
    """What it finds, in one sentence for the weekly report; one text or {en: …, fr: …}."""
    reference: Annotated[str, Field(max_length=500)] = ""
    """The law or guideline it rests on."""
    severity: Annotated[
        Severity,
        BeforeValidator(_severity),
        PlainSerializer(lambda severity: severity.label),
        WithJsonSchema({"enum": [severity.label for severity in Severity], "type": "string"}),
    ] = Severity.MEDIUM
    """How much it matters: low, medium, high or critical."""
    every: Every = "scan"
    """How often it is looked at."""
    connections: Annotated[tuple[str, ...], Field(min_length=1)] = ()
    """Only contacts of these connections; without it, of all."""
    where: Condition | SkipJsonSchema[None] = None
    """Only contacts for which this holds."""
    exceptions: Except | SkipJsonSchema[None] = Field(None, alias="except")
    """Left alone: records ([hubspot-eu:4711]), or contacts for which a condition holds."""
    check: AnyCheck
    """What it looks for."""
    entries: tuple[ActionEntry, ...] = Field(default=(), alias="actions")
    """What it asks for when it finds something."""
    modes: Modes = Field(default={DEFAULT: "propose"}, alias="mode")
    """report: list what is found. propose: plan the actions, a person approves. apply: do them
    without asking, within the limits. Or by connection: {default: report, hubspot-eu: apply}."""
    if_unable: Unable = "refuse"
    """Where a connection lacks a field of this rule or cannot do an action. refuse: that is a
    mistake. skip: it is left out there, and named. task: the rule's task stands in for the action
    that cannot be done, and is given nowhere else."""
    limits: Limits = Limits()
    """Bounds of what it may change in one run."""

    _file: Path = PrivateAttr(default=Path())
    _where: str = PrivateAttr(default="")
    _skipped: frozenset[str] = PrivateAttr(default=frozenset())
    _zone: tzinfo = PrivateAttr(default=UTC)

    @field_validator("entries")
    @classmethod
    def _possible(
        cls, entries: tuple[ActionEntry, ...], info: ValidationInfo
    ) -> tuple[ActionEntry, ...]:
        check = info.data.get("check")
        if check is not None:
            refuse(
                ((str(place), entry.name), mistake)
                for place, entry in enumerate(entries)
                if (mistake := _impossible(check, entry)) is not None
            )
        return entries

    @field_validator("modes")
    @classmethod
    def _something_to_apply(cls, modes: dict[str, Mode], info: ValidationInfo) -> dict[str, Mode]:
        if "apply" in modes.values() and info.data.get("entries") == ():
            raise PydanticCustomError("apply_without", "nothing to apply")
        return modes

    @field_validator("if_unable")
    @classmethod
    def _task_to_fall_back_on(cls, unable: Unable, info: ValidationInfo) -> Unable:
        entries = info.data.get("entries")
        names = {entry.name for entry in entries} if entries is not None else {"task", ""}
        if unable == "task" and ("task" not in names or len(names) == 1):
            raise PydanticCustomError("fallback_without", "no task")
        return unable

    @property
    def kind(self) -> str:
        """The check kind's name."""
        return str(self.check.kind)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What it asks for, in order."""
        return tuple(entry.action for entry in self.entries)

    def mode_in(self, connection: str) -> Mode:
        """Return what may be done in a connection: report, propose or apply."""
        return mode_in(self.modes, connection)

    def asks_in(self, connection: str) -> bool:
        """Whether it looks at a connection and does not only report what it finds there."""
        return self.runs_in(connection) and self.mode_in(connection) != "report"

    @property
    def active(self) -> bool:
        """Whether it asks for anything anywhere."""
        return bool(self.entries) and set(self.modes.values()) != {"report"}

    def runs_in(self, connection: str) -> bool:
        """Whether it looks at the contacts of a connection."""
        return self.names(connection) and connection not in self._skipped

    def names(self, connection: str) -> bool:
        """Whether a connection is among its `connections`, whatever that connection lacks."""
        return not self.connections or connection in self.connections

    @property
    def pack(self) -> str:
        """The pack or file it came from, without its ending."""
        return self._file.stem

    @property
    def file(self) -> Path:
        """The file it was read from."""
        return self._file

    @property
    def where_written(self) -> str:
        """Where it stands: `file:line:column`."""
        return self._where or str(self._file)

    @property
    def digest(self) -> str:
        """Changes whenever what the rule finds or does changes; its wording does not count."""
        content = self.model_dump_json(exclude={"about", "reference"}, by_alias=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def sight(self) -> str:
        """Changes whenever what the rule finds does; what it does about it does not count."""
        content = self.model_dump_json(include=set(_SIGHT), by_alias=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def title(self, language: str) -> str:
        """Return what it finds, in `language` ("en" or "fr")."""
        return self.about.in_language(language)

    def find(
        self,
        con: duckdb.DuckDBPyConnection,
        now: datetime,
        *,
        leave_out: Callable[[LeftOut], None] | None = None,
    ) -> Iterator[Finding]:
        """Yield what it finds in the table `contacts` of `con`.

        Args:
            con: A DuckDB connection that holds the table.
            now: The moment durations are counted from, timezone-aware.
            leave_out: Told what could not be examined.
        """
        check: Check = self.check
        for hit in check.find(self.scope(con, now, leave_out=leave_out)):
            yield Finding(
                rule=self.id,
                kind=self.kind,
                severity=self.severity,
                refs=tuple(sorted(hit.refs)),
                about=hit.about,
                evidence=hit.evidence,
                score=hit.score,
            )

    def scope(
        self,
        con: duckdb.DuckDBPyConnection,
        now: datetime,
        *,
        leave_out: Callable[[LeftOut], None] | None = None,
    ) -> Scope:
        """Return where it looks; see `find` for the arguments."""
        scope = Scope(con, now.astimezone(self._zone), self.where, self._only(con), self.exceptions)
        return replace(scope, leave_out=leave_out) if leave_out else scope

    def _only(self, con: duckdb.DuckDBPyConnection) -> tuple[str, ...] | None:
        if not self._skipped:
            return self.connections or None
        rows = con.execute("SELECT DISTINCT connection FROM contacts ORDER BY 1").fetchall()
        return tuple(name for (name,) in rows if self.runs_in(name))


def columns_of(
    rules: Iterable[Rule], con: duckdb.DuckDBPyConnection, now: datetime
) -> set[str] | None:
    """Return words among which are all columns that the rules read; None means all columns.

    Args:
        rules: The rules.
        con: A DuckDB connection that holds the table `contacts`, which may be empty.
        now: The moment durations are counted from.
    """
    words: set[str] = set()
    for rule in rules:
        check: Check = rule.check
        read = check.columns(rule.scope(con, now))
        if read is None:
            return None
        words.update(read)
    return words


def _impossible(check: Check, entry: ActionEntry) -> PydanticCustomError | None:
    """Return why an action makes no sense for what a check finds."""
    about = {"kind": check.kind, "action": entry.name}
    match entry.action:
        case UpdateAction(normalise=True) if not check.proposes:
            return PydanticCustomError("cannot_normalise", "cannot", about)
        case MergeAction() if not check.groups:
            return PydanticCustomError("no_group", "one record", about)
        case UpdateAction() | SuppressAction() | ArchiveAction() | TagAction() if check.groups:
            return PydanticCustomError("group_action", "a group", about)
        case TagAction(value=None) if not check.names:
            return PydanticCustomError("tag_value", "which word", about)
    return None


class RuleFile(Block):
    """A file of rules for crm-steward."""

    version: Literal[1]
    """The version of the format: 1."""
    rules: tuple[Rule, ...]
    """The rules."""
