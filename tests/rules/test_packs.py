"""The shipped packs: every rule tested both ways, safe by default, fit to be read."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from crm_steward.model import Contact, Email, Phone, PhoneKind, PostalAddress, RecordRef
from crm_steward.rules import Rule, TaskAction, UpdateAction, load_rules, pack_path, packs
from crm_steward.store.relation import relation_of_rows
from crm_steward.store.rows import content_of, row_of

if TYPE_CHECKING:
    from tests.conftest import Cli

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RULES = load_rules([pack_path(name) for name in packs()]).rules
by_id = pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])


def trials_of(rule: Rule) -> list[dict[str, Any]]:
    """Return the tests that stand beside the rule."""
    text = rule.file.with_name(f"{rule.file.stem}.test.yaml").read_text(encoding="utf-8")
    return [one for one in YAML(typ="safe").load(text)["tests"] if one["rule"] == rule.id]


def test_the_packs_of_the_settings_are_shipped() -> None:
    """The packs that run by default exist, and no others are left unnamed."""
    assert sorted(packs()) == ["baseline", "consent-eu", "duplicates", "format"]


def test_all_packs_pass_their_tests(steward: Cli) -> None:
    """`crm-steward rules test` without a settings file tests what is shipped, and all is tested."""
    done = steward("rules", "test")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ tests passed, 0 failed\.$", done.stdout, re.MULTILINE)
    assert "Without a test" not in done.stdout


@by_id
def test_every_rule_is_shown_catching_and_not_catching(rule: Rule) -> None:
    """A test that finds something and one that finds nothing."""
    outcomes = {bool(one["finds"]) for one in trials_of(rule)}

    assert outcomes == {True, False}


@by_id
def test_every_rule_speaks_english_and_french(rule: Rule) -> None:
    """Titles and tasks exist in both languages and mention the same fields."""
    assert rule.title("en") != rule.title("fr")
    for action in rule.actions:
        if isinstance(action, TaskAction):
            for template in action.texts:
                assert template.en != template.fr
                fields = [re.findall(r"\{\w+\}", text) for text in (template.en, template.fr)]
                assert sorted(fields[0]) == sorted(fields[1])


@by_id
def test_nothing_is_written_without_asking_but_what_is_sure(rule: Rule) -> None:
    """Mode `apply` belongs to corrections of form with limits; whoever writes has limits."""
    if "apply" in rule.modes.values():
        assert rule.kind == "format"
        assert rule.actions == (UpdateAction(normalise=True),)
        assert rule.check.only == "fixable"
    if set(rule.modes.values()) != {"report"}:
        assert rule.actions
        assert rule.limits.max_changes is not None
        assert rule.limits.max_percent is not None


@by_id
def test_rules_about_the_law_name_it(rule: Rule) -> None:
    """Consent rules cite the article they rest on."""
    if rule.pack.startswith("consent"):
        assert re.search(r"art\. \d+", rule.reference)


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
            if "apply" in rule.modes.values():
                for finding in rule.find(con, NOW):
                    written[finding.evidence["field"]] = finding.evidence["proposed"]
    return dict(written)


def test_packs_are_found_wherever_they_are_installed() -> None:
    """A pack's path is a file of the package that the entry point names."""
    for name, path in packs().items():
        assert path == pack_path(name)
        assert path.is_file()
        assert Path(path.parent, "__init__.py").is_file()
