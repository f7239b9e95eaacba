"""What is typed at `crm-steward snooze`: read, or refused with what to type instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.cli.snooze_input import check, digits_in, moment_in, only_one, reason_in

NOW = datetime(2026, 11, 16, 23, 30, tzinfo=UTC)  # the 17th in Paris
PARIS, UTC_ZONE, LOS_ANGELES = (
    ZoneInfo(name) for name in ("Europe/Paris", "UTC", "America/Los_Angeles")
)


@pytest.mark.parametrize(
    ("written", "zone", "day"),
    [
        ("2027-01-15", PARIS, "2027-01-15"),
        (" 2027-01-15 ", LOS_ANGELES, "2027-01-15"),
        ("6 weeks", PARIS, "2026-12-29"),
        ("6 weeks", UTC_ZONE, "2026-12-28"),
        ("1 month", PARIS, "2026-12-17"),
        ("2 years", PARIS, "2028-11-17"),
        ("36 hours", PARIS, "2026-11-18"),
        ("2026-11-18", PARIS, "2026-11-18"),
        ("2026-11-17", UTC_ZONE, "2026-11-17"),
    ],
)
def test_a_snooze_ends_when_its_day_begins_there(written: str, zone: ZoneInfo, day: str) -> None:
    """A day or a length of time, in the settings' time zone, not in UTC."""
    end = moment_in(written, NOW, zone)

    assert end == datetime.fromisoformat(day).replace(tzinfo=zone)
    assert end > NOW


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (None, "say until when"),
        ("", "say until when"),
        ("2026-11-17", "2026-11-17 is not in the future"),
        ("2020-01-01", "2020-01-01 is not in the future"),
        ("1 hour", "tomorrow at the earliest"),
        ("2028-11-18", "more than 2 years ahead (at most 2028-11-17)"),
        ("25 months", "more than 2 years ahead"),
        ("9999 years", "more than 2 years ahead"),
        ("999999 years", "more than 2 years ahead"),
        ("9999-12-31", "more than 2 years ahead"),
        ("soon", "neither a day nor a length of time"),
        ("15/01/2027", "neither a day nor a length of time"),
        ("2027-02-30", "neither a day nor a length of time"),
        ("0 days", "neither a day nor a length of time"),
    ],
)
def test_an_end_that_makes_no_sense_is_refused(written: str | None, says: str) -> None:
    """In the past, today, too far, or not a date: each with what to type."""
    with pytest.raises(typer.BadParameter) as caught:
        moment_in(written, NOW, PARIS)
    assert says in str(caught.value)


_LENGTHS = st.from_regex(r"[0-9]{1,6} (hour|day|week|month|year)s?", fullmatch=True)


@given(st.one_of(st.text(max_size=30), _LENGTHS, st.dates().map(str)))
def test_any_text_is_a_day_to_come_or_a_usage_error(written: str) -> None:
    """Nothing typed ends as a bug."""
    try:
        end = moment_in(written, NOW, PARIS)
    except typer.BadParameter:
        return
    assert NOW < end <= NOW + timedelta(days=732)


def test_a_reason_is_one_line_and_obligatory() -> None:
    """Spaces and line ends are made one; nothing, or a novel, is refused."""
    assert reason_in("  until the\n merger ") == "until the merger"
    for wrong, says in ((None, "say why"), (" \n", "say why"), ("x" * 501, "501 characters")):
        with pytest.raises(typer.BadParameter, match=says):
            reason_in(wrong)


def test_a_finding_is_named_by_eight_digits_at_least() -> None:
    """Shorter ones and other words are refused; capitals are as good."""
    assert digits_in(" 3F9C2B7E ") == "3f9c2b7e"
    for wrong in ("3f9c2b7", "name-case", "hubspot:4711", ""):
        with pytest.raises(typer.BadParameter, match="at least 8 digits"):
            digits_in(wrong)


def test_a_beginning_means_one_finding() -> None:
    """None and several are told apart."""
    assert only_one("abc", ["abcd"], "finding") == "abcd"
    with pytest.raises(typer.BadParameter, match="there is no finding 'abc'"):
        only_one("abc", [], "finding")
    with pytest.raises(typer.BadParameter, match="write more digits"):
        only_one("abc", ["abcd", "abce"], "finding")


def test_findings_are_meant_in_one_way() -> None:
    """Fingerprints or a rule; a record only narrows down a rule."""
    check(["3f9c2b7e"], None, None)
    check(None, "r", "crm:1")
    for fingerprints, rule in ((None, None), (["3f9c2b7e"], "r")):
        with pytest.raises(typer.BadParameter, match="not both"):
            check(fingerprints, rule, None)
    with pytest.raises(typer.BadParameter, match="--rule, which is missing"):
        check(["3f9c2b7e"], None, "crm:1")
