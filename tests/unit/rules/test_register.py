"""The register of processing activities: read with places, complete, the one place of periods."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crm_steward.model import FIELDS, ConfigError
from crm_steward.rules import Duration, Period, Register, load_register, packs, shipped_register
from crm_steward.rules.clocks import CLOCKS
from crm_steward.rules.messages import SENTENCES
from crm_steward.rules.registerfile import Bound, Retention, Then
from crm_steward.rules.schema import register_schema

ROOT = Path(__file__).parents[3]
SCHEMA = register_schema()

HEAD = """\
version: 1
controller: {name: Acme, contact: privacy@acme.example}
shared: {measures: [Encryption]}
activities:
"""
ACTIVITY = """\
  - id: sales
    purpose: {en: Sell, fr: Vendre}
    people: [Prospects]
    data: [{name: Identity, fields: [first_name, extra.score]}]
    basis: [{article: 6(1)(f)}]
    retention:
      - {id: prospects, period: 36 months, clock: last_person_act, then: archive, source: CNIL}
"""

Read = Callable[[str], Register]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Give a function that reads a register from text."""

    def read_text(text: str) -> Register:
        path = tmp_path / "register.yaml"
        path.write_text(text, encoding="utf-8")
        return load_register(path)

    return read_text


@pytest.fixture
def mistakes(tmp_path: Path) -> Mistakes:
    """Give a function that returns what is wrong with a register, named without its folder."""

    def of(text: str, language: str = "en") -> list[str]:
        path = tmp_path / "register.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as raised:
            load_register(path, language)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in raised.value.problems]

    return of


def test_rules_read_periods_and_fields(read: Read) -> None:
    """A period by its id, and the fields that some activity covers."""
    register = read(HEAD + ACTIVITY)

    assert register.periods == {
        "prospects": Period(
            "prospects", Duration(36, "month"), "last_person_act", "archive", "CNIL", "at_most"
        )
    }
    assert register.fields == {"first_name", "extra.score"}
    assert register.covering("first_name") == ("sales",)
    assert register.covering("last_name") == ()


MANY = """\
version: 1
controler: {name: Acme}
controller: {name: {en: Acme}, contact: }
shared: {measures: []}
activities:
  - id: Sales
    purpose: {en: Sell, fr: Vendre}
    people: Prospects
    data: [{name: Identity, fields: [first_nme, extra.score]}]
    basis: [{article: 6(1)(g)}]
    retention:
      - {id: prospects, period: 36 moons, clock: last_open, then: archve, source: CNIL}
      - {id: former, period: 300 years, clock: updated_at, then: delete, source: ""}
  - id: other
    purpose: Else
    people: [Customers]
    data: [{name: Identity}]
    basis: [{article: 6(1)(b)}]
    retention:
      - {id: prospects, period: 1 month, clock: last_activity, then: ask, source: x}
      - {id: again, period: 1 month, clock: created_at, then: ask, source: x}
      - {id: login, period: 1 month, clock: last_logn, then: ask, source: x}
  - id: other
    retention: []
"""


def test_every_mistake_in_one_pass(mistakes: Mistakes) -> None:
    """Each with line, column and, where it helps, what was meant."""
    found = "\n".join(mistakes(MANY))

    for said in (
        "register.yaml:2:1: unknown key 'controler' (did you mean 'controller'?)",
        "register.yaml:3:20: 'fr' is missing",
        "register.yaml:3:32: no value here",
        "register.yaml:4:20: at least 1 needed",
        "register.yaml:6:9: 'Sales' cannot be an id",
        "register.yaml:8:13: list expected, found 'Prospects'",
        "register.yaml:9:38: unknown field 'first_nme' (did you mean 'first_name'?)",
        "register.yaml:10:23: '6(1)(g)' is not one of 6(1)(a)",
        "register.yaml:12:33: '36 moons' is not a duration",
        "register.yaml:12:50: a period cannot be counted from 'last_open': opening an e-mail",
        "register.yaml:12:67: 'archve' is not one of archive, delete",
        "answer (did you mean 'archive'?)",
        "register.yaml:13:30: '300 years' is longer than 200 years",
        "register.yaml:13:48: a period cannot be counted from 'updated_at'",
        "register.yaml:13:82: at least 1 needed",
        "register.yaml:20:14: the id 'prospects' is already used at register.yaml:12:14",
        "register.yaml:20:49: a period cannot be counted from 'last_activity'",
        "register.yaml:21:45: 'created_at' says when the CRM's record was made",
        "register.yaml:22:45: 'last_logn' is not one of last_person_act, collected_at",
        "register.yaml:23:9: the id 'other' is already used at register.yaml:14:9",
        "register.yaml:23:5: 'purpose' is missing",
        "register.yaml:24:16: at least 1 needed",
    ):
        assert said in found, found


def test_mistakes_in_french(mistakes: Mistakes) -> None:
    """The same places, in French, none of them in English."""
    english, french = mistakes(MANY), mistakes(MANY, "fr")

    places = [[line.split(": ")[0] for line in lines] for lines in (english, french)]
    assert places[0] == places[1]
    assert not set(english) & set(french)
    found = "\n".join(french)
    assert "clé inconnue 'controler' (vouliez-vous dire 'controller' ?)" in found
    assert "la simple ouverture d'un courriel" in found
    assert "l'id 'prospects' est déjà pris à register.yaml:12:14" in found


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        ("last_open", "clock_open"),
        ("extra.last_email_opened", "clock_open"),
        ("extra.derniere_ouverture", "clock_open"),
        ("updated_at", "clock_edit"),
        ("last_modified", "clock_edit"),
        ("extra.lastmodifieddate", "clock_edit"),
        ("extra.SystemModstamp", "clock_edit"),
        ("extra.enriched_at", "clock_edit"),
        ("extra.import_date", "clock_edit"),
        ("last_activity", "clock_ours"),
        ("extra.last_sent", "clock_ours"),
        ("extra.lastActivityDate", "clock_ours"),
    ],
)
def test_what_is_no_act_of_the_person_is_no_clock(
    mistakes: Mistakes, clock: str, reason: str
) -> None:
    """Opens, edits and our own acts are refused, custom fields too, with the reference."""
    for number, language in enumerate(("en", "fr")):
        (said,) = mistakes(HEAD + ACTIVITY.replace("last_person_act", clock), language)
        assert SENTENCES[reason][number].format(clock=clock) in said
        assert "CNIL" in said
        assert said.startswith("register.yaml:11:")


