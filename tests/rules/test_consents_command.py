"""`crm-steward consents`: what holds for a person, and where records disagree."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from crm_steward.connect.protocol import Page
from crm_steward.model import Channel, Consent, ConsentStatus, Contact, Email, RecordRef
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SETTINGS = "version: 1\nlanguage: {}\ndatabase: sqlite:///steward.db\nrules: {{packs: []}}\n"


def _said(status: ConsentStatus, purpose: str = "marketing") -> Consent:
    return Consent(channel=Channel.EMAIL, status=status, purpose=purpose)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Give settings and a mirror: one person on two connections who said no on one of them."""
    zoe = (Email("zoe@example.com"), Email("z@example.org"))
    kept = {
        "crm": [
            Contact(
                ref=RecordRef("crm", "1"), emails=zoe, consents=(_said(ConsentStatus.GRANTED),)
            ),
            Contact(
                ref=RecordRef("crm", "2"),
                emails=(Email("max@example.com"),),
                consents=(_said(ConsentStatus.GRANTED, "news"),),
            ),
        ],
        "other": [
            Contact(
                ref=RecordRef("other", "7"),
                emails=(Email("Z@example.org"),),
                consents=(_said(ConsentStatus.WITHDRAWN),),
            )
        ],
    }
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS.format("en"), "utf-8")
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        for name, contacts in kept.items():
            page = Page(contacts=tuple(contacts), cursor=None, complete=True)
            Mirror(database).save_page(name, "file", page, now=NOW, full=True)
    return tmp_path


@pytest.mark.usefixtures("mirror")
def test_one_person_address_by_address(steward: Cli) -> None:
    """The strictest status of all records counts for each address, and who says so is named."""
    done = steward("consents", "crm:1", "--json")

    assert json.loads(done.stdout) == [
        {
            "channel": "email",
            "purpose": "marketing",
            "status": "withdrawn",
            "decided_by": ["other:7"],
            "otherwise": ["crm:1"],
        },
        {
            "channel": "email",
            "purpose": "marketing",
            "status": "granted",
            "decided_by": ["crm:1"],
            "otherwise": [],
        },
    ]
    assert "example" not in done.stdout + done.stderr


@pytest.mark.usefixtures("mirror")
def test_conflicts_and_addresses_where_they_are_asked_for(steward: Cli) -> None:
    """Only the address that records disagree about; printed only on demand."""
    (one,) = json.loads(steward("consents", "--conflicts", "--show-addresses", "--json").stdout)
    plain = steward("consents", "--conflicts")

    assert (one["address"], one["status"]) == ("z@example.org", "withdrawn")
    assert "other:7" in plain.stdout
    assert "example.org" not in plain.stdout
    assert "z@example.org" in steward("consents", "crm:1", "--show-addresses").stdout


def test_it_speaks_french(steward: Cli, mirror: Path) -> None:
    """Heads and statuses are in the language of the settings."""
    (mirror / "crm-steward.yaml").write_text(SETTINGS.format("fr"), "utf-8")
    done = steward("consents", "--conflicts")

    assert "ce qui vaut" in done.stdout
    assert "retiré" in done.stdout


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a record"),
        (("crm:1", "--conflicts"), "give a record"),
        (("crm",), "write connection:id"),
        (("crm:99",), "holds no record crm:99"),
    ],
)
def test_what_it_cannot_answer_is_said(steward: Cli, arguments: tuple[str, ...], said: str) -> None:
    """A missing or unknown record ends with one line and the exit code of wrong input."""
    done = steward("consents", *arguments)

    assert done.returncode == 3
    assert said in done.stderr
