"""What a rule may ask for once it has found something."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.rules.block import Block
from crm_steward.rules.durations import Duration
from crm_steward.rules.texts import LocalTemplate, Template


class UpdateAction(Block):
    """Write the value that the finding proposes."""

    normalise: Literal[True]
    """Write each field as the check says it should read (check kind format)."""


class TaskAction(Block):
    """Give somebody a task in the CRM, attached to the record."""

    to: Annotated[str, Field(min_length=1, max_length=200)] = "owner"
    """owner: whoever owns the record. Otherwise the id of an owner in the CRM."""
    due: Duration = Duration(14, "day")
    """When it is due, counted from the day it is created."""
    title: LocalTemplate
    """One line; may hold {first_name}, {full_name}, {company} and other fields."""
    body: LocalTemplate | SkipJsonSchema[None] = None
    """What to do and why, in plain text; may hold the same fields."""

    @property
    def texts(self) -> tuple[Template, ...]:
        """Everything with placeholders in it."""
        return (self.title,) if self.body is None else (self.title, self.body)


Action = UpdateAction | TaskAction


class ActionEntry(Block):
    """One entry of `actions`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    update: UpdateAction | SkipJsonSchema[None] = None
    """Write values to the record."""
    task: TaskAction | SkipJsonSchema[None] = None
    """Create a task for a person."""

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
    def action(self) -> Action:
        """The one action."""
        action = self.update or self.task
        if action is None:
            raise AssertionError(self)
        return action
