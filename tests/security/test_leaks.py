"""H27, H28, H29: secrets and people stay out of what operators see, and read-only means read-only.

A loop over four emulated CRMs at debug level, with each of them failing in every way it can: on
standard error, in the metrics, in the default report, in what the program starts, in a crash and in
the database's bytes, no credential, no address, no number and no name of anybody.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.conftest import Cli
from tests.program import Program

from crm_steward.cli.app import app
from crm_steward.connect.discovery import specs
from crm_steward.model import ConfigError, utc_now
from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward.settings import load_settings, vault_of
from crm_steward.store.database import Database
from crm_steward.store.vault import DatabaseVault, TokenKey
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

KINDS = {
    "hubspot": HubSpotSandbox,
    "salesforce": SalesforceSandbox,
    "zoho": ZohoSandbox,
    "pipedrive": PipedriveSandbox,
}
SECRET_SETTINGS = ("token", "client_secret", "refresh_token", "api_token", "password", "code")
KEY = "c4nary-key-0123456789abcdef0123456789abcdef"
PASSWORD = "c4nary-mail-password"
LOOP: tuple[tuple[str, ...], ...] = (
    ("check",), ("pull",), ("scan",), ("plan",), ("apply", "--yes"), ("journal",), ("report",),
)  # fmt: skip
FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 400}, {"status": 401}, {"status": 403}, {"status": 404}, {"status": 409},
    {"status": 422}, {"status": 500}, {"reset": "before"}, {"half_body": True},
    {"truncated_json": True}, {"html": True}, {"error_body": True}, {"status": 429, "retry_after": 1},
)  # fmt: skip


@pytest.fixture
def crms() -> Iterator[dict[str, Server]]:
    """Serve the four."""
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(serve(sandbox(contacts=40, seed=11)))
            for kind, sandbox in KINDS.items()
        }


@pytest.fixture
def secrets(tmp_path: Path, crms: dict[str, Server]) -> list[str]:
    """Write settings for the four with every secret in a secret file; give the secrets."""
    (tmp_path / "secrets").mkdir(mode=0o700)
    given = {"token_key": KEY, "mail__password": PASSWORD}
    connections: dict[str, Any] = {}
    for kind, server in crms.items():
        connection = {"kind": kind, "country": "FR", **server.emulator.connection(server.url)}
        for name in SECRET_SETTINGS:
            if name in connection:
                given[f"connections__{kind}__{name}"] = str(connection.pop(name))
        connections[kind] = connection
    for name, value in given.items():
        file = tmp_path / "secrets" / name
        file.write_text(value, "utf-8")
        file.chmod(0o600)
    settings = {
        "version": 1,
        "database": "sqlite:///steward.db",
        "connections": connections,
        "limits": {"max_percent_per_day": 100},
        "mail": {"host": "127.0.0.1", "port": 9, "security": "none", "sender": "s@example.com",
                 "username": "steward", "timeout": "1 second"},
        "report": {"recipients": ["boss@example.com"]},
        "log": {"level": "debug", "format": "json"},
    }  # fmt: skip
    path = tmp_path / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    path.chmod(0o600)
    return list(given.values())


def people_in(crms: dict[str, Server]) -> set[str]:
    """Return what identifies the emulated people: addresses, numbers, and family names."""
    tables = ("contacts", "persons", "Contact", "Contacts")
    return {
        value
        for server in crms.values()
        for table in tables
        for key, value in _texts(server.emulator.state()["tables"].get(table, {}))
        if len(value) > 5 and _identifies(key, value)
    }


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)


def _identifies(key: str, value: str) -> bool:
    if not re.search(r"(?i)e-?mail|phone|mobile|last_?name|value", key):
        return False
    return "@" in value or "name" in key.lower() or sum(map(str.isdigit, value)) > 7


def leaks(text: str, forbidden: set[str] | list[str]) -> list[str]:
    """Return what stands in `text` and may not."""
    return [value for value in forbidden if value in text]


def test_a_loop_at_debug_leaks_nothing(
    steward: Cli, crms: dict[str, Server], secrets: list[str], tmp_path: Path
) -> None:
    """Check, pull, scan, plan, apply, journal, report; the mail server is gone."""
    people = people_in(crms)
    assert len(people) > 300
    logged, shown = "", ""
    for command in LOOP:
        done = steward(*command)
        assert done.returncode in {0, 1, 9}, done.stderr
        logged += done.stderr
        shown += done.stdout if command[0] in {"check", "pull", "journal", "report"} else ""
    assert len(logged) > 1_000
    assert leaks(logged + shown, secrets) == []
    assert leaks(logged, people) == []
    assert leaks(shown, {one for one in people if "@" in one}) == []

    held = b"".join(path.read_bytes() for path in tmp_path.glob("steward.db*"))
    assert [secret for secret in secrets if secret.encode() in held] == []
    with closing(sqlite3.connect(tmp_path / "steward.db")) as database:
        dump = "\n".join(database.iterdump())
    assert leaks(dump, secrets) == []
    assert leaks(dump, people) != []  # else nothing was looked for


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_failure_of_a_crm_leaks_anything(
    steward: Cli, crms: dict[str, Server], secrets: list[str], fault: dict[str, Any]
) -> None:
    """Each kind of failure, of the four at once, while a token is asked for and while pages are read."""
    people = people_in(crms)
    for number, server in enumerate(crms.values()):
        server.faults.add(parse_faults([{**fault, "nth": 2 + number % 2}]))
    done = steward("pull")
    fired = [server for server in crms.values() if any(one["faults"] for one in server.log)]
    assert len(fired) == len(crms), done.stderr
    assert done.returncode != 70, done.stderr
    assert len(done.stderr) > 500
    assert leaks(done.stdout + done.stderr, secrets) == []
    assert leaks(done.stdout + done.stderr, people) == []


@pytest.mark.usefixtures("secrets")
def test_a_stolen_database_gives_no_token(steward: Cli, tmp_path: Path) -> None:
    """What the CRMs issued is sealed: with the key it opens, with another or none it does not."""
    assert steward("pull").returncode == 0
    settings = load_settings(tmp_path / "crm-steward.yaml")
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database, database.read() as reading:
        names = [row[0] for row in reading.exec_driver_sql("SELECT name FROM tokens")]
    assert {name.partition("/")[0] for name in names} >= {"salesforce", "zoho"}
    held = b"".join(path.read_bytes() for path in tmp_path.glob("steward.db*"))

    with closing(vault_of(settings)) as vault:
        issued = [token for name in names if (token := vault.load(name))]
    assert len(issued) == len(names)
    assert [one for one in issued if one.access.encode() in held] == []
    assert [one for one in issued if one.refresh and one.refresh.encode() in held] == []

    thief = DatabaseVault(
        lambda: Database.open(f"sqlite:///{tmp_path}/steward.db"),
        TokenKey("", tmp_path / "elsewhere" / "none"),
        clock=utc_now,
    )
    (tmp_path / "elsewhere").mkdir()
    with closing(thief):
        for name in names:
            with pytest.raises(ConfigError, match="another token_key"):
                thief.load(name)


def test_no_secret_is_in_a_command_line(
    steward: Cli, crms: dict[str, Server], secrets: list[str], tmp_path: Path
) -> None:
    """`ps` shows everybody what a program is started with: ours starts its own with no secret.

    And no option takes one: each is a setting, of which the environment's name is public.
    """
    notes = tmp_path / "notes"
    path = f"{Path(__file__).parent / 'watched'}:{os.environ.get('PYTHONPATH', '')}"
    env = {"PYTHONPATH": path, "WATCHED_NOTES": str(notes)}
    # The large way of reading starts a process of its own.
    for command in (("pull",), ("scan",), ("plan",)):
        assert steward(*command, env=env).returncode == 0
    started = [w for k, w in map(json.loads, notes.read_text("utf-8").splitlines()) if k == "start"]
    assert [line for line in started if leaks(line, secrets)] == []
    assert crms

    options = {
        option
        for command in _commands(typer.main.get_command(app))
        for parameter in command.params
        for option in parameter.opts
    }
    assert "--config" in options
    assert [name for name in options if re.search(r"token|secret|password|key\b", name)] == []


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _commands(inner)


CRASH = """\
import sys
import crm_steward.{module} as module
from crm_steward.cli import main

