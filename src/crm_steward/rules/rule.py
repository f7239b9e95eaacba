"""One rule as a manager wrote it, checked, and able to find."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
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
from crm_steward.rules.actions import Action, ActionEntry, UpdateAction
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import Condition
from crm_steward.rules.kinds import AnyCheck, Check, LeftOut, Scope
from crm_steward.rules.texts import LocalText

_ID = r"^[a-z0-9][a-z0-9._-]{0,79}$"

Mode = Literal["report", "propose", "apply"]
Every = Literal["scan", "day", "week", "month", "quarter"]


def _id(text: str) -> str:
    if not re.match(_ID, text, re.ASCII):
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
    connections: tuple[str, ...] = ()
    """Only contacts of these connections; without it, of all."""
    where: Condition | SkipJsonSchema[None] = None
    """Only contacts for which this holds."""
    check: AnyCheck
    """What it looks for."""
    entries: tuple[ActionEntry, ...] = Field(default=(), alias="actions")
    """What it asks for when it finds something."""
    mode: Mode = "propose"
    """report: list what is found. propose: plan the actions, a person approves. apply: do them
    without asking, within the limits."""
    limits: Limits = Limits()
    """Bounds of what it may change in one run."""

    _file: Path = PrivateAttr(default=Path())

    @field_validator("entries")
    @classmethod
    def _possible(
        cls, entries: tuple[ActionEntry, ...], info: ValidationInfo
    ) -> tuple[ActionEntry, ...]:
        check = info.data.get("check")
        for place, entry in enumerate(entries):
            if isinstance(entry.action, UpdateAction) and check and not check.proposes:
                raise PydanticCustomError(
                    "cannot_normalise", "cannot", {"kind": check.kind, "at": (place, "update")}
                )
        return entries

    @field_validator("mode")
    @classmethod
    def _something_to_apply(cls, mode: Mode, info: ValidationInfo) -> Mode:
        if mode == "apply" and info.data.get("entries") == ():
            raise PydanticCustomError("apply_without", "nothing to apply")
        return mode

    @property
    def kind(self) -> str:
        """The check kind's name."""
        return str(self.check.kind)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What it asks for, in order."""
        return tuple(entry.action for entry in self.entries)

    @property
    def pack(self) -> str:
        """The pack or file it came from, without its ending."""
        return self._file.stem

    @property
    def file(self) -> Path:
        """The file it was read from."""
        return self._file

    @property
    def digest(self) -> str:
        """Changes whenever what the rule finds or does changes; its wording does not count."""
        content = self.model_dump_json(exclude={"about", "reference"}, by_alias=True)
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
        scope = Scope(con, now, self.where, self.connections)
        if leave_out:
            scope = replace(scope, leave_out=leave_out)
        for hit in check.find(scope):
            yield Finding(
                rule=self.id,
                kind=self.kind,
                severity=self.severity,
                refs=tuple(sorted(hit.refs)),
                about=hit.about,
                evidence=hit.evidence,
                score=hit.score,
            )


class RuleFile(Block):
    """A file of rules for crm-steward."""

    version: Literal[1]
    """The version of the format: 1."""
    rules: tuple[Rule, ...]
    """The rules."""
