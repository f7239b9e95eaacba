"""Whether a rule fits the connections: that they hold its fields and can do what it asks for.

A field that one connection lacks must not read as an empty field of every contact there, and an
action that cannot be done must not be found out while writing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_steward.model import Ability, Capability
from crm_steward.rules.actions import (
    Action,
    ArchiveAction,
    SuppressAction,
    TagAction,
    TaskAction,
    UpdateAction,
)
from crm_steward.rules.block import Block
from crm_steward.rules.merging import MergeAction
from crm_steward.rules.operators import Mention
from crm_steward.rules.reading import Loc
from crm_steward.rules.rule import Rule
from crm_steward.rules.scope import DEFAULT
from crm_steward.rules.texts import Template


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing in which a rule does not fit a connection.

    Args:
        loc: The way from the rule to what does not fit.
        code: The sentence that says it.
        values: What the sentence names.
        connection: Which connection; empty when it is about none in particular.
        action: The action that cannot be done there; None when a field is lacking.
    """

    loc: Loc
    code: str
    values: Mapping[str, str]
    connection: str = ""
    action: Action | None = None

    @property
    def excusable(self) -> bool:
        """Whether `if_unable` may excuse it."""
        return self.code in {"field_lacking", "action_lacking"}


def misfits(rule: Rule, abilities: Mapping[str, Ability]) -> Iterator[Misfit]:
    """Yield in what `rule` does not fit the connections it is for.

    Args:
        rule: The rule.
        abilities: Connection → what it holds and can do.
    """
    yield from _unknown_connections(rule, abilities)
    for name, ability in abilities.items():
        if not rule.connections or name in rule.connections:
            yield from _fields(rule, name, ability)
            yield from _actions(rule, name, ability)


def _unknown_connections(rule: Rule, abilities: Mapping[str, Ability]) -> Iterator[Misfit]:
    named: list[tuple[Loc, str]] = [
        *((("connections", place), name) for place, name in enumerate(rule.connections)),
        *((("mode", name), name) for name in rule.modes if name != DEFAULT),
    ]
    for loc, name in named:
        if name not in abilities:
            yield Misfit(loc, "unknown_connection", {"value": name})


def _fields(rule: Rule, connection: str, ability: Ability) -> Iterator[Misfit]:
    if ability.fields is None:
        return
    lacking = set[str]()
    for loc, name in mentions(rule):
        if name not in ability.fields and name not in lacking:
            lacking.add(name)
            values = {"connection": connection, "field": name}
            yield Misfit(loc, "field_lacking", values, connection)


def mentions(rule: Rule) -> Iterator[tuple[Loc, str]]:
    """Yield each field that decides what `rule` finds or writes, with the way to it.

    Fields in the wording of tasks do not count: an empty one leaves a gap and no more.
    """
    parts = {"where": rule.where, "except": rule.exceptions, "check": rule.check}
    for key, part in parts.items():
        yield from _mentions(part, (key,))
    yield from ((("check",), name) for name in rule.check.reads)
    for place, entry in enumerate(rule.entries):
        yield from _mentions(entry, ("actions", place))


def _mentions(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    if isinstance(value, Mention):
        yield loc, str(value)
    elif isinstance(value, Mapping):
        yield from (((*loc, key), str(key)) for key in value if isinstance(key, Mention))
    if not isinstance(value, Template):
        for part, inner in _parts(value):
            yield from _mentions(inner, (*loc, part))


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield what `value` is made of, each part by its key in the rule file."""
    match value:
        case Block():
            for name, info in type(value).model_fields.items():
                yield info.alias or name, getattr(value, name)
        case Mapping():
            yield from value.items()
        case tuple():
            yield from enumerate(value)
        case _:
            return


def _actions(rule: Rule, connection: str, ability: Ability) -> Iterator[Misfit]:
    for place, entry in enumerate(rule.entries):
        loc: Loc = ("actions", place, entry.name)
        needed = capability(entry.action)
        if rule.mode_in(connection) != "report" and needed not in ability.can:
            values = {"connection": connection, "action": entry.name}
            yield Misfit(loc, "action_lacking", values, connection, entry.action)
        for name in written(entry.action):
            if name in ability.consent_fields:
                values = {"connection": connection, "field": name}
                yield Misfit(loc, "consent_written", values, connection)


_SUPPRESSIONS = {
    "email": Capability.SUPPRESS_EMAIL,
    "sms": Capability.SUPPRESS_SMS,
    "phone": Capability.SUPPRESS_PHONE,
}


def capability(action: Action) -> Capability:
    """Return what a connection must be able to do for `action`."""
    match action:
        case UpdateAction() | TagAction():
            return Capability.UPDATE
        case TaskAction():
            return Capability.TASK
        case SuppressAction():
            return _SUPPRESSIONS[action.channel]
        case MergeAction():
            return Capability.MERGE
        case ArchiveAction():
            return Capability.ARCHIVE


def written(action: Action) -> tuple[str, ...]:
    """Return the fields that `action` names to be written."""
    match action:
        case UpdateAction() | MergeAction():
            return action.writes
        case TagAction():
            return (action.field,)
        case _:
            return ()
