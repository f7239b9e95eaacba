"""Durations: what is read, and calendar arithmetic that holds for every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.rules import Duration

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
DURATIONS = st.builds(
    Duration, st.integers(1, 600), st.sampled_from(["hour", "day", "week", "month", "year"])
).filter(lambda one: one.unit != "year" or one.count <= 150)


def day(text: str) -> datetime:
    """Return noon of a day."""
    return datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "duration", "before"),
    [
        ("2024-02-29", "1 year", "2023-02-28"),
        ("2024-02-29", "4 years", "2020-02-29"),
        ("2026-03-31", "1 month", "2026-02-28"),
        ("2024-03-31", "1 month", "2024-02-29"),
        ("2026-01-15", "13 months", "2024-12-15"),
        ("2026-11-22", "36 months", "2023-11-22"),
        ("2026-11-22", "30 days", "2026-10-23"),
        ("2026-11-22", "2 weeks", "2026-11-08"),
        ("2026-11-22", "36 hours", "2026-11-21"),
    ],
)
def test_months_and_years_follow_the_calendar(moment: str, duration: str, before: str) -> None:
    """A day that does not exist becomes the last of its month."""
    assert Duration.parse(duration).before(day(moment)).date() == day(before).date()


@pytest.mark.parametrize(
    "text",
    ["", "0 days", "-1 day", "1.5 months", "18", "months", "18 moons", "1 day 2 hours", "٣ days"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed: a whole number from 1, one unit."""
    with pytest.raises(ValueError, match=r".*"):
        Duration.parse(text)


@given(DURATIONS)
def test_a_duration_reads_back_as_it_is_written(duration: Duration) -> None:
    """What is shown in evidence can be put into a rule."""
    assert Duration.parse(str(duration)) == duration


@given(MOMENTS, MOMENTS, DURATIONS)
def test_going_back_keeps_the_order(one: datetime, other: datetime, duration: Duration) -> None:
    """Of two moments the earlier stays the earlier: nobody becomes stale by waiting less."""
    early, late = sorted((one, other))

    assert duration.before(early) <= duration.before(late)


@given(MOMENTS, DURATIONS)
def test_going_there_and_back_loses_at_most_three_days(
    moment: datetime, duration: Duration
) -> None:
    """Only days that a month lacks are lost, and never to the future."""
    back = duration.after(duration.before(moment))

    assert timedelta(0) <= moment - back <= timedelta(days=3)
    assert duration.before(moment) < moment


@given(MOMENTS, st.integers(1, 150))
def test_twelve_months_are_a_year(moment: datetime, years: int) -> None:
    """Units that mean the same give the same."""
    months, weeks = Duration(12 * years, "month"), Duration(years, "week")

    assert months.before(moment) == Duration(years, "year").before(moment)
    assert weeks.before(moment) == Duration(7 * years, "day").before(moment)


def test_hours_pass_while_clocks_change() -> None:
    """A day of 23 hours has 23 of them; days and months go by the calendar."""
    after = datetime(2026, 3, 29, 12, tzinfo=ZoneInfo("Europe/Paris"))

    assert Duration.parse("24 hours").before(after).isoformat() == "2026-03-28T11:00:00+01:00"
    assert Duration.parse("1 day").before(after).isoformat() == "2026-03-28T12:00:00+01:00"
