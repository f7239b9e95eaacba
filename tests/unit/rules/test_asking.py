"""What `rules new` asks: every key of every kind in both languages, only operators that fit."""

from __future__ import annotations

import pytest

from crm_steward.model import FIELDS
from crm_steward.rules.asking import fitting, questions
from crm_steward.rules.conditions import OPERATORS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.questions import KEYS
from crm_steward.rules.questions import OPERATORS as SAID


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_asked_for_in_both_languages(kind: str) -> None:
    """A manager who reads no English can answer; a choice is explained word by word."""
    for english, french in zip(questions(kind, "en"), questions(kind, "fr"), strict=True):
        assert english.about != french.about, english.key
    for question in questions(kind, "fr"):
        assert question.key in KEYS[kind]
        told = [choice in question.about for choice in question.choices]
        assert all(told) or not any(told), question


def test_no_question_is_left_over() -> None:
    """Each question belongs to a key that exists."""
    for kind, keys in KEYS.items():
        assert set(keys) == {question.key for question in questions(kind, "en")}


def test_only_operators_that_fit_are_offered() -> None:
    """Each of them is explained; a date is not offered `equals`, a name not `older_than`."""
    assert set(SAID) == set(OPERATORS)
    assert fitting("created_at") == ("is", "older_than", "newer_than", "before", "after")
    assert "older_than" not in fitting("last_name")
    assert fitting("extra.anything") == OPERATORS
    assert all(fitting(field) for field in FIELDS)
