"""What a rule may ask for once it has found something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import FIELDS, FieldType, Value
from crm_steward.rules.block import Block, Mistake, refuse
from crm_steward.rules.merging import ADDRESSES, MergeAction
from crm_steward.rules.operators import FieldName, Plain, literal
from crm_steward.rules.sql import type_of
from crm_steward.rules.tasks import Due, Recipient, Routing
from crm_steward.rules.texts import LocalTemplate, Template


class UpdateAction(Block):
    """Write values to the record, each only while the record still holds what the plan saw."""

    normalise: Literal[True] | SkipJsonSchema[None] = None
    """Write each field as the check says it should read (check kind format)."""
    set: dict[FieldName, Plain] = Field(default={})
    """Field → the value to write. Not for e-mail addresses and phone numbers: consent hangs on
    them."""
    clear: tuple[FieldName, ...] = Field(default=(), max_length=50)
    """Fields to empty."""
    fill_from: dict[FieldName, FieldName] = Field(default={}, alias="copy")
    """Field → the field of the same record to copy from; an empty one is not copied."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not (self.normalise or self.set or self.clear or self.fill_from):
            expected = ("normalise", "set", "clear", "copy")
            raise PydanticCustomError("action_missing", "none", {"expected": expected})
        refuse(self._mistakes())
        return self

    def _mistakes(self) -> Iterator[Mistake]:
        seen: set[str] = set()
        places = [
            *(("set", name) for name in self.set),
            *(("clear", name) for name in self.clear),
            *(("copy", name) for name in self.fill_from),
        ]
        for part, name in places:
            place = ("clear", str(self.clear.index(name))) if part == "clear" else (part, name)
            if name in seen:
                yield place, PydanticCustomError("written_twice", "twice", {"field": name})
            seen.add(name)
            yield from _not_writable(place, name, loosens=part != "clear")
        for name, value in self.set.items():
            if name not in ADDRESSES:  # of those no value at all is right
                yield from _wrong_value(("set", name), name, value)
        for name, source in self.fill_from.items():
            if source in self.set or source in self.fill_from:
                about = {"field": name, "source": source}
                yield ("copy", name), PydanticCustomError("copy_chain", "chain", about)
            kinds = {type_of(name), type_of(source)} - {None}
            if len(kinds - {FieldType.TEXT}) > 1 or (FieldType.TIME in kinds and len(kinds) > 1):
                about = {"field": name, "source": source}
                yield ("copy", name), PydanticCustomError("copy_types", "types", about)

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields it may write, those that the check proposes aside."""
        return (*self.set, *self.clear, *self.fill_from)


def _not_writable(place: tuple[str, ...], name: str, *, loosens: bool) -> Iterator[Mistake]:
    if name in FIELDS and not FIELDS[name].writable:
        yield place, PydanticCustomError("not_writable", "not writable", {"field": name})
    elif name in ADDRESSES and loosens:
        yield place, PydanticCustomError("address_written", "address", {"field": name})


def _wrong_value(place: tuple[str, ...], name: str, value: Value) -> Iterator[Mistake]:
    try:
        literal(name, value)
    except PydanticCustomError as error:
        yield place, error


class SuppressAction(Block):
    """Stop contacting the person through a channel. Restricting only: nothing ever loosens."""

    channel: Literal["email", "sms", "phone"]
    """The channel that falls silent."""


class TaskAction(Block):
    """Give somebody a task in the CRM, attached to the record; one per finding, not one per scan."""

    to: Recipient = Routing(owner=True)
    """owner: whoever owns the record. Otherwise a user of the CRM, by e-mail or id, or a routing."""
    due: Due = Due(14, "day")
    """When it is due, counted from the day it is planned: 14 days, or 5 working days."""
    title: LocalTemplate
    """One line; may hold {first_name}, {full_name}, {company} and other fields."""
    body: LocalTemplate | SkipJsonSchema[None] = None
    """What to do and why, in plain text; may hold the same fields."""

    @property
    def texts(self) -> tuple[Template, ...]:
        """Everything with placeholders in it."""
        return (self.title,) if self.body is None else (self.title, self.body)


class ArchiveAction(Block):
    """Move the record to the CRM's recycle bin or archive. Always a person's decision."""


class TagAction(Block):
    """Keep a word in a custom field of the CRM, for its lists and filters."""

    field: FieldName
    """The custom field, extra.<name>."""
    value: Annotated[str, Field(min_length=1, max_length=200)] | SkipJsonSchema[None] = None
    """The word; without it the segment's name (check kind segment)."""

    @field_validator("field")
    @classmethod
    def _custom(cls, name: str) -> str:
        if type_of(name) is not None:
            raise PydanticCustomError("tag_field", "custom only", {"field": name})
        return name


Action = UpdateAction | SuppressAction | TaskAction | MergeAction | ArchiveAction | TagAction


class ActionEntry(Block):
    """One entry of `actions`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    update: UpdateAction | SkipJsonSchema[None] = None
    """Write values to the record."""
    suppress: SuppressAction | SkipJsonSchema[None] = None
    """Stop contacting the person through a channel."""
    task: TaskAction | SkipJsonSchema[None] = None
    """Create a task for a person."""
    merge: MergeAction | SkipJsonSchema[None] = None
    """Fold a group of duplicates into one record."""
    archive: ArchiveAction | SkipJsonSchema[None] = None
    """Move the record to the recycle bin or archive."""
    tag: TagAction | SkipJsonSchema[None] = None
    """Keep a word in a custom field."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if not given:
            names = tuple(type(self).model_fields)
            raise PydanticCustomError("action_missing", "none", {"expected": names})
        if len(given) > 1:
            raise PydanticCustomError("actions_one", "several")
        return self

    @property
    def name(self) -> str:
        """The action's name, as written."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def action(self) -> Action:
        """The one action."""
        action: Action = getattr(self, self.name)
        return action
