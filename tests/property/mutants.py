"""Rules as they are shipped, and what slips of the pen make of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from crm_steward.rules import Rule, load_register, packs, shipped_register

Raw = dict[str, Any]
PERIODS = load_register(shipped_register()).periods

SOME = (
    {"task": {"title": "Look at {full_name}"}},
    {"update": {"set": {"city": "Paris"}, "clear": ["website"], "copy": {"region": "company"}}},
    {"tag": {"field": "extra.steward", "value": "seen"}},
    {"suppress": {"channel": "email"}},
    {"suppress": {"channel": "sms"}},
    {"suppress": {"channel": "phone"}},
    {"archive": {}},
)
"""Actions for rules that only report: whoever copies one may give it any of these."""
_DURATION = re.compile(r"^(\d+) (hour|day|week|month|quarter|year)s?$")
_CONDITION = ("all", "any", "not", "field")


def shipped() -> list[Raw]:
    """Return the rules of all packs, as they are written."""
    return [rule for path in packs().values() for rule in _read(path)["rules"]]


def _read(path: Path) -> Raw:
    content: Raw = _plain(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def made(raw: Raw) -> Rule | None:
    """Return the rule, or None where it is refused when it is read."""
    try:
        return Rule.model_validate(raw, context={"periods": PERIODS})
    except ValidationError:
        return None


def unbound(raw: Raw) -> Raw:
    """Return a rule that writes without asking and without limits of its own."""
    return {key: part for key, part in raw.items() if key != "limits"} | {"mode": "apply"}


def acting(raw: Raw, action: Raw) -> Raw:
    """Return a rule that asks for one action, however its mode was set."""
    return unbound(raw) | {"actions": [action], "if_unable": "skip"}


def actions_of(raw: Raw) -> list[Raw]:
    """Return a rule's own actions and those that others could give it."""
    keep = ["customer first", "most complete", "oldest"]
    group = {"merge": {"keep": keep, "fields": {"city": "longest", "extra.tag": "union"}}}
    return [*raw.get("actions", ()), *SOME, group]


def mutants(raw: Raw) -> Iterator[tuple[str, Raw]]:
    """Yield what slips make of a rule, each by its name; some are refused when they are read."""
    if "where" in raw:
        yield "condition inverted", raw | {"where": {"not": raw["where"]}}
    for name in ("where", "except", "connections"):
        if name in raw:
            yield f"{name} dropped", {key: part for key, part in raw.items() if key != name}
    yield from _inverted(raw)
    shrunk = _shrunk(raw)
    if shrunk != raw:
        yield "thresholds ÷ 100", shrunk
    yield "mode: apply", raw | {"mode": "apply"}
    yield "no limits", {key: part for key, part in raw.items() if key != "limits"}
    yield "everything at once", unbound({k: p for k, p in _shrunk(raw).items() if k != "where"})


def _inverted(raw: Raw) -> Iterator[tuple[str, Raw]]:
    """Yield the rule with each condition inside its check inverted."""
    for key, part in raw["check"].items():
        if isinstance(part, dict) and any(name in part for name in _CONDITION):
            check = {**raw["check"], key: {"not": part}}
            yield f"{key} inverted", raw | {"check": check}
    inverted = {name: raw["check"][name] for name in _CONDITION if name in raw["check"]}
    if inverted:
        rest = {key: part for key, part in raw["check"].items() if key not in inverted}
        yield "check inverted", raw | {"check": {**rest, "not": inverted}}


def _shrunk(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shrunk(part) for key, part in copy.copy(value).items()}
    if isinstance(value, list):
        return [_shrunk(part) for part in value]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    if isinstance(value, str):
        found = _DURATION.match(value)
        return f"{int(found[1]) // 100} {found[2]}s" if found else value
    return value // 100 if isinstance(value, int) else value / 100
