"""Who gets a task, and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.normalize import country_code
from crm_steward.rules.block import Block
from crm_steward.rules.durations import PATTERN, Duration

OWNER = "owner"
_WORKING = "working day"
_SATURDAY = 5

Person = Annotated[str, Field(min_length=1, max_length=200)]
"""A user of the CRM, by e-mail (the same in every connection) or by the CRM's own id."""


def _country(value: Any) -> str:
    code = country_code(value) if isinstance(value, str) else None
    if code is None:
        raise PydanticCustomError("country", "country", {"value": str(value)})
    return code


Country = Annotated[str, BeforeValidator(_country)]


def _or_text(schema: dict[str, Any]) -> None:
    whole = dict(schema)
    schema.clear()
    text = {"type": "string", "minLength": 1, "examples": [OWNER, "anna@example.com"]}
    schema["anyOf"] = [text, whole]


class Routing(Block):
    """Who gets the task, where more than one person looks after contacts.

    The first of by_country, owner, round_robin and otherwise that yields somebody who is still
    active; else the task is nobody's in particular.
    """

    model_config = ConfigDict(json_schema_extra=_or_text)

    by_country: dict[Country, Person] = Field(default={})
    """The contact's country → who looks after it."""
    owner: Annotated[bool, Field(strict=True)] = False
    """Whoever owns the record."""
    round_robin: tuple[Person, ...] = Field(default=(), max_length=100)
    """These in turn; who it is hangs on the finding, so that a new plan does not shift it."""
    otherwise: Person | SkipJsonSchema[None] = None
    """Whoever gets it when none of the above does."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.by_country or self.owner or self.round_robin or self.otherwise):
            raise PydanticCustomError("routing_empty", "nobody")
        return self

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody it names."""
        last = () if self.otherwise is None else (self.otherwise,)
        return (*self.by_country.values(), *self.round_robin, *last)

    def turns(self, fingerprint: str) -> tuple[str, ...]:
        """Return the round robin for a finding: whose turn it is first, then who stands in."""
        if not self.round_robin:
            return ()
        number = int.from_bytes(blake2b(fingerprint.encode(), digest_size=8).digest())
        first = number % len(self.round_robin)
        return (*self.round_robin[first:], *self.round_robin[:first])


def _routing(value: Any) -> Any:
    if isinstance(value, str) and value:
        return {OWNER: True} if value == OWNER else {"otherwise": value}
    return value


Recipient = Annotated[Routing, BeforeValidator(_routing)]
"""`owner`, a person, or a routing."""


@dataclass(frozen=True, slots=True)
class Due(Duration):
    """How long somebody has for a task: a duration, or working days (Monday to Friday)."""

    pattern: ClassVar[str] = PATTERN.replace("(hour|", "(working day|hour|")
    mistake: ClassVar[str] = "due"

    @classmethod
    def parse(cls, text: str) -> Due:
        """Read `14 days` or `5 working days`.

        Raises:
            ValueError: It is neither.
            OverflowError: It is too long.
        """
        count, _, rest = text.strip().partition(" ")
        if rest.strip() in {_WORKING, _WORKING + "s"}:
            plain = Duration.parse(f"{count} days")
            return cls(plain.count, _WORKING)
        plain = Duration.parse(text)
        return cls(plain.count, plain.unit)

    def day(self, moment: datetime) -> date:
        """Return the day it is due, counted from `moment`; public holidays are not known."""
        if self.unit != _WORKING:
            return self.after(moment).date()
        weeks, rest = divmod(self.count, 5)
        day = moment.date() + timedelta(weeks=weeks)
        # From a weekend, counting starts as if on the Friday before.
        day -= timedelta(days=max(0, day.weekday() - _SATURDAY + 1))
        while rest:
            day += timedelta(days=1)
            rest -= day.weekday() < _SATURDAY
        return day
