"""The reference of rule files and of the register, as Markdown, made from what checks them.

`python -m crm_steward.rules.reference > docs/reference/rules.md`
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crm_steward.documented import description
from crm_steward.model import FIELDS, KEPT, FieldType, Severity
from crm_steward.rules.actions import ActionEntry
from crm_steward.rules.asking import fitting
from crm_steward.rules.clocks import CLOCKS
from crm_steward.rules.conditions import AllOf, AnyOf, Comparison, NotIt
from crm_steward.rules.durations import MAX_YEARS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.kinds.segment import Segment
from crm_steward.rules.merging import InFront
from crm_steward.rules.registerfile import (
    Activity,
    Controller,
    DataCategory,
    LegalBasis,
    RegisterFile,
    Retention,
    Shared,
    Transfer,
)
from crm_steward.rules.rule import Limits, Rule
from crm_steward.rules.schema import register_schema, rules_schema
from crm_steward.rules.tasks import OWNER, Routing

_HEAD = """\
# Reference of rules and of the register

*This page is made by `python -m crm_steward.rules.reference`; do not edit it.* What it lists is what the loader takes. To learn, begin with
[Writing rules](../../rules/README.md) and the [cookbook](../cookbook.md).

A **duration** is a number and `hours`, `days`, `weeks`, `months` or `years`, such as `18 months`, at most {years} years; months and years follow
the calendar. A **text** is written once, or in both languages as `{{en: …, fr: …}}`. A **field** is one of [these](#fields), or `extra.<name>` for
a custom field that the settings map.
"""
_BLOCKS = {
    "ActionEntry": "action",
    "Activity": "activity",
    "Controller": "controller",
    "DataCategory": "category",
    "LegalBasis": "basis",
    "Limits": "limits",
    "Retention": "period",
    "Segment": "segment",
    "Shared": "shared",
    "Transfer": "transfer",
}
"""Blocks of the schemas → what they are called here, and the anchor of their section."""
_REGISTER: tuple[type[BaseModel], ...] = (
    RegisterFile,
    Controller,
    Shared,
    Activity,
    Transfer,
    DataCategory,
    LegalBasis,
    Retention,
)
_EXAMPLE = re.compile(r"^    (check: .*)$", re.MULTILINE)


def reference() -> str:
    """Return the page."""
    parts = [
        _HEAD.format(years=MAX_YEARS),
        "## Rule\n",
        *_block(Rule),
        "## Limits\n",
        *_block(Limits),
        "## Checks\n",
        *(line for kind in KINDS for line in _kind(kind)),
        "## Conditions\n",
        *_conditions(),
        "## Action\n",
        *_actions(),
        "## Fields\n",
        *_fields(),
        "## The register\n",
        *_register(),
    ]
    return "\n".join(parts)


def examples(kind: str) -> tuple[str, ...]:
    """Return the examples in the documentation of a check kind: `check: {…}`."""
    return tuple(_EXAMPLE.findall(inspect.cleandoc(KINDS[kind].__doc__ or "")))


def _kind(kind: str) -> Iterator[str]:
    check = KINDS[kind]
    yield f"### `{kind}`\n"
    yield f"*{check.title('en')} · {check.title('fr')}*\n"
    yield _EXAMPLE.sub(r"```yaml\n\1\n```", inspect.cleandoc(check.__doc__ or "")) + "\n"
    yield from _keys(check, without=("kind",))
    if kind == "segment":
        yield "Each of `segments`:\n"
        yield from _keys(Segment)
    facts = [(f"`{name}`", about) for name, about in check.facts.items()]
    yield from _table(("reports", "meaning"), facts)
    if check.groups:
        yield "A finding is about a group of records: `task` and `merge` fit.\n"
    if check.proposes:
        yield "`update: {normalise: true}` writes what it proposes.\n"
    if check.names:
        yield f"`tag` without a `value` writes its `{check.names}`.\n"


def _conditions() -> Iterator[str]:
    groups = [
        (f"`{_names(model)[0]}`", _one_line(model.__doc__ or "")) for model in (AllOf, AnyOf, NotIt)
    ]
    yield from _table(("key", "meaning"), groups)
    yield "A comparison has a `field` and one operator.\n"
    columns = ("operator", "takes", "fits", "meaning")
    schema = _properties(Comparison)
    every = {kind.value: next(f for f in FIELDS if FIELDS[f].type is kind) for kind in FieldType}
    yield from _table(
        columns,
        [
            (
                f"`{name}`",
                _takes(schema[name]),
                _fits(name, every),
                _one_line(schema[name]["description"]),
            )
            for name in _names(Comparison)
            if name != "field"
        ],
    )


def _fits(operator: str, every: Mapping[str, str]) -> str:
    kinds = [kind for kind, field in every.items() if operator in fitting(field)]
    return "every field" if len(kinds) == len(every) else ", ".join(kinds) + ", custom fields"


def _actions() -> Iterator[str]:
    yield "Each entry of `actions` is one of these.\n"
    for name, info in ActionEntry.model_fields.items():
        model = next(one for one in info.annotation.__args__ if isinstance(one, type))  # type: ignore[union-attr]  # an optional block each
        yield f"### `{name}`\n"
        yield from _block(model)
        if name == "task":
            yield f"`to` may say more: {_one_line(inspect.getdoc(Routing) or '')}\n"
            yield from _keys(Routing)
        if name == "merge":
            yield f"A criterion may be a field: {_one_line(inspect.getdoc(InFront) or '')}\n"
            yield from _keys(InFront)


def _fields() -> Iterator[str]:
    yield (
        "*mapped*: empty unless the settings say where the CRM keeps it. *worked out*: by crm-steward, "
        "from what else is known. *written*: `update` may write it.\n"
    )
    rows = []
    for field in FIELDS.values():
        notes = [
            *(["mapped"] if field.name in KEPT else []),
            *(["worked out"] if field.computed else []),
            *(["written"] if field.writable else []),
        ]
        choices = ", ".join(f"`{choice}`" for choice in field.choices)
        holds = f"{field.type}: {choices}" if choices else str(field.type)
        rows.append((f"`{field.name}`", field.en, field.fr, holds, ", ".join(notes)))
    yield from _table(("field", "English", "français", "holds", ""), rows)


def _register() -> Iterator[str]:
    yield "See [the register](../register.md).\n"
    yield from _keys(RegisterFile)
    for model in _REGISTER[1:]:
        yield f"### {_BLOCKS[model.__name__].capitalize()}\n"
        yield from _block(model)
    yield "### Clocks\n"
    clocks = [(f"`{clock}`", about) for clock, about in CLOCKS.items()]
    yield from _table(
        ("clock", "starts when"), [*clocks, ("`extra.<name>`", "the custom field says")]
    )


def _block(model: type[BaseModel]) -> Iterator[str]:
    """Yield what a block is, and its keys."""
    yield _one_line(model.__doc__ or "") + "\n"
    yield from _keys(model)


def _keys(model: type[BaseModel], without: Sequence[str] = ()) -> Iterator[str]:
    """Yield the table of a block's keys, or that it has none."""
    schema = _properties(model)
    rows = [
        (
            f"`{key}`",
            _takes(schema[key]),
            _default(info),
            _one_line(description(model, name)),
        )
        for key, (name, info) in zip(_names(model), model.model_fields.items(), strict=True)
        if key not in without
    ]
    if rows:
        yield from _table(("key", "takes", "default", "meaning"), rows)
    else:
        yield "It has no keys: write `{}`.\n"


def _names(model: type[BaseModel]) -> list[str]:
    """Return the keys of a block as they are written."""
    return [info.alias or name for name, info in model.model_fields.items()]


@cache
def _rules() -> dict[str, Any]:
    """Return the schemas of the blocks of a rule file."""
    blocks: dict[str, Any] = rules_schema()["$defs"]
    return blocks


@cache
def _register_blocks() -> dict[str, Any]:
    """Return the schemas of the blocks of a register."""
    whole = register_schema()
    return {**whole["$defs"], RegisterFile.__name__: whole}


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of each key of a block."""
    blocks = _register_blocks() if model in _REGISTER else _rules()
    schema = blocks[model.__name__]
    whole = next((one for one in schema.get("anyOf", ()) if "properties" in one), schema)
    properties: dict[str, Any] = whole.get("properties", {})
    return properties


def _takes(schema: Mapping[str, Any]) -> str:
    """Return in a few words what a key takes."""
    return _words(schema) or _ways(schema) or _shape(schema)


def _words(schema: Mapping[str, Any]) -> str:
    """Return what a key takes that is a block or one of a few words; else nothing."""
    said = ""
    match schema:
        case {"$ref": str(ref)}:
            said = _named(ref.rpartition("/")[2])
        case {"enum": list(words)} if FIELDS.keys() <= set(words):
            said = "[field](#fields)"
        case {"enum": list(words)}:
            said = ", ".join(f"`{word}`" for word in words)
        case {"const": value}:
            said = f"`{str(value).lower()}`"
        case _:
            pass
    return said


def _ways(schema: Mapping[str, Any]) -> str:
    """Return what a key takes that can be written in several ways; else nothing."""
    ways = schema.get("oneOf") or schema.get("anyOf") or ()
    said = list(dict.fromkeys(_takes(way) for way in ways)) if len(ways) != len(KINDS) else []
    if len(ways) == len(KINDS):
        return "[check](#checks)"
    if "text in two languages" in said:
        return "text in one language or two"
    return said[0] if said[:1] == ["[field](#fields)"] else " or ".join(said)


def _shape(schema: Mapping[str, Any]) -> str:
    """Return what a key takes by its type."""
    said = "value"
    match schema:
        case {"type": "array", "items": items}:
            said = f"list of {_takes(items)}"
        case {"type": "object", "additionalProperties": dict(items)}:
            said = f"name → {_takes(items)}"
        case {"type": "object"}:
            said = "text in two languages"
        case {"pattern": str(pattern)} if "month" in pattern:
            said = "duration or `working days`" if "working" in pattern else "duration"
        case {"format": "date"}:
            said = "day"
        case {"type": str(kind)}:
            said = _KINDS[kind]
        case {"type": list(kinds)}:
            said = ", ".join(_KINDS[kind] for kind in kinds)
        case _:
            pass
    return said


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
    "null": "nothing",
}


def _named(name: str) -> str:
    if name in {"Comparison", "AllOf", "AnyOf", "NotIt"}:
        return "[condition](#conditions)"
    if name == "Routing":
        return "person, or routing"
    if name == "InFront":
        return "a field and what holds of it"
    word = _BLOCKS[name]
    return f"[{word}](#{word})"


def _default(info: FieldInfo) -> str:
    """Return what holds where the key is not written."""
    value = info.default
    if info.is_required():
        return "*needed*"
    if value is PydanticUndefined:
        return "the shipped ones"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    written = _written(value)
    return f"`{written}`" if written else ""


def _written(value: Any) -> str:
    """Return one value as it is written in a rule; nothing where nothing is."""
    match value:
        case Severity():
            return value.label
        case Routing():
            return OWNER
        case Mapping():
            return str(next(iter(value.values()), ""))
        case bool():
            return str(value).lower()
        case None | BaseModel():
            return ""
        case _:
            return str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _one_line(text: str) -> str:
    """Return a docstring as one line; what stands in braces and angles stays readable."""
    return " ".join(inspect.cleandoc(text).split()).replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(reference())
