"""Whether what a rule finds depends on what day it is: then it is only as right as the clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crm_steward.rules.actions import ArchiveAction
from crm_steward.rules.block import Block
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.retention import Retention
from crm_steward.rules.kinds.stale import Stale
from crm_steward.rules.rule import Rule


def by_age(rule: Rule) -> bool:
    """Return whether a rule archives, or finds contacts by how long ago something was."""
    if isinstance(rule.check, Retention | Stale):
        return True
    if any(isinstance(action, ArchiveAction) for action in rule.actions):
        return True
    parts = (rule.where, rule.exceptions, rule.check)
    return any(isinstance(held, Duration) for part in parts for held in _held(part))


def _held(value: Any) -> Iterator[Any]:
    """Yield a value and all that it is made of."""
    yield value
    match value:
        case Block():
            inner: Any = (getattr(value, name) for name in type(value).model_fields)
        case Mapping():
            inner = value.values()
        case tuple() | list():
            inner = value
        case _:
            return
    for one in inner:
        yield from _held(one)
