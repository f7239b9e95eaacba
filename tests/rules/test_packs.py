"""The shipped packs: every rule tested both ways, safe by default, fit to be read."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from crm_steward.connect.discovery import specs
from crm_steward.model import Contact, Email, Phone, PhoneKind, PostalAddress, RecordRef
from crm_steward.rules import (
    SuppressAction,
    TaskAction,
    UpdateAction,
    load_register,
    load_rules,
    pack_path,
    packs,
    shipped_register,
)
from crm_steward.settings import Rules
from crm_steward.store.relation import relation_of_rows
from crm_steward.store.rows import content_of, row_of

if TYPE_CHECKING:
    from tests.conftest import Cli

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PERIODS = load_register(shipped_register(), "en").periods
RULES = load_rules([pack_path(name) for name in packs()], periods=PERIODS).rules
LEGAL = ("consent-eu", "consent-fr", "consent-de", "consent-uk", "casl", "retention-fr", "freetext")
"""Packs that say what some law wants."""
WAYS_IN: dict[str, dict[str, str]] = {
    "hubspot": {"token": "pat-invented"},
    "salesforce": {"domain": "acme.my", "client_id": "x", "client_secret": "y"},
    "zoho": {"client_id": "x", "client_secret": "y", "refresh_token": "z"},
    "pipedrive": {"company": "acme", "api_token": "x" * 40},
    "file": {"path": "contacts.csv"},
}
"""Kind → the least that a connection of it must be told."""
ABILITIES = {
    kind: spec.ability(spec.settings.model_validate({"kind": kind, **WAYS_IN[kind]}))
    for kind, spec in specs().items()
}
"""Kind → what a connection holds and can do as long as nothing is mapped."""


def test_the_packs_of_the_settings_are_shipped() -> None:
    """The packs that run by default exist, and all others are switched on by the operator."""
    assert set(packs()) == {"baseline", "duplicates", "format", "completeness", "segments", *LEGAL}
    assert Rules().packs == ("baseline", "format", "consent-eu", "duplicates")


def test_all_packs_pass_their_tests(steward: Cli) -> None:
    """`crm-steward rules test` without a settings file tests what is shipped, and all is tested."""
    done = steward("rules", "test")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ tests passed, 0 failed\.$", done.stdout, re.MULTILINE)
    assert "Without a test" not in done.stdout


def test_every_rule_is_shown_catching_and_not_catching() -> None:
    """A test that finds something and one that finds nothing."""
    outcomes: dict[str, set[bool]] = {rule.id: set() for rule in RULES}
    for file in sorted({rule.file for rule in RULES}):
        text = file.with_name(f"{file.stem}.test.yaml").read_text(encoding="utf-8")
        for one in YAML(typ="safe").load(text)["tests"]:
            outcomes[one["rule"]].add(bool(one["finds"]))

    assert {name for name, found in outcomes.items() if found != {True, False}} == set()


def test_every_rule_speaks_english_and_french() -> None:
    """Titles and tasks exist in both languages and mention the same fields."""
    for rule in RULES:
        assert rule.title("en") != rule.title("fr"), rule.id
        tasks = (action for action in rule.actions if isinstance(action, TaskAction))
        for template in (text for task in tasks for text in task.texts):
            assert template.en != template.fr, rule.id
            fields = [re.findall(r"\{\w+\}", text) for text in (template.en, template.fr)]
            assert sorted(fields[0]) == sorted(fields[1]), rule.id


def test_nothing_is_written_without_asking_but_what_is_sure() -> None:
    """Mode `apply` restricts, or corrects a form that has one sure reading; whoever writes has limits."""
    for rule in RULES:
        if "apply" in rule.modes.values():
            restricts = {SuppressAction, TaskAction} == {type(action) for action in rule.actions}
            corrects = rule.kind == "format" and rule.check.only == "fixable"
            assert restricts or (corrects and rule.actions == (UpdateAction(normalise=True),)), (
                rule.id
            )
        if set(rule.modes.values()) != {"report"}:
            assert rule.actions, rule.id
            assert rule.limits.max_changes is not None, rule.id
            assert rule.limits.max_percent is not None, rule.id


def test_no_rule_makes_anybody_more_mailable() -> None:
    """The only update is the sure correction of a form: no value is set, emptied or copied."""
    updates = [one for rule in RULES for one in rule.actions if isinstance(one, UpdateAction)]

    assert updates
    assert all(one == UpdateAction(normalise=True) for one in updates)


def test_rules_about_the_law_name_it() -> None:
    """Rules of the legal packs cite what they rest on."""
    cited = re.compile(r"art\. L?\d+|§\d+|s\. \d+|reg\. \d+|CNIL|CPCE|AG |BGH ")
    legal = {rule.id: rule.reference for rule in RULES if rule.pack in LEGAL}

    assert {name for name, reference in legal.items() if not cited.search(reference)} == set()


def test_every_rule_says_who_must_decide() -> None:
    """The comment above a rule ends with whose decision it is."""
    for rule in RULES:
        above = rule.file.read_text("utf-8").split(f"  - id: {rule.id}\n")[0].split("\n\n")[-1]
        assert re.search(r"# Decide: (nobody|the operator)", above), rule.id


def test_lengths_stand_in_the_register() -> None:
    """Retention is measured by periods of the register; consent that ages, too."""
    for rule in RULES:
        if rule.kind == "retention" or (
            rule.kind == "consent" and rule.check.problem in {"unused", "expiring", "expired"}
        ):
            assert rule.check.period.id in PERIODS, rule.id


def test_nothing_is_written_on_what_was_true_weeks_ago() -> None:
    """Lists may be a month old; what writes is looked at in each scan, merges are proposed each week."""
    for rule in RULES:
        if rule.active:
            assert rule.every == ("week" if rule.id == "duplicate-same-email" else "scan"), rule.id


def test_no_rule_is_in_the_way_of_a_connection() -> None:
    """What a CRM cannot do or does not hold is left out there; a task stands in where there is one."""
    for rule in RULES:
        others = {type(action) for action in rule.actions} - {TaskAction}
        with_task = any(isinstance(action, TaskAction) for action in rule.actions)
        assert rule.if_unable == ("task" if others and with_task else "skip"), rule.id


@pytest.mark.parametrize("kind", [*specs(), "all of them"])
def test_packs_load_for_every_connection(kind: str) -> None:
    """With nothing mapped: each kind alone, and all together, without a mistake."""
    abilities = ABILITIES if kind == "all of them" else {kind: ABILITIES[kind]}
    book = load_rules([pack_path(name) for name in packs()], abilities=abilities, periods=PERIODS)

    assert {rule.id for rule in book.rules} == {rule.id for rule in RULES}


NEEDS_MAPPING = {
    "hubspot": {
        "kind", "collected_at", "informed_at", "contract_end", "last_login", "birth_date",
        "rights_request_at", "source_type", "consent_phone", "consent_sms",
        "consent_email_given_at",
    },
    "salesforce": {
        "kind", "collected_at", "informed_at", "contract_end", "last_login", "birth_date",
        "rights_request_at", "source_type", "last_mailed_at", "stage", "language",
        "consent_email_basis", "website",
    },
    "zoho": {
        "kind", "collected_at", "informed_at", "contract_end", "last_login", "birth_date",
        "rights_request_at", "source_type", "last_mailed_at", "stage", "language",
        "consent_sms", "last_person_act", "email_status", "website",
    },
    "pipedrive": {
        "kind", "collected_at", "informed_at", "contract_end", "last_login", "birth_date",
        "rights_request_at", "source_type", "last_mailed_at", "source", "language",
        "consent_phone", "consent_sms", "consent_email_given_at", "email_status",
        "website",
    },
    "file": set(),
}  # fmt: skip
"""Kind → fields that rules of the packs ask for, and that it holds once they are mapped, if at all."""


@pytest.mark.parametrize("kind", specs())
def test_what_is_left_out_is_known(kind: str) -> None:
    """A rule is left out only for the fields that this kind has no usual place for."""
    book = load_rules(
        [pack_path(name) for name in packs()], abilities={kind: ABILITIES[kind]}, periods=PERIODS
    )

    assert {one.field for one in book.skipped if one.field} == NEEDS_MAPPING[kind]


def test_the_usual_packs_do_something_everywhere() -> None:
    """With nothing mapped, the heart of the default packs looks at every kind of connection."""
    book = load_rules(
        [pack_path(name) for name in Rules().packs], abilities=ABILITIES, periods=PERIODS
    )
    for kind in specs():
        runs = {rule.id for rule in book.rules if rule.runs_in(kind)}
        assert runs >= {
            "no-way-to-reach", "no-name", "name-case", "email-clean", "phone-e164",
            "duplicate-contact", "consent-email-missing", "consent-email-contradicted",
            "complaint-spam",
        }  # fmt: skip


def test_corrections_are_fixpoints() -> None:
    """Once what `format` proposes is written, it proposes nothing more."""
    contact = Contact(
        ref=RecordRef("crm", "1"),
        first_name="ZOÉ",
        last_name="o'brien",
        emails=(Email(" <Zoe@EXAMPLE.com>. "),),
        phones=(Phone("01 99 00 12 34"), Phone("06 12 34 56 78", PhoneKind.MOBILE)),
        address=PostalAddress(country="France"),
    )
    proposed = proposals(contact)
    fixed = Contact(
        ref=contact.ref,
        first_name=proposed["first_name"],
        last_name=proposed["last_name"],
        emails=(Email(proposed["email"]),),
        phones=(Phone(proposed["phone"]), Phone(proposed["mobile"], PhoneKind.MOBILE)),
        address=contact.address,
    )

    assert proposed == {
        "first_name": "Zoé",
        "last_name": "O'Brien",
        "email": "Zoe@example.com",
        "phone": "+33199001234",
        "mobile": "+33612345678",
    }
    assert proposals(fixed) == {}


def proposals(contact: Contact) -> dict[str, str]:
    """Return what the shipped rules would write to a contact."""
    written: dict[str, str] = defaultdict(str)
    rows = [row_of(contact, *content_of(contact), country=None)]
    with closing(relation_of_rows(rows)) as con:
        for rule in RULES:
            if rule.pack == "format" and "apply" in rule.modes.values():
                for finding in rule.find(con, NOW):
                    written[finding.evidence["field"]] = finding.evidence["proposed"]
    return dict(written)


def test_packs_are_found_wherever_they_are_installed() -> None:
    """A pack's path is a file of the package that the entry point names."""
    for name, path in packs().items():
        assert path == pack_path(name)
        assert path.is_file()
        assert Path(path.parent, "__init__.py").is_file()
