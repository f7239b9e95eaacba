"""Durations as people write them: `18 months`, `30 days`; months and years follow the calendar."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

PATTERN = r"^[1-9][0-9]{0,5} (hour|day|week|month|year)s?$"
MAX_YEARS = 200

_WRITTEN = re.compile(r"\s*([1-9][0-9]{0,5})\s*(hour|day|week|month|year)s?\s*", re.ASCII)
_HOURS = {"hour": 1, "day": 24, "week": 168, "month": 730, "year": 8766}


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in one unit.

    Args:
        count: How many, at least 1.
        unit: hour, day, week, month or year.
    """

    count: int
    unit: str

    pattern: ClassVar[str] = PATTERN
    mistake: ClassVar[str] = "duration"
    """What is said of a text that is none."""

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `18 months`.

        Raises:
            ValueError: It is not a number from 1 and a unit, or longer than 200 years.
        """
        written = _WRITTEN.fullmatch(text)
        if not written:
            raise ValueError(text)
        duration = cls(int(written[1]), written[2])
        if duration.count * _HOURS[duration.unit] > MAX_YEARS * _HOURS["year"]:
            raise OverflowError(text)
        return duration

    def before(self, moment: datetime) -> datetime:
        """Return the moment this long before `moment`; a day that does not exist becomes the last.

        One month before 31 March is 28 (or 29) February; one year before 29 February is the 28th.
        """
        return self._moved(moment, -self.count)

    def after(self, moment: datetime) -> datetime:
        """Return the moment this long after `moment`; a day that does not exist becomes the last."""
        return self._moved(moment, self.count)

    @property
    def sql(self) -> str:
        """Return it as an SQL interval: a number and one of our units."""
        return f"INTERVAL {self.count} {self.unit}"

    def _moved(self, moment: datetime, count: int) -> datetime:
        match self.unit:
            case "year":
                return _months(moment, 12 * count)
            case "month":
                return _months(moment, count)
            case "hour" if moment.tzinfo is not None:
                # Hours pass while clocks are put forward or back.
                passed = moment.astimezone(UTC) + timedelta(hours=count)
                return passed.astimezone(moment.tzinfo)
            case unit:
                return moment + timedelta(hours=count * _HOURS[unit])

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let models hold it, written as text."""
        return core_schema.no_info_after_validator_function(
            partial(_parsed, cls),
            core_schema.str_schema(),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe it to an editor."""
        return {"type": "string", "pattern": cls.pattern, "examples": ["18 months", "30 days"]}


def _parsed(cls: type[Duration], text: str) -> Duration:
    try:
        return cls.parse(text)
    except OverflowError:
        raise PydanticCustomError(
            "duration_long", "too long", {"value": text, "limit": MAX_YEARS}
        ) from None
    except ValueError:
        raise PydanticCustomError(cls.mistake, "not a duration", {"value": text}) from None


def _months(moment: datetime, months: int) -> datetime:
    year, month0 = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month0 + 1)[1])
    return moment.replace(year=year, month=month0 + 1, day=day)
