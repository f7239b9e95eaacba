"""Fields that accounts keep in fields of their own, read whatever type those have."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.sdk import (
    KEPT,
    Kept,
    SourceType,
    Value,
    read_flag,
    read_number,
    read_source_type,
)

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (True, True), ("true", True), ("Oui", True), ("JA", True), (1, True), ("1.0", True),
        ("x", True), ("✓", True), (False, False), ("non", False), ("0", False), ("☐", False),
        ("", None), (None, None), ("perhaps", None), (2, None),
    ],
)  # fmt: skip
def test_a_flag_is_read_as_people_and_crms_write_it(held: Value, expected: bool | None) -> None:
    """Three languages, numbers and marks; anything else is nothing."""
    assert read_flag(held) is expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (3, 3), ("3", 3), (2.5, 2.5), ("-2.5", -2.5), ("1 234,5", 1234.5), ("1,234", 1234),
        ("1,5", 1.5), ("0,125", 0.125), ("1.234,50", 1234.5), ("1,234.50", 1234.5),
        ("1.234.567", 1_234_567), ("12.50 EUR", 12.5), ("€ 12", 12), ("1'234", 1234),
        ("1\N{NARROW NO-BREAK SPACE}234", 1234), ("", None), ("many", None), ("1-2", None),
        (True, None), (None, None), (math.nan, None), ("9" * 39, None), ("2024-01-02", None),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_and_crms_write_it(held: Value, expected: float | None) -> None:
    """Points and commas, groups, currencies; anything else is nothing."""
    assert read_number(held) == expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("direct", SourceType.DIRECT), ("Collecte directe", SourceType.DIRECT),
        ("Third-Party", SourceType.THIRD_PARTY), ("third_party", SourceType.THIRD_PARTY),
        ("Acheté", SourceType.THIRD_PARTY), ("öffentlich", SourceType.UNKNOWN),
        ("PUBLIC", SourceType.PUBLIC), (" Salon ", SourceType.DIRECT),
        ("", SourceType.UNKNOWN), (None, SourceType.UNKNOWN), ("other", SourceType.UNKNOWN),
    ],
)  # fmt: skip
def test_who_gave_the_data_is_read_by_the_settings_words_and_the_usual_ones(
    held: str | None, expected: SourceType
) -> None:
    """The account's own words come first, without regard to case."""
    assert read_source_type(held, {"salon": SourceType.DIRECT}) is expected


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60))
def test_no_value_is_fatal(held: Value) -> None:
    """Whatever a field holds, a flag is three-valued and a number finite or nothing."""
    assert read_flag(held) in {True, False, None}
    number = read_number(held)
    assert number is None or math.isfinite(number)


def test_only_what_is_mapped_is_read() -> None:
    """Other names are left alone: a note is not even looked at."""
    held = {"purchases": "3", "source_type": "Messe", "birth_date": "2026-01-02"}
    kept = Kept.of(["email", *held], {"MESSE": SourceType.DIRECT})
    assert kept.read(held.get, lambda name: WHEN if held[name] else None) == {
        "purchases": 3,
        "source_type": SourceType.DIRECT,
        "birth_date": WHEN,
    }
    assert set(Kept.of(KEPT).names) == set(KEPT)


@pytest.mark.parametrize(
    ("held", "expected"), [("no", False), ("Litige 2025-17", True), ("  ", None), (None, None)]
)
def test_a_hold_in_other_words_is_a_hold(held: str | None, expected: bool | None) -> None:
    """It protects the record: a reason counts as a yes, and only a plain no as a no."""
    kept = Kept.of(["legal_hold"])
    assert kept.read(lambda _: held, lambda _: None) == {"legal_hold": expected}
