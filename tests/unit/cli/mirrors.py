"""An invented mirror for `crm-steward duplicates`: a person in two CRMs, a family, a firm, strangers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, Email, Phone, PhoneKind, PostalAddress, RecordRef, utc_now
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

Typed = Callable[..., Result]
RULES = """
version: 1
rules:
  - id: twins
    about: {en: One person twice, fr: Une personne deux fois}
    check: {kind: duplicates, levels: [same e-mail and similar name], at_least: 0.5}
  - id: twins-of-one-crm
    about: {en: One person twice in one CRM, fr: Une personne deux fois dans un CRM}
    check: {kind: duplicates, within: connection}
  - id: no-phone
    about: {en: No phone, fr: Sans téléphone}
    check: {kind: required, fields: [phone]}
"""


def contact(
    ref: str, first: str, last: str, email: str = "", phone: str = "", city: str = "", **values: Any
) -> Contact:
    """Return an invented contact."""
    return Contact(
        ref=RecordRef.parse(ref),
        first_name=first,
        last_name=last,
        emails=(Email(email),) if email else (),
        phones=(Phone(phone, PhoneKind.WORK),) if phone else (),
        address=PostalAddress(city=city or None),
        **values,
    )


PEOPLE = (
    contact(
        "crm:1", "Zoë", "Quillfeather", "zoe.quillfeather@acme.example", "+33123456781", city="Lyon"
    ),
    contact(
        "crm:2", "Zoe", "Quilfeather", "zoe.quillfeather@acme.example", "+33123456781", city="Lyon"
    ),
    contact("other:3", "Zoë", "Quillfeather", "zoe@gmail.com", "+33123456781", city="Lyon"),
    contact("crm:4", "Paul", "Quillfeather", "paul@gmail.com", "+33123456781", city="Lyon"),
    contact("crm:5", "Ines", "Oakenshaw", "ines@firm.example", company="Firm", city="Nice"),
    contact("crm:6", "Omar", "Brindle", "omar@firm.example", company="Firm", city="Nice"),
    contact("other:7", "Nobody", "Else", "else@nowhere.example"),
)


def save(database: Database, contacts: Iterable[Contact]) -> None:
    """Let pulls bring contacts."""
    held = list(contacts)
    for name in sorted({one.ref.connection for one in held}):
        here = [one for one in held if one.ref.connection == name]
        page = Page(cursor=Cursor("1"), contacts=here, complete=True)
        Mirror(database).save_page(name, "fake", page, now=utc_now(), full=True)


def typing(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, rules: str = RULES
) -> Typed:
    """Return `crm-steward` as it is typed in a folder with settings and rules."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    (folder / "rules.yaml").write_text(rules, "utf-8")

    def run(*arguments: str | Path, language: str = "en") -> Result:
        text = (
            f"database: {database_url}\nlanguage: {language}\n"
            "rules: {packs: [], paths: [rules.yaml]}\n"
        )
        (folder / "crm-steward.yaml").write_text(text, "utf-8")
        return CliRunner().invoke(app, [*map(str, arguments)])

    return run


def said(result: Result, code: int = 0) -> str:
    """Return what was printed, without the line breaks of boxes."""
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.replace("│", " ").split())
