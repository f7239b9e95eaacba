"""`crm-steward register …` as whoever keeps the register meets it."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crm_steward.connect.protocol import Page
from crm_steward.model import Contact, Email, RecordRef
from crm_steward.rules import load_register, shipped_register
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

if TYPE_CHECKING:
    from tests.conftest import Cli

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MINE = """\
version: 1
controller: {name: Acme SAS, contact: privacy@acme.example}
shared: {measures: [{en: Encryption, fr: Chiffrement}]}
activities:
  - id: sales
    purpose: {en: Sell, fr: Vendre}
    people: [Prospects]
    data: [{name: Identity, fields: [first_name, email, extra.size]}]
    basis: [{article: 6(1)(f)}]
    retention:
      - {id: prospects, period: 36 months, clock: last_person_act, then: archive, source: CNIL}
"""
SETTINGS = """\
version: 1
language: en
database: sqlite:///steward.db
rules: {packs: [], register: mine.yaml}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Give a folder with settings that name a register."""
    (tmp_path / "mine.yaml").write_text(MINE, "utf-8")
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS, "utf-8")
    return tmp_path


@pytest.fixture
def mirror(mine: Path) -> Path:
    """Give the same with a mirror of two contacts."""
    contacts = (
        Contact(
            ref=RecordRef("crm", "1"),
            first_name="Zoé",
            job_title="Buyer",
            emails=(Email("zoe@example.com"),),
            extra={"size": 38, "odd/~name": "x", "religion": " ", "vip": None},
        ),
        Contact(ref=RecordRef("crm", "2"), first_name="Ann", extra={"religion": "none"}),
    )
    with Database.open(f"sqlite:///{mine}/steward.db") as database:
        page = Page(contacts=contacts, cursor=None, complete=True)
        Mirror(database).save_page("crm", "file", page, now=NOW, full=True)
        Mirror(database).note("crm", "file", last_full_at=NOW)
    return mine


@pytest.mark.usefixtures("mine")
def test_lint_says_that_all_is_well(steward: Cli) -> None:
    """The register of the settings, or a file that is named; one line and exit code 0."""
    for named in ((), ("mine.yaml",)):
        done = steward("register", "lint", *named)
        said = "No mistakes. Activities: 1, periods: 1.\n"
        assert (done.returncode, done.stdout) == (0, said), done.stderr


def test_lint_without_settings_looks_at_the_template(steward: Cli) -> None:
    """Right, and what is still to be filled in is named, in the language asked for."""
    done = steward("register", "lint", "--language", "fr")

    assert done.returncode == 0
    assert "Aucune erreur." in done.stdout
    assert "Reste à compléter : [Nom et adresse de la société]" in done.stdout


def test_lint_lists_every_mistake_and_ends_with_three(steward: Cli, mine: Path) -> None:
    """As text and, for programs, with the places as numbers."""
    bad = MINE.replace("last_person_act", "updated_at").replace("6(1)(f)", "6(1)(g)")
    (mine / "mine.yaml").write_text(bad, "utf-8")
    done = steward("register", "lint", "mine.yaml", "--language", "fr")
    document = json.loads(steward("register", "lint", "--json").stdout)

    assert done.returncode == 3
    assert "mine.yaml:9:23: '6(1)(g)' ne fait pas partie de 6(1)(a)" in done.stderr
    assert "mine.yaml:11:51: une durée ne peut pas partir de 'updated_at'" in done.stderr
    assert "SAN-2024-020" in done.stderr
    places = [(problem["line"], problem["column"]) for problem in document["problems"]]
    assert places == [(9, 23), (11, 51)]


def test_export_is_a_page(steward: Cli, mine: Path) -> None:
    """One HTML document, on the terminal or in a file, in either language."""
    printed = steward("register", "export").stdout
    done = steward("register", "export", "--language", "fr", "--out", "record.html")
    written = (mine / "record.html").read_text("utf-8")

    assert done.returncode == 0, done.stderr
    assert "Écrit dans record.html" in done.stdout
    assert printed.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "Record of processing activities" in printed
    for said in ("Registre des activités de traitement", "Acme SAS", "Vendre", "Chiffrement"):
        assert said in written


def test_export_is_a_table(steward: Cli, mine: Path) -> None:
    """CSV that a spreadsheet program opens in UTF-8: one row per activity."""
    done = steward("register", "export", "--format", "csv", "--out", "record.csv")
    content = (mine / "record.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    assert done.returncode == 0, done.stderr
    assert content.startswith(b"\xef\xbb\xbf")
    assert rows[0]["Controller"] == "Acme SAS"
    assert rows[0]["Periods"].startswith(
        "prospects \N{EN DASH} at most 36 months from the last act"
    )


@pytest.mark.usefixtures("mine")
def test_export_for_programs(steward: Cli) -> None:
    """With --json fields and periods keep the names that rules know."""
    document = json.loads(steward("register", "export", "--json").stdout)
    (activity,) = document["activities"]

    assert activity["data"] == [["Identity", ["first_name", "email", "extra.size"]]]
    assert activity["retention"][0]["period"] == "36 months"
    assert activity["retention"][0]["clock"] == "last_person_act"


@pytest.mark.usefixtures("mine")
def test_export_to_nowhere_is_said(steward: Cli) -> None:
    """A folder that is not there is a mistake of whoever named it, not a crash."""
    done = steward("register", "export", "--out", "nowhere/record.html")

    assert done.returncode == 3
    assert "nowhere/record.html cannot be written" in done.stderr


@pytest.mark.usefixtures("mirror")
def test_fields_that_no_activity_covers_are_marked(steward: Cli) -> None:
    """How many contacts fill each field, who covers it, and exit code 1 for what nobody covers."""
    done = steward("register", "fields")

    assert done.returncode == 1, done.stderr
    assert re.search(r"^ ?first name +first_name +2 +sales", done.stdout, re.MULTILINE)
    assert re.search(r"^ ?size +extra\.size +1 +sales", done.stdout, re.MULTILINE)
    assert re.search(r"^ ?job title +job_title +1 +✗ none", done.stdout, re.MULTILINE)
    assert re.search(r"^ ?religion +extra\.religion +1 +✗ none", done.stdout, re.MULTILINE)
    assert "GDPR 5(1)(c), 30): 3. job_title, extra.odd/~name, extra.religion" in done.stdout
    assert "vip" not in done.stdout


def test_fields_that_are_all_covered(steward: Cli, mirror: Path) -> None:
    """Exit code 0; --json says the same."""
    more = "first_name, job_title, extra.odd/~name, extra.religion"
    (mirror / "mine.yaml").write_text(MINE.replace("first_name", more), "utf-8")
    done = steward("register", "fields", "--language", "fr")
    document = json.loads(steward("register", "fields", "--json").stdout)

    assert done.returncode == 0, done.stdout
    assert "Chaque champ rempli est couvert par une activité." in done.stdout
    assert document["uncovered"] == []
    assert {"field": "first_name", "contacts": 2, "activities": ["sales"]} in document["fields"]


@pytest.mark.usefixtures("mine")
def test_fields_of_an_empty_mirror(steward: Cli) -> None:
    """Nothing is filled, nothing is missing, and what to do is said."""
    done = steward("register", "fields")

    assert done.returncode == 0, done.stderr
    assert "crm-steward pull" in done.stdout


def test_the_template_is_printed_and_can_be_used(steward: Cli, tmp_path: Path) -> None:
    """What is printed is the shipped file, and it is right."""
    (tmp_path / "copy.yaml").write_text(steward("register", "template").stdout, "utf-8")

    assert (tmp_path / "copy.yaml").read_text("utf-8") == shipped_register().read_text("utf-8")
    assert load_register(tmp_path / "copy.yaml").periods


def test_the_schema_is_printed(steward: Cli) -> None:
    """What is printed is what is kept in `config`."""
    kept = Path(__file__).parents[2] / "config/register.schema.json"

    assert json.loads(steward("register", "schema").stdout) == json.loads(kept.read_text("utf-8"))
