"""Merging in rules: which record survives, and which value each field of it holds afterwards."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import FIELDS, Contact, FieldType, Value
from crm_steward.normalize import country_code
from crm_steward.rules.block import Block, Mistake, refuse
from crm_steward.rules.operators import FieldName, Scalar, fits
from crm_steward.rules.sql import EXTRA, type_of

ADDRESSES = frozenset({"email", "phone", "mobile"})
"""Consent hangs on them: a new address could be one that may be written to where the old was not."""

Standing = Literal[
    "customer first",
    "latest act of the person",
    "latest activity",
    "oldest",
    "newest",
    "most complete",
    "has owner",
    "strictest consent",
]
"""What a record can be in front by, whatever is mapped."""

_OPERATORS = ("is", "equals", "in", "less_than", "greater_than")


class InFront(Block):
    """In front are the records of which this holds, for example that a deal is open."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2, "maxProperties": 2})

    field: FieldName
    """The field to look at: a contact's own, or extra.<name>."""
    is_: Literal["empty", "set"] | SkipJsonSchema[None] = Field(None, alias="is")
    """empty: it holds nothing but spaces. set: it holds something."""
    equals: Scalar | SkipJsonSchema[None] = None
    """It is this value, whatever the case."""
    in_: (
        Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=1000)] | SkipJsonSchema[None]
    ) = Field(None, alias="in")
    """It is one of these values."""
    less_than: Annotated[float, Field(strict=True)] | SkipJsonSchema[None] = None
    """It is a number below this one."""
    greater_than: Annotated[float, Field(strict=True)] | SkipJsonSchema[None] = None
    """It is a number above this one."""

    @field_validator("field")
    @classmethod
    def _tells_apart(cls, name: str) -> str:
        if name == "connection":
            raise PydanticCustomError("keep_connection", "one connection")
        return name

    @model_validator(mode="after")
    def _one_operator(self) -> Self:
        said = self._said
        if not said:
            raise PydanticCustomError("operator_missing", "nothing", {"field": self.field})
        if len(said) > 1:
            about = {"first": said[0], "second": said[1]}
            raise PydanticCustomError("operators_many", "two", about)
        fits(self.field, said[0])
        return self

    @property
    def _said(self) -> list[str]:
        return [name for name in _OPERATORS if self._operand(name) is not None]

    def _operand(self, operator: str) -> Any:
        return getattr(self, operator + "_" if operator in {"is", "in"} else operator)

    def __str__(self) -> str:
        """Return it as its author wrote it, without the braces."""
        (operator,) = self._said
        operand = self._operand(operator)
        items = operand if isinstance(operand, tuple) else (operand,)
        shown = (f"{item:g}" if isinstance(item, float) else str(item) for item in items)
        return f"{self.field} {operator} {', '.join(shown)}"

    def holds(self, contact: Contact) -> bool:
        """Whether it is so of `contact`; of an empty field only `is: empty` ever is."""
        (operator,) = self._said
        held, operand = contact.value(self.field), self._operand(operator)
        filled = held is not None and bool(str(held).strip())
        if operator == "is":
            return filled is (operand == "set")
        if not filled:
            return False
        if operator in {"less_than", "greater_than"}:
            number = _number(held)
            below = operator == "less_than"
            return number is not None and (number < operand if below else number > operand)
        items = operand if isinstance(operand, tuple) else (operand,)
        return any(_equal(self.field, held, item) for item in items)


def _number(value: Value) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _equal(field: str, held: Value, wanted: Value) -> bool:
    """Compare as conditions do: text without regard to case, numbers in custom fields as numbers."""
    if type_of(field) is FieldType.COUNTRY:
        return country_code(str(held)) == wanted
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return _number(held) == float(wanted)
    return _comparable(held) == _comparable(wanted)


def _comparable(value: Value) -> str:
    return unicodedata.normalize("NFC", str(value)).strip().lower()


def _known(value: Any) -> Any:
    """Explain what other programs offer and what means nothing here.

    Raises:
        PydanticCustomError: It is such a criterion.
    """
    said = value.strip().lower() if isinstance(value, str) else ""
    if said.startswith("from "):
        raise PydanticCustomError("keep_connection", "one connection")
    if "deal" in said.split() or "deals" in said.split():
        raise PydanticCustomError("keep_deals", "which field")
    return value


Criterion = Annotated[
    Annotated[Standing, Tag("<word>")] | Annotated[InFront, Tag("<test>")],
    Discriminator(lambda value: "<test>" if isinstance(value, dict | InFront) else "<word>"),
    BeforeValidator(_known),
]
"""What one record is in front of another by."""

Choice = Literal["survivor", "most recent", "oldest", "longest", "most frequent", "union"]
"""Whose value a field of the survivor holds afterwards."""


class MergeAction(Block):
    """Fold the records of a group into one, inside one connection. Always a person's decision."""

    keep: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=50)] = (
        "customer first",
        "latest act of the person",
        "most complete",
        "oldest",
    )
    """Which record survives: the first criterion that names one decides. Without a clear winner
    the group is not merged, and listed."""
    fields: dict[FieldName, Choice] = Field(default={})
    """Field → whose value the survivor holds there afterwards. Without a word on a field the
    survivor keeps its own, and takes over what it lacks. Of consents the strictest holds, always."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Mistake]:
        for name, choice in self.fields.items():
            place, about = ("fields", name), {"field": name}
            if name.startswith("consent_"):
                yield place, PydanticCustomError("merge_consent", "the strictest", about)
            elif name in ADDRESSES:
                yield place, PydanticCustomError("merge_address", "its own", about)
            elif name in FIELDS and not FIELDS[name].writable:
                yield place, PydanticCustomError("not_writable", "not writable", about)
            elif choice == "union" and not name.startswith(EXTRA):
                yield place, PydanticCustomError("merge_union", "custom only", about)

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields that it names to be written."""
        return tuple(name for name, choice in self.fields.items() if choice != "survivor")