@pytest.mark.parametrize(
    "clock",
    [*CLOCKS, "extra.last_order", "extra.account_opened", "extra.date_ouverture_compte"],
)
def test_acts_of_the_person_are_clocks(read: Read, clock: str) -> None:
    """All known clocks, and custom fields that say nothing against it."""
    register = read(HEAD + ACTIVITY.replace("last_person_act", clock))

    assert register.periods["prospects"].clock == clock


def test_the_digest_follows_what_rules_use(read: Read) -> None:
    """Another length, clock or field is another digest; another wording is not."""
    text = HEAD + ACTIVITY
    before = read(text).digest

    assert read(text.replace("Sell", "Win customers")).digest == before
    for old, new in (
        ("36 months", "35 months"),
        ("last_person_act", "collected_at"),
        ("extra.score", "extra.vip"),
        ("then: archive", "then: delete"),
        ("source: CNIL", "source: CNIL, bound: at_least"),
    ):
        assert read(text.replace(old, new)).digest != before


@given(text=st.text(max_size=400))
def test_any_text_is_a_register_or_a_list_of_mistakes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Whatever stands in the file: never another exception."""
    path = tmp_path_factory.mktemp("any") / "register.yaml"
    path.write_text(HEAD + text, encoding="utf-8", errors="replace")
    with pytest.raises(ConfigError) as raised:
        load_register(path)

    assert raised.value.problems


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ConfigError, match=r"none\.yaml:1:1: there is no such file"):
        load_register(tmp_path / "none.yaml")


def test_the_shipped_register_is_complete() -> None:
    """It covers every canonical field, speaks both languages, and names the periods of the law."""
    register = load_register(shipped_register())

    assert register.fields >= {name for name, field in FIELDS.items() if not field.computed}
    lengths = {name: str(period.length) for name, period in register.periods.items()}
    assert lengths == {
        "prospects": "36 months",
        "prospects-reengage": "33 months",
        "third-party-informed": "1 month",
        "former-customers": "36 months",
        "contract-evidence": "5 years",
        "accounting": "10 years",
        "inactive-accounts": "24 months",
        "de-consent-ask": "24 months",
        "de-consent-lapsed": "48 months",
        "de-phone-evidence": "5 years",
        "casl-purchase": "24 months",
        "casl-inquiry": "6 months",
        "objections": "36 months",
        "rights-request": "1 month",
        "fr-b2b-informed": "30 days",
        "prospects-silent": "36 months",
        "logs": "12 months",
    }
    assert "[Name and address of the company]" in register.blanks("en")
    assert "[Nom et adresse de la société]" in register.blanks("fr")


def test_every_decision_of_the_template_names_who_takes_it() -> None:
    """Above each legal basis and each group of periods stands who has to agree."""
    text = shipped_register().read_text("utf-8")
    decided = text.count("# Decide: ")

    assert decided >= 2 * len(load_register(shipped_register()).content.activities)
    for block in text.split("    basis:\n")[:-1]:
        assert "# Decide: " in block[-600:]


def test_config_holds_the_shipped_register() -> None:
    """config/register.yaml and the file in the wheel are the same, and no pack is called so."""
    shipped = shipped_register()

    assert (ROOT / "config/register.yaml").read_bytes() == shipped.read_bytes()
    assert "register" not in packs()


def test_the_schema_in_config_is_current() -> None:
    """`make schemas` has been run."""
    stored = json.loads((ROOT / "config/register.schema.json").read_text("utf-8"))

    assert stored == SCHEMA


def test_the_shipped_register_fits_the_schema() -> None:
    """An editor shows no mistake in it, and is told where the schema is."""
    text = shipped_register().read_text("utf-8")
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(YAML(typ="safe", pure=True).load(text))

    assert text.startswith("# yaml-language-server: $schema=register.schema.json\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("36 months", "36 moons"),
        ("first_name", "first_nme"),
        ("6(1)(f)", "6(1)(g)"),
        ("then: archive", "then: archve"),
        ("last_person_act", "updated_at"),
        ("[Encryption]", "[]"),
        ("id: sales", "id: S S"),
        ("people:", "peopel:"),
    ],
)
def test_the_editor_sees_the_mistakes_the_loader_sees(read: Read, old: str, new: str) -> None:
    """What the loader refuses, the schema refuses too."""
    text = (HEAD + ACTIVITY).replace(old, new)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(YAML(typ="safe", pure=True).load(text))
    with pytest.raises(ConfigError):
        read(text)


@pytest.mark.parametrize("page", ["docs/register.md", "docs/fr/register.md"])
def test_the_pages_are_right(read: Read, page: str) -> None:
    """The example of each page is a register, and every key, clock and end is described."""
    text = (ROOT / page).read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)

    assert read(example).fields == {"first_name", "last_name", "extra.interests"}
    words = {*CLOCKS, *get_args(Then), *get_args(Bound), *Retention.model_fields}
    assert {word for word in words if f"`{word}`" not in text} == set()
