"""ISO weeks, and when in a week the report is due.

The moment is computed from the week itself, never by stepping from the last one: stepping is how
schedulers fire twice or not at all when the clocks change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_WRITTEN = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """An ISO 8601 week: Monday to Sunday, numbered 1 to 53."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.number:02}"

    @classmethod
    def parse(cls, text: str) -> Week:
        """Read `2026-W47` back.

        Raises:
            ValueError: It is not written like that, or the year has no such week.
        """
        written = _WRITTEN.fullmatch(text.strip().upper())
        if written is None:
            raise ValueError(f"'{text}' is not a week; write it like 2026-W47")
        week = cls(int(written[1]), int(written[2]))
        try:
            date.fromisocalendar(week.year, week.number, 1)
        except ValueError as error:
            raise ValueError(f"{week.year} has no week {week.number}") from error
        return week

    @classmethod
    def of(cls, day: date) -> Week:
        """Return the week that `day` falls in."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @property
    def monday(self) -> date:
        """Its first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    def shifted(self, weeks: int) -> Week:
        """Return the week that many weeks later (earlier when negative)."""
        return Week.of(self.monday + timedelta(weeks=weeks))

    def due(self, day: str, at: time, zone: tzinfo) -> datetime:
        """Return when, in UTC, `at` on `day` of this week happens in `zone`.

        A local time that the clocks skip counts as if they had not been changed (02:30 becomes
        03:30); one that comes twice means the first.
        """
        on = self.monday + timedelta(days=_DAYS.index(day))
        return datetime.combine(on, at, tzinfo=zone).astimezone(UTC)


def week_due(now: datetime, day: str, at: time, zone: tzinfo) -> Week:
    """Return the week whose report is due at `now`: the last one whose moment has come.

    Its report can be caught up with until the next one is due.
    """
    week = Week.of(now.astimezone(zone).date())
    return week if week.due(day, at, zone) <= now else week.shifted(-1)
