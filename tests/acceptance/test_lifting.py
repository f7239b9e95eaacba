"""Suppressions through the command line: made, shown, lifted by a person's word, or kept with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.acceptance.conftest import Office
from tests.acceptance.test_merging import create
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

RULE = """\
version: 1
rules:
  - id: silence
    about: {en: Nobody knows what they do, fr: On ne sait pas ce qu'ils font}
    where: {field: last_name, equals: Stewardsson}
    check: {kind: required, fields: [job_title]}
    actions: [suppress: {channel: email}]
    mode: apply
"""
EMAIL = "maja.stewardsson@example.org"


@pytest.fixture
def zoho(office: Office) -> Iterator[Server]:
    """Serve a Zoho organisation and write settings for it."""
    with serve(ZohoSandbox(contacts=20, seed=3)) as server:
        settings = {"kind": "zoho", **server.emulator.connection(server.url)}
        _write(office, zoho=settings)
        yield server


def test_a_suppression_is_lifted_with_its_number_and_a_reason(steward: Cli, zoho: Server) -> None:
    """Shown with the warning, refused with another number, lifted, kept as evidence, in French."""
    record = _add_to_zoho(zoho)
    _round(steward)
    assert _opted_out(zoho, record)

    shown = steward("undo", "silence")
    said = " ".join(shown.stdout.split())
    assert shown.returncode == 0, shown.stderr
    for part in ("CONTACTER À NOUVEAU par e-mail", "RGPD art. 21(2)-(3)", "--yes --loosen 1"):
        assert part in said, said
    assert json.loads(steward("undo", "silence", "--json").stdout)["suppressions_to_lift"] == 1
    plain = steward("undo", "silence", "--yes", "--wait", "0")
    assert (plain.returncode, _opted_out(zoho, record)) == (0, True)

    for wrong, code in (
        (("--loosen", "2", "--reason", "a mistake"), 6),
        (("--loosen", "1"), 2),
        (("--reason", "a mistake"), 2),
    ):
        assert steward("undo", "silence", "--yes", *wrong).returncode == code
    assert steward("undo", "silence", "--loosen", "1", "--reason", "a mistake").returncode == 2
    assert _opted_out(zoho, record)

    done = steward(
        *("undo", "silence", "--yes", "--loosen", "1", "--by", "eva"),
        *("--reason", "the rule was wrong"),
    )
    assert done.returncode == 0, done.stderr
    assert not _opted_out(zoho, record)
    told = steward("journal", "evidence").stdout
    assert "lifted by eva: the rule was wrong" in " ".join(told.split())
    assert steward("journal", "verify").returncode == 0


def test_the_persons_own_no_stays(steward: Cli, zoho: Server) -> None:
    """They clicked on the unsubscribe link after we had suppressed: nothing is lifted."""
    record = _add_to_zoho(zoho)
    _round(steward)
    zoho.emulator.by_hand({"do": "opt_out", "id": record})

    steward("undo", "silence", "--yes", "--loosen", "1", "--reason", "the rule was wrong")

    assert _opted_out(zoho, record)


def test_a_silenced_telephone_is_lifted_too(steward: Cli, office: Office) -> None:
    """Salesforce, the one that can: refused with another number, lifted, kept as evidence."""
    with serve(SalesforceSandbox(contacts=20, seed=3)) as server:
        settings = {"kind": "salesforce", **server.emulator.connection(server.url)}
        _write(office, RULE.replace("email", "phone"), salesforce=settings)
        record = create("salesforce", server, last="Stewardsson", phone="+33199009911")

        def silent() -> bool:
            return bool(server.emulator.find("Contact", record)["DoNotCall"])

        _round(steward)
        assert silent()
        assert "par téléphone" in " ".join(steward("undo", "silence").stdout.split())
        wrong = steward("undo", "silence", "--yes", "--loosen", "2", "--reason", "a mistake")
        assert (wrong.returncode, silent()) == (6, True)

        done = steward("undo", "silence", "--yes", "--loosen", "1", "--reason", "a mistake")

        assert (done.returncode, silent()) == (0, False), (done.stdout, done.stderr)
    assert "a mistake" in steward("journal", "evidence").stdout
    assert steward("journal", "verify").returncode == 0


def test_a_crm_without_a_way_back_says_so(steward: Cli, office: Office, hubspot: Server) -> None:
    """HubSpot: named with the reason, in French; and asking for one all the same writes nothing."""
    settings = {"kind": "hubspot", "token": HubSpotSandbox.TOKEN, "base_url": hubspot.url}
    _write(office, hubspot=settings)
    values = {"lastname": "Stewardsson", "email": EMAIL, "jobtitle": ""}
    hubspot.emulator.by_hand({"do": "create", "values": values})
    _round(steward)

    shown = steward("undo", "silence")

    assert "HubSpot garde l'opposition avec l'adresse" in " ".join(shown.stdout.split())
    asked = steward("undo", "silence", "--yes", "--loosen", "1", "--reason", "a mistake")
    assert asked.returncode == 6


def _write(office: Office, rule: str = RULE, **connections: object) -> None:
    rules = office(
        connections=connections, rules={"packs": [], "paths": ["mine.yaml"]}, language="fr"
    )
    (rules.parent / "mine.yaml").write_text(rule, "utf-8")


def _add_to_zoho(zoho: Server) -> str:
    values = {"Last_Name": "Stewardsson", "Email": EMAIL}
    return str(zoho.emulator.by_hand({"do": "create", "values": values})["id"])


def _opted_out(zoho: Server, record: str) -> bool:
    return bool(zoho.emulator.find(record)["values"]["Email_Opt_Out"])


def _round(steward: Cli) -> None:
    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply", "--yes")):
        done = steward(*command)
        assert done.returncode == 0, done.stderr
