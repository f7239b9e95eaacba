"""`condition`: what is found is exactly what the condition says, and it is explained part by part."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from crm_steward.model import ConfigError, Contact, RecordRef
from crm_steward.rules.explaining import explain
from crm_steward.rules.steps import Step

if TYPE_CHECKING:
    from datetime import datetime

    from tests.unit.rules.conftest import Find, Load, Relation


def test_it_finds_those_for_whom_the_condition_holds(find: Find) -> None:
    """`where` narrows, `holds` finds; empty values and foreign letters count as in any condition."""
    contacts = [
        Contact(ref=RecordRef("crm", "none")),
        Contact(ref=RecordRef("crm", "smile"), job_title="chief 😀 officer"),
        Contact(ref=RecordRef("crm", "rtl"), job_title="😀", company="متجر"),
        Contact(ref=RecordRef("crm", "plain"), job_title="buyer", language="fr"),
    ]
    check = (
        "where: {field: language, is: empty}, check: {kind: condition, holds: {any: ["
        "{field: company, equals: متجر}, {not: {field: job_title, contains: 😀}}]}}"
    )
    findings = find(check, contacts)

    assert [one.refs[0].id for one in findings] == ["none", "rtl"]
    assert {str(one.evidence) for one in findings} == {"{'fields': ['company', 'job_title']}"}


def test_it_says_part_by_part_why(load: Load, relation: Relation, now: datetime) -> None:
    """The explanation repeats the condition's structure, with the values seen."""
    (rule,) = load(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: condition, holds: "
        "{all: [{field: language, equals: fr}, {not: {field: extra.score, less_than: 10}}]}}}\n"
    ).rules
    contact = Contact(ref=RecordRef("crm", "1"), language="FR", extra={"score": 4})
    with closing(relation([contact])) as con:
        explained = explain(rule, contact.ref, con, now)

    assert not explained.caught
    assert explained.steps == (
        Step(
            "all",
            holds=False,
            parts=(
                Step("language equals fr", holds=True, seen="FR"),
                Step(
                    "not",
                    holds=False,
                    parts=(Step("extra.score less_than 10.0", holds=True, seen="4"),),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("holds", "where", "says"),
    [
        ("{field: emial, is: set}", "4:46", "unknown field 'emial' (did you mean 'email'?)"),
        ("{is: set}", "4:38", "a condition starts with field, all, any or not"),
        ("{field: email, older_than: 1 day}", "4:65", "the field 'email' holds no date"),
    ],
)
def test_mistakes_have_their_place(load: Load, holds: str, where: str, says: str) -> None:
    """A wrong condition under `check` is shown where it stands."""
    text = f"version: 1\nrules:\n  - {{id: r, about: x,\n     check: {{kind: condition, holds: {holds}}}}}\n"
    with pytest.raises(ConfigError) as caught:
        load(text)

    (problem,) = caught.value.problems
    assert (problem.where.partition(":")[2], problem.rule) == (where, "r")
    assert problem.message.startswith(says)