def crash(*args, **options):
    secret, person = {secret!r}, {person!r}
    try:
        raise KeyError(secret)
    except KeyError as error:
        raise RuntimeError(f"no such person: {{person}}, {{args}}") from error

module.{function} = crash
sys.argv = ["crm-steward", {command!r}]
main()
"""


@pytest.mark.parametrize(
    ("module", "function", "command"),
    [
        ("pull", "pull", "pull"),
        ("scan", "scan", "scan"),
        ("store.database", "_sqlite", "pull"),
        ("connect.discovery", "open_connection", "check"),
        ("store.mirror", "Mirror", "pull"),
    ],
)
def test_a_crash_is_reported_without_values(
    secrets: list[str],
    program: Program,
    tmp_path: Path,
    module: str,
    function: str,
    command: str,
) -> None:
    """Exit code 70, the place and the type; the message and what led to it hold data and are not shown."""
    person = "c4nary.person@example.org"
    text = CRASH.format(
        module=module, function=function, command=command, secret=secrets[0], person=person
    )
    # Anew: what is put in place of a function has to be there before others load it.
    done = program.run([], cwd=tmp_path, code=text, anew=True)
    assert done.returncode == 70, done.stderr
    assert "unexpected error: RuntimeError" in done.stderr
    assert "crash" in done.stderr
    assert leaks(done.stdout + done.stderr, [*secrets, person]) == []


WRITES = re.compile(r"(?i)write|\.all\b|create|update|delete")


def test_a_read_only_installation_asks_for_no_right_to_write(steward: Cli, tmp_path: Path) -> None:
    """What `init` tells an administrator to tick first is for reading, and enough for all but apply."""
    told = {kind: spec.access for kind, spec in specs().items()}
    reading = {
        kind: [line for line in lines if not _to_write(line)] for kind, lines in told.items()
    }
    asked = [line for kind in ("hubspot", "zoho") for line in reading[kind] if WRITES.search(line)]
    assert asked == []

    scopes = re.findall(r"crm(?:\.\w+)+", " ".join(reading["hubspot"]))
    with serve(HubSpotSandbox(contacts=40, seed=2, scopes=scopes)) as server:
        connection = {"kind": "hubspot", **server.emulator.connection(server.url)}
        path = tmp_path / "crm-steward.yaml"
        path.write_text(yaml.safe_dump({"version": 1, "connections": {"crm": connection}}), "utf-8")
        path.chmod(0o600)
        codes = {c: steward(c).returncode for c in ("pull", "scan", "plan", "findings", "report")}
        assert codes == dict.fromkeys(codes, 0)
        tried = [call for call in server.log if call["status"] in {401, 403}]
        steward("apply", "--yes", "--approve", "all")
        changed = [call for call in server.log if call["method"] in {"PATCH", "DELETE"}]
    assert tried == []
    assert [call for call in changed if call["status"] < 300] == []


def _to_write(line: str) -> bool:
    return line.startswith("To ") and not line.startswith("To read")
