"""ISO weeks and the moment the report is due."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.report.weeks import Week, week_due

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ZONES = sorted(available_timezones())

moments = st.datetimes(datetime(2024, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
schedules = st.tuples(st.sampled_from(DAYS), st.times(), st.sampled_from(ZONES).map(ZoneInfo))


@pytest.mark.parametrize("text", ["2026-W47", "2026W47", " 2026-w47 "])
def test_week_is_read_as_written(text: str) -> None:
    """The usual ways of writing a week mean the same one."""
    assert Week.parse(text) == Week(2026, 47)


@pytest.mark.parametrize(
    "text", ["2026-47", "2025-W53", "2026-W00", "W47", "", "2026-W4", "٢٠٢٦-W47"]
)
def test_no_week_is_refused(text: str) -> None:
    """A week that does not exist, or is not written as one, is an error and not a guess."""
    with pytest.raises(ValueError, match="week"):
        Week.parse(text)


@given(st.dates(datetime(2000, 1, 1).date(), datetime(2099, 12, 31).date()))  # noqa: DTZ001 -- a day has no zone
def test_week_survives_being_written(day: object) -> None:
    """Every week reads back from its text, and shifting there and back is nothing."""
    week = Week.of(day)  # type: ignore[arg-type] # hypothesis gives dates
    assert Week.parse(str(week)) == week
    assert week.shifted(1).shifted(-1) == week
    assert week < week.shifted(1)


@given(moments, schedules)
def test_one_week_is_due_at_any_moment(now: datetime, schedule: tuple[str, time, ZoneInfo]) -> None:
    """At any moment, in any zone, the week due has come and the next one has not."""
    day, at, zone = schedule
    week = week_due(now, day, at, zone)
    assert week.due(day, at, zone) <= now < week.shifted(1).due(day, at, zone)


@given(moments, schedules)
def test_local_time_stands_through_clock_changes(
    now: datetime, schedule: tuple[str, time, ZoneInfo]
) -> None:
    """The report comes at the local time of the settings; only a skipped hour moves it."""
    day, at, zone = schedule
    week = Week.of(now.date())
    local = week.due(day, at, zone).astimezone(zone)
    wanted = datetime.combine(week.monday + timedelta(DAYS.index(day)), at, tzinfo=zone)
    exists = wanted.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted.replace(
        tzinfo=None
    )
    if exists:
        assert local.replace(tzinfo=None) == wanted.replace(tzinfo=None)
    else:
        assert (
            timedelta(0) < local.replace(tzinfo=None) - wanted.replace(tzinfo=None) <= timedelta(1)
        )


def test_every_zone_has_one_moment_per_week_to_2040() -> None:
    """Ticking through the clock changes of each zone, each ISO week is due exactly once, in order."""
    at = time(2, 30)  # within the hour that most zones skip or repeat
    first, last = Week(2024, 1), Week(2040, 52)
    for name in ZONES[::12]:
        zone = ZoneInfo(name)
        week, dues = first, []
        while week <= last:
            dues.append(week.due("sunday", at, zone))
            week = week.shifted(1)
        assert len(dues) == 17 * 52 + 3, name  # 2026, 2032 and 2037 have 53 weeks
        gaps = {later - earlier for earlier, later in pairwise(dues)}
        assert all(timedelta(days=6, hours=22) <= gap <= timedelta(days=7, hours=2) for gap in gaps)


@pytest.mark.parametrize(
    ("zone", "week", "expected"),
    [
        (
            "Europe/Paris",
            Week(2026, 13),
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ),  # 02:30 is skipped
        (
            "Europe/Paris",
            Week(2026, 43),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ),  # comes twice: first
        ("Asia/Kathmandu", Week(2026, 47), datetime(2026, 11, 21, 20, 45, tzinfo=UTC)),
    ],
)
def test_known_moments(zone: str, week: Week, expected: datetime) -> None:
    """Sunday 02:30 around clock changes, worked out by hand."""
    assert week.due("sunday", time(2, 30), ZoneInfo(zone)) == expected
