"""What people type into cells."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.connect.neutral import disarm, rearm
from crm_steward.sdk import ConsentStatus, Kind, Stage
from crm_steward_file.values import (
    day_first,
    read_consent,
    read_flag,
    read_kind,
    read_stage,
    read_text,
    read_time,
)

MARCH = datetime(2024, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("2024-03-04", MARCH),
        ("2024/03/04", MARCH),
        ("2024-03-04T10:20:30Z", datetime(2024, 3, 4, 10, 20, 30, tzinfo=UTC)),
        ("2024-03-04 10:20 +0200", datetime(2024, 3, 4, 8, 20, tzinfo=UTC)),
        ("2024-03-04 10:20:30 UTC", datetime(2024, 3, 4, 10, 20, 30, tzinfo=UTC)),
        ("04/03/2024", MARCH),
        ("4.3.24", MARCH),
        ("04-03-2024 10h20", datetime(2024, 3, 4, 10, 20, tzinfo=UTC)),
        ("04/03/2024 à 10:20", datetime(2024, 3, 4, 10, 20, tzinfo=UTC)),
        ("04/03/2024 10:20 PM", datetime(2024, 3, 4, 22, 20, tzinfo=UTC)),
        ("03/25/2024", datetime(2024, 3, 25, tzinfo=UTC)),
        ("4 mars 2024", MARCH),
        ("1er août 2023", datetime(2023, 8, 1, tzinfo=UTC)),
        ("Mar 4, 2024", MARCH),
        ("4-Mar-2024", MARCH),
        ("45355", MARCH),
        (45355.5, datetime(2024, 3, 4, 12, tzinfo=UTC)),
        ("1709510400000", MARCH),
        (date(2024, 3, 4), MARCH),
        (datetime(2024, 3, 4), MARCH),  # noqa: DTZ001 -- as openpyxl gives it
        (datetime(2024, 3, 4, 2, tzinfo=timezone(timedelta(hours=2))), MARCH),
        ("31/02/2024", None),
        ("2024", None),
        ("0001-01-01", None),
        ("demain", None),
        ("", None),
        (True, None),
        (10**30, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_dates(held: Any, expected: datetime | None) -> None:
    """Every usual way of writing a date is read; what is none is None, never a wrong date."""
    assert read_time(held, days_first=True) == expected


@given(st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.booleans(), st.none()))
def test_no_cell_breaks_the_readers(held: Any) -> None:
    """Whatever stands in a cell, reading it gives a value or nothing, and never raises."""
    moment = read_time(held, days_first=False)
    assert moment is None or moment.tzinfo is UTC
    text = read_text(held)
    assert text is None or text.strip()
    if text is not None:
        assert read_flag(text) in {True, False, None}
        assert read_consent(text, opt_out=False) is not None
        assert day_first(text) in {True, False, None}


@given(st.dates(date(1950, 1, 1), date(2100, 12, 31)), st.booleans())
def test_a_written_date_comes_back(day: date, days_first: bool) -> None:
    """In either order, a date that was written is the date that is read."""
    text = f"{day:%d/%m/%Y}" if days_first else f"{day:%m/%d/%Y}"
    moment = read_time(text, days_first=days_first)
    assert moment is not None
    assert moment.date() == day


@pytest.mark.parametrize(
    ("text", "opt_in", "opt_out"),
    [
        ("oui", ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN),
        ("Non", ConsentStatus.NONE, None),
        ("1", ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN),
        ("FALSE", ConsentStatus.NONE, None),
        ("✓", ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN),
        ("Désinscrit", ConsentStatus.WITHDRAWN, ConsentStatus.WITHDRAWN),
        ("subscribed", ConsentStatus.GRANTED, ConsentStatus.GRANTED),
        ("soft_opt_in", ConsentStatus.SOFT_OPT_IN, ConsentStatus.SOFT_OPT_IN),
        ("on verra", ConsentStatus.UNKNOWN, ConsentStatus.UNKNOWN),
    ],
)
def test_consents(text: str, opt_in: ConsentStatus, opt_out: ConsentStatus | None) -> None:
    """A no under an opt-out says nothing; what is not understood is never a yes."""
    assert read_consent(text, opt_out=False) is opt_in
    assert read_consent(text, opt_out=True) is opt_out


def test_words_for_stage_and_kind() -> None:
    """Words of French and English exports become ours; others are not guessed."""
    assert read_stage("Ancien client") is Stage.FORMER
    assert read_stage("Marketing Qualified Lead") is Stage.PROSPECT
    assert read_stage("bidule") is None
    assert read_kind("Particulier") is Kind.B2C
    assert read_kind("Auto-entrepreneur") is Kind.SOLE_TRADER


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1+1", "-1+1|cmd", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1",
        "＝1", "＋1", "－1", "＠x", "'=1", "''=1", "+33 6 12; =1", "+33-6-12",  # noqa: RUF001 -- the point
    ],
)  # fmt: skip
def test_formulas_are_disarmed(text: str) -> None:
    """Whatever a spreadsheet could run begins with an apostrophe, and can be had back."""
    assert disarm(text) == "'" + text
    assert rearm(disarm(text)) == text


@pytest.mark.parametrize("text", ["+33 6 12 34 56 78", "+33612345678", "-12.5", "a=1", "", "'tis"])
def test_what_cannot_run_stays_readable(text: str) -> None:
    """A telephone number, a negative number and ordinary text are left as they are."""
    assert disarm(text) == text


@given(st.text(alphabet="'=+-@\t\r\n\0＝＋－＠ a1"), st.text(alphabet="'=+-@ a1"))  # noqa: RUF001 -- the point
def test_disarming_loses_nothing(one: str, other: str) -> None:
    """No two texts become the same, and each comes back as it was."""
    assert rearm(disarm(one)) == one
    assert (disarm(one) == disarm(other)) == (one == other)
