"""The settings that all hosted CRMs share."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ValidationError

from crm_steward.sdk import CrmSettings


class Settings(CrmSettings):
    """Settings of a CRM that needs nothing more."""

    kind: Literal["some"] = "some"


def test_a_field_that_the_account_lacks_is_named_with_its_setting() -> None:
    """Every one is named, with a guess where something comes close; the others are not."""
    settings = Settings.model_validate(
        {
            "fields": {"job_title": "Positon"},
            "extra": {"number": "Number", "shoe": "Shoe_size"},
            "consent": {"how": "Zzz"},
        }
    )
    problems = settings.unknown_fields("main", "Some CRM", ["Position", "Number"])
    text = "connections.main.{}: Some CRM has no contact field {}"
    assert [str(problem) for problem in problems] == [
        text.format("fields.job_title", "'Positon' (did you mean 'Position'?)"),
        text.format("extra.shoe", "'Shoe_size'"),
        text.format("consent.how", "'Zzz'"),
    ]


def test_a_field_that_we_do_not_have_is_refused() -> None:
    """`fields` takes our names only, and guesses which was meant."""
    with pytest.raises(ValidationError, match=r"did you mean 'job_title'"):
        Settings.model_validate({"fields": {"jobtitle": "Position"}})
