"""The settings that all hosted CRMs share."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from pydantic import ValidationError

from crm_steward.sdk import Capability, ConnectionSettings, ConnectorSpec, CrmSettings


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


def test_a_field_that_is_worked_out_cannot_be_mapped() -> None:
    """`consent_email` follows from the consents: naming a source for it is refused, with why."""
    with pytest.raises(ValidationError, match="worked out from other fields"):
        Settings.model_validate({"fields": {"consent_email": "OptIn"}})


# -- what a connection holds and can do -----------------------------------------------------------

SPEC = ConnectorSpec(
    kind="some",
    title="Some CRM",
    can=frozenset({Capability.UPDATE}),
    settings=Settings,
    factory="nowhere:nothing",
    fields=frozenset({"email", "stage"}),
    consent_sources=frozenset({"Opt_Out", "optout_*"}),
)


def test_a_connection_holds_what_its_kind_reads_and_its_settings_map() -> None:
    """Worked-out fields follow: the domain from the e-mail, has_notes from notes, the proof."""
    settings = Settings.model_validate(
        {
            "fields": {"notes": "Description"},
            "extra": {"shoe": "Shoe"},
            "consent": {"how": "How", "evidence": "Link"},
        }
    )
    ability = SPEC.ability(settings)
    assert ability.can == {Capability.UPDATE}
    assert ability.fields == {
        "email", "stage", "notes", "extra.shoe", "email_domain", "has_notes", "connection", "erased_at",
        "consent_email_how",
    }  # fmt: skip
    assert ability.consent_fields == frozenset()


def test_what_holds_consent_is_told_whatever_its_name_in_rules() -> None:
    """By its name in the CRM, in any case, by its beginning, or as a part of the proof."""
    settings = Settings.model_validate(
        {
            "fields": {"job_title": "opt_out"},
            "extra": {"a": "optout_77", "b": "optout", "c": "Given", "d": "OPT_OUT"},
            "consent": {"given_at": "Given"},
        }
    )
    assert SPEC.ability(settings).consent_fields == {"job_title", "extra.a", "extra.c", "extra.d"}


def test_a_source_whose_fields_are_not_known_beforehand_says_so() -> None:
    """A kind that does not tell, or a connection like a file: None, and nothing is refused."""
    assert replace(SPEC, fields=None).ability(Settings.model_validate({})).fields is None
    plain = replace(SPEC, settings=ConnectionSettings)
    assert plain.ability(ConnectionSettings(kind="some")).fields is None
