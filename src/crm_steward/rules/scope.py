"""What narrows a rule: the connections it runs on, the records it leaves alone, the mode in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from crm_steward.model import RecordRef
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import Condition, compiled_condition
from crm_steward.rules.sql import Statement

Mode = Literal["report", "propose", "apply"]
MODES: tuple[Mode, ...] = ("report", "propose", "apply")
DEFAULT = "default"
"""The key of the mode that holds where a connection has none of its own."""

Unable = Literal["refuse", "skip", "task"]


def _modes(value: Any) -> Any:
    if isinstance(value, str):
        return {DEFAULT: value}
    if not isinstance(value, dict):
        raise PydanticCustomError("mode_shape", "mode", {"expected": MODES})
    return value


Modes = Annotated[
    dict[str, Mode],
    BeforeValidator(_modes),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": list(MODES)},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {"type": "string", "enum": list(MODES)},
                },
            ]
        }
    ),
]
"""One mode, or connection → mode with `default` for the others (without it they are reported)."""


def mode_in(modes: Mapping[str, Mode], connection: str) -> Mode:
    """Return the mode in a connection; the safest where nothing is said of it."""
    return modes.get(connection, modes.get(DEFAULT, "report"))


def _ref(value: Any) -> RecordRef:
    if isinstance(value, RecordRef):
        return value
    try:
        return RecordRef.parse(value)
    except (ValueError, AttributeError):
        raise PydanticCustomError("record", "record", {"value": str(value)}) from None


ExceptedRecord = Annotated[
    RecordRef,
    BeforeValidator(_ref),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^[^:]+:.+$", "examples": ["hubspot-eu:4711"]}),
]


def _shape(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "<records>"
    return "<condition>" if isinstance(value, dict | Block) else None


Except = Annotated[
    Annotated[
        Annotated[tuple[ExceptedRecord, ...], Field(min_length=1, max_length=10_000)],
        Tag("<records>"),
    ]
    | Annotated[Condition, Tag("<condition>")],
    Discriminator(_shape, custom_error_type="except_shape", custom_error_message="neither"),
]
"""Records that a rule leaves alone (`[hubspot-eu:4711]`), or a condition that says which."""


def excepted(exceptions: tuple[RecordRef, ...] | Condition, statement: Statement) -> str:
    """Return SQL that is true (never unknown) for a contact that is left alone."""
    if not isinstance(exceptions, tuple):
        return compiled_condition(exceptions, statement)
    by_connection: dict[str, list[str]] = {}
    for ref in exceptions:
        by_connection.setdefault(ref.connection, []).append(ref.id)
    parts = [
        f"(connection = {statement.bind(name)} AND list_contains({statement.bind(ids)}, id))"
        for name, ids in by_connection.items()
    ]
    return f"({' OR '.join(parts)})"
