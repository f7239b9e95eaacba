"""Conditions: which contacts a rule looks at. Nested `all`, `any`, `not` around typed comparisons.

Each comparison becomes one SQL expression that is true or false, never unknown: an empty field
is not equal, not in, not older. So `not` is the exact opposite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.rules.block import Block
from crm_steward.rules.durations import Duration
from crm_steward.rules.operators import CheckedDate, FieldName, Pattern, Scalar, compiled, fits
from crm_steward.rules.sql import Statement, held

_Texts = Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=1000)]
_Text = Annotated[str, Field(min_length=1, max_length=1000)]

OPERATORS = (
    "is",
    "equals",
    "not_equals",
    "in",
    "not_in",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "less_than",
    "greater_than",
    "older_than",
    "newer_than",
    "before",
    "after",
)


@dataclass(frozen=True, slots=True)
class Test:
    """One thing that is true or false of a contact.

    Args:
        words: As the rule's author wrote it.
        sql: True or false, never unknown.
        seen: Makes the SQL for the value it looks at; asked for only when explaining.
    """

    words: str
    sql: str
    seen: Callable[[Statement], str]


class Comparison(Block):
    """Compares one field with one operator. Text is compared without regard to case."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2, "maxProperties": 2})

    field: FieldName
    """The field to look at: a contact's own (email, stage, country, …) or extra.<name>."""
    is_: Literal["empty", "set"] | SkipJsonSchema[None] = Field(None, alias="is")
    """empty: it holds nothing but spaces. set: it holds something."""
    equals: Scalar | SkipJsonSchema[None] = None
    """It is this value, whatever the case."""
    not_equals: Scalar | SkipJsonSchema[None] = None
    """It is not this value; an empty field is not."""
    in_: _Texts | SkipJsonSchema[None] = Field(None, alias="in")
    """It is one of these values."""
    not_in: _Texts | SkipJsonSchema[None] = None
    """It is none of these values; an empty field is none."""
    contains: _Text | SkipJsonSchema[None] = None
    """It has this text somewhere in it, whatever the case."""
    starts_with: _Text | SkipJsonSchema[None] = None
    """It begins with this text, whatever the case."""
    ends_with: _Text | SkipJsonSchema[None] = None
    """It ends with this text, whatever the case."""
    matches: Pattern | SkipJsonSchema[None] = None
    """This regular expression (RE2) is found somewhere in it; use ^ and $ for the whole."""
    less_than: Annotated[float, Field(strict=True)] | SkipJsonSchema[None] = None
    """It is a number below this one."""
    greater_than: Annotated[float, Field(strict=True)] | SkipJsonSchema[None] = None
    """It is a number above this one."""
    older_than: Duration | SkipJsonSchema[None] = None
    """It is a date longer ago than this, for example 18 months. An unknown date is not."""
    newer_than: Duration | SkipJsonSchema[None] = None
    """It is a date since then, for example 30 days. An unknown date is not."""
    before: CheckedDate | SkipJsonSchema[None] = None
    """It is a date before this day, which begins at midnight in the settings' time zone."""
    after: CheckedDate | SkipJsonSchema[None] = None
    """It is a date on or after this day, which begins at midnight in the settings' time zone."""

    @field_validator(*(name + "_" if name in {"is", "in"} else name for name in OPERATORS))
    @classmethod
    def _sensible(cls, value: Any, info: ValidationInfo) -> Any:
        operator = str(info.field_name).rstrip("_")
        earlier = [name.rstrip("_") for name, held in info.data.items() if held is not None]
        if "field" not in info.data:
            return value
        if len(earlier) > 1:
            raise PydanticCustomError(
                "operators_many", "two", {"first": earlier[1], "second": operator}
            )
        fits(info.data["field"], operator)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if len(self.model_fields_set) == 1:
            raise PydanticCustomError("operator_missing", "nothing", {"field": self.field})
        return self

    @property
    def operator(self) -> str:
        """The one operator."""
        return next(name for name in self.model_fields_set if name != "field").rstrip("_")

    @property
    def operand(self) -> Any:
        """What the field is compared with."""
        return getattr(self, next(name for name in self.model_fields_set if name != "field"))

    def test(self, statement: Statement) -> Test:
        """Return the comparison as SQL and words."""
        operand = self.operand
        items = operand if isinstance(operand, tuple) else (operand,)
        words = f"{self.field} {self.operator} {', '.join(str(item) for item in items)}"
        return Test(
            words,
            compiled(self.field, self.operator, operand, statement),
            partial(held, self.field),
        )


class AllOf(Block):
    """Holds when every condition in the list holds."""

    all: Annotated[tuple[Condition, ...], Field(min_length=1)]
    """Conditions that must all hold."""


class AnyOf(Block):
    """Holds when at least one condition in the list holds."""

    any: Annotated[tuple[Condition, ...], Field(min_length=1)]
    """Conditions of which one is enough."""


class NotIt(Block):
    """Holds when the condition does not."""

    not_: Condition = Field(alias="not")
    """The condition that must not hold."""


def _shape(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((f"<{key}>" for key in ("field", "all", "any", "not") if key in value), None)
    return None


Condition = Annotated[
    Annotated[Comparison, Tag("<field>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NotIt, Tag("<not>")],
    Discriminator(_shape),
]
"""What `where` holds. The tags cannot be keys, so that they never mislead a position."""

AllOf.model_rebuild()
AnyOf.model_rebuild()
NotIt.model_rebuild()


def compiled_condition(condition: Condition, statement: Statement) -> str:
    """Return SQL that is true or false (never unknown) for the whole condition."""
    match condition:
        case Comparison():
            return condition.test(statement).sql
        case AllOf(all=parts):
            return _joined(" AND ", parts, statement)
        case AnyOf(any=parts):
            return _joined(" OR ", parts, statement)
        case NotIt(not_=part):
            return f"(NOT {compiled_condition(part, statement)})"


def fields_of(condition: Condition) -> tuple[str, ...]:
    """Return the fields that a condition looks at, each once, in the order of the file."""
    match condition:
        case Comparison():
            return (condition.field,)
        case AllOf(all=parts) | AnyOf(any=parts):
            return tuple(dict.fromkeys(name for part in parts for name in fields_of(part)))
        case NotIt(not_=part):
            return fields_of(part)


def _joined(word: str, parts: Sequence[Condition], statement: Statement) -> str:
    return "(" + word.join(compiled_condition(part, statement) for part in parts) + ")"
