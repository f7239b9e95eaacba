"""Contacts of rule tests: what is written in short stands for a whole contact."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from crm_steward.model import MAPPABLE, ConsentStatus, SourceType
from crm_steward.rules.trialfile import Person

DAY = datetime(2026, 1, 31, tzinfo=UTC)


def test_every_field_that_a_crm_may_hold_can_be_given() -> None:
    """A rule on any mappable field can be tested; the state of the e-mail and notes as well."""
    assert set(MAPPABLE) <= set(Person.model_fields)
    given = {
        "email": "ann@example.com", "email_status": "bounced", "contract_end": "2026-01-31",
        "source_type": "public", "legal_hold": True, "purchases": 2.5, "notes": "Likes tea.",
    }  # fmt: skip
    contact = Person.model_validate({"id": 1, **given}).contact()
    assert contact.source_type is SourceType.PUBLIC
    assert contact.contract_end == DAY
    assert {name: contact.value(name) for name in given} == {
        **given,
        "contract_end": DAY.isoformat(),
    }
    assert contact.value("has_notes") is True
    assert Person.model_validate({"id": 1, "has_notes": True}).contact().has_notes


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("granted", [("marketing", "", "", ConsentStatus.GRANTED)]),
        (
            {"status": "implied", "basis": "contract"},
            [("marketing", "contract", "", ConsentStatus.IMPLIED)],
        ),
        (
            [{"status": "granted", "purpose": "news", "evidence": "doc 7"}, "withdrawn"],
            [
                ("news", "", "doc 7", ConsentStatus.GRANTED),
                ("marketing", "", "", ConsentStatus.WITHDRAWN),
            ],
        ),
    ],
)
def test_a_channel_may_hold_one_agreement_or_one_per_address_and_purpose(
    written: object, expected: object
) -> None:
    """A status alone, one agreement, or a list of either."""
    contact = Person.model_validate({"id": 1, "consent": {"email": written}}).contact()
    assert [(c.purpose, c.basis, c.evidence, c.status) for c in contact.consents] == expected


@pytest.mark.parametrize("wrong", [{"legal_hold": "yes"}, {"purchases": "3"}, {"has_notes": 1}])
def test_flags_and_numbers_are_written_as_such(wrong: dict[str, object]) -> None:
    """In quotes they would be text, which no CRM's flag is."""
    with pytest.raises(ValidationError):
        Person.model_validate({"id": 1, **wrong})
