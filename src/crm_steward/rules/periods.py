"""A period of the register, and how a rule refers to one: by its name, never by a length of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import FIELDS, ConfigError, Problem
from crm_steward.rules.durations import Duration
from crm_steward.rules.messages import say
from crm_steward.rules.registerfile import Bound, Then
from crm_steward.rules.sql import EXTRA


@dataclass(frozen=True, slots=True)
class Period:
    """How long something is kept, or how long there is to do something.

    Args:
        id: Its name, by which rules refer to it.
        length: How long.
        clock: What it is counted from: one of `clocks.CLOCKS`, or `extra.<name>`.
        then: What is due at its end.
        source: The law or guideline it rests on.
        bound: at_most: then it is due. at_least: before that it must not happen.
    """

    id: str
    length: Duration
    clock: str
    then: Then
    source: str
    bound: Bound = "at_most"


@dataclass(frozen=True, slots=True)
class Referred:
    """A period as a rule refers to it.

    Args:
        id: Its name.
        period: The register's entry; None where no register was at hand.
    """

    id: str
    period: Period | None = None

    @property
    def found(self) -> Period:
        """The register's entry.

        Raises:
            ConfigError: No register was at hand.
        """
        if self.period is None:
            raise ConfigError([Problem(say("no_register", "en", value=self.id))])
        return self.period


def _referred(name: Any, info: ValidationInfo) -> Referred:
    """Look the name up in the register, which is in the context."""
    if not isinstance(name, str):
        raise PydanticCustomError("want_text", "text", {"got": name})
    periods: Mapping[str, Period] | None = (info.context or {}).get("periods")
    if periods is None:
        return Referred(name)
    if name not in periods:
        known = tuple(periods)
        raise PydanticCustomError("unknown_period", "unknown", {"value": name, "known": known})
    return Referred(name, periods[name])


def clocked(referred: Referred) -> Referred:
    """Refuse a period that is counted from something that contacts have no field for."""
    period = referred.period
    if period and not (period.clock in FIELDS or period.clock.startswith(EXTRA)):
        about = {"period": referred.id, "clock": period.clock}
        raise PydanticCustomError("period_clock", "no field", about)
    return referred


def _written(referred: Referred) -> dict[str, Any]:
    """Write what a rule's digest depends on: the period's length and clock stand elsewhere."""
    period = referred.period
    if period is None:
        return {"id": referred.id}
    return {"id": referred.id, "length": str(period.length), "clock": period.clock}


PeriodName = Annotated[
    Referred,
    PlainValidator(_referred),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["prospects"]}),
]
"""A period of the register, written as its id."""
