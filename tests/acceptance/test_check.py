"""`crm-steward check` and `connectors`: what is wrong, what to do, and the exit code."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from crm_steward.sandbox import Server, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

Cli = Callable[..., subprocess.CompletedProcess[str]]
CANARY = "pat-eu1-canary-canary-0000"


@pytest.fixture
def hubspot() -> Iterator[Server]:
    """Give an emulated HubSpot with a few contacts."""
    with serve(HubSpotSandbox(contacts=5, seed=1)) as server:
        yield server


def write(folder: Path, text: str) -> None:
    """Write the settings, readable by their owner only."""
    path = folder / "crm-steward.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def connection(hubspot: Server, token: str = HubSpotSandbox.TOKEN) -> str:
    """Return settings of a connection to the emulator."""
    return f"connections: {{crm: {{kind: hubspot, base_url: '{hubspot.url}', token: {token}}}}}\n"


def test_all_is_well(steward: Cli, tmp_path: Path, hubspot: Server) -> None:
    """Each thing that was looked at has its line; nothing was made, nothing was sent."""
    write(tmp_path, connection(hubspot))
    ended = steward("check")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for line in ("✓ settings", "✓ rules", "✓ database", "✓ connection crm HubSpot account"):
        assert line in ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["crm-steward.yaml"]


def test_a_register_of_ones_own_is_looked_at(steward: Cli, tmp_path: Path) -> None:
    """What is still to be filled in is a warning; a mistake has its place and exit code 3."""
    register = tmp_path / "register.yaml"
    register.write_text(steward("register", "template").stdout, "utf-8")
    write(tmp_path, "rules: {register: register.yaml}\n")
    template = steward("check").stdout
    register.write_text(register.read_text("utf-8").replace("[E-mail", "E-mail"), "utf-8")
    register.write_text(register.read_text("utf-8").replace("36 months", "36 moons", 1), "utf-8")
    ended = steward("check")

    assert "! register" in template
    assert "[Name and address of the company]" in template
    assert ended.returncode == 3
    assert "'36 moons' is not a duration" in " ".join(ended.stdout.split())


def test_as_json(steward: Cli, tmp_path: Path, hubspot: Server) -> None:
    """One document for scripts, the same exit code."""
    write(tmp_path, connection(hubspot, CANARY))
    ended = steward("check", "--json")
    document: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, document["exit"], document["ok"]) == (4, 4, False)
    assert {check["state"] for check in document["checks"]} == {"ok", "failed"}
    assert CANARY not in ended.stdout + ended.stderr


def test_every_mistake_of_the_settings_is_a_line(steward: Cli, tmp_path: Path) -> None:
    """All at once, each with place and remedy; the token in the wrong place is not shown."""
    write(tmp_path, f"timezone: {CANARY}\nlangage: fr\nconnections: {{h: {{kind: hubspot}}}}\n")
    ended = steward("check")
    assert ended.returncode == 3
    assert ended.stdout.count("✗ settings crm-steward.yaml:") == 3
    assert "→ Write it there, or set CRM_STEWARD_CONNECTIONS__H__TOKEN" in ended.stdout
    assert "3 of 3 checks failed" in ended.stdout
    assert CANARY not in ended.stdout + ended.stderr


def test_one_failure_does_not_hide_the_others_and_the_gravest_tells_the_code(
    steward: Cli, tmp_path: Path, hubspot: Server
) -> None:
    """Wrong rules, an unreachable mail server and a refused token are three lines; 3 wins."""
    (tmp_path / "own.yaml").write_text("rules: [{id: x}]", "utf-8")
    text = (
        "rules: {paths: [own.yaml]}\n"
        "mail: {host: 127.0.0.1, port: 1, security: none, sender: a@example.com}\n"
    )
    write(tmp_path, connection(hubspot, CANARY) + text)
    ended = steward("check")
    assert ended.returncode == 3
    assert "✗ rules own.yaml:1:" in ended.stdout.replace(f"{tmp_path}/", "")
    assert "✗ connection crm" in ended.stdout
    assert "✗ mail 127.0.0.1:1: the mail server cannot be reached" in ended.stdout


def test_a_crm_out_of_reach(steward: Cli, tmp_path: Path) -> None:
    """Nobody listens: exit code 5, named with the connection."""
    text = "{kind: hubspot, base_url: 'http://127.0.0.1:1', token: x, timeout: 2 seconds}"
    write(tmp_path, f"connections: {{crm: {text}}}\n")
    ended = steward("check")
    assert ended.returncode == 5, ended.stdout
    assert "✗ connection crm" in ended.stdout


def test_one_connection_can_be_checked_alone(steward: Cli, tmp_path: Path, hubspot: Server) -> None:
    """--connection leaves the others out; a wrong name is told what there is."""
    lost = "  lost: {kind: file, path: lost.csv}\n"
    block = f"connections:\n  crm: {{kind: hubspot, base_url: '{hubspot.url}', token: "
    write(tmp_path, f"{block}{HubSpotSandbox.TOKEN}}}\n{lost}")
    assert steward("check", "--connection", "crm").returncode == 0
    assert "✗ connection lost" in steward("check").stdout
    wrong = steward("check", "--connection", "crn")
    assert wrong.returncode == 3
    assert "did you mean 'crm'?" in wrong.stdout


def test_secrets_that_others_may_read_are_a_warning(
    steward: Cli, tmp_path: Path, hubspot: Server
) -> None:
    """It names the lines and the command that mends it, and does not fail."""
    write(tmp_path, connection(hubspot))
    (tmp_path / "crm-steward.yaml").chmod(0o644)
    ended = steward("check")
    assert ended.returncode == 0
    assert "! secrets crm-steward.yaml holds connections.crm.token and others" in ended.stdout
    assert "→ chmod 600 crm-steward.yaml" in ended.stdout


def test_a_database_that_cannot_be_made_or_used(steward: Cli, tmp_path: Path) -> None:
    """No folder, or a file that is something else: exit code 7 and the remedy."""
    write(tmp_path, "database: sqlite:///no/such/x.db\n")
    ended = steward("check")
    assert ended.returncode == 7
    assert "install -d -m 700" in ended.stdout
    (tmp_path / "x.db").write_text("not a database, but long enough to look like a file", "utf-8")
    write(tmp_path, "database: sqlite:///x.db\n")
    ended = steward("check")
    assert ended.returncode == 7
    assert "name another file in `database:`" in ended.stdout


class Login(SMTP):
    """A mail server that knows one user, and takes logins without TLS for the test."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(handler, auth_require_tls=False, authenticator=self._known, **options)

    def _known(self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> Any:
        from aiosmtpd.smtp import AuthResult  # noqa: PLC0415 -- of this method alone

        return AuthResult(success=data.password == b"right", handled=False)


class Mailbox(Controller):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        super().__init__(self, hostname="127.0.0.1", port=port)

    def factory(self) -> SMTP:
        return Login(self)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        self.arrived.append(envelope.content)
        return "250 OK"


@pytest.mark.parametrize(
    ("password", "code", "says"),
    [("right", 0, "logged in"), ("wrong", 9, "refuses the login (535")],
)
def test_the_mail_server_is_asked_and_no_mail_is_sent(
    steward: Cli, tmp_path: Path, password: str, code: int, says: str
) -> None:
    """Connection and login as at delivery, then goodbye."""
    mailbox = Mailbox()
    mailbox.start()
    try:
        (tmp_path / "people.csv").write_text("id,email\n1,ann@example.com\n", "utf-8")
        write(
            tmp_path,
            "connections: {people: {kind: file, path: people.csv}}\n"
            f"mail: {{host: 127.0.0.1, port: {mailbox.port}, security: none, username: u,"
            f" password: {password}, sender: a@example.com}}\n"
            "report: {recipients: [boss@example.com]}\n",
        )
        ended = steward("check")
    finally:
        mailbox.stop()
    assert ended.returncode == code, ended.stdout
    assert says in ended.stdout
    assert mailbox.arrived == []


def test_what_a_connection_lacks_is_shown_and_ends_with_code_one(
    steward: Cli, tmp_path: Path
) -> None:
    """The service can run, but not do all it could: something needs a look."""
    with serve(HubSpotSandbox(contacts=5, seed=1, scopes=["crm.objects.contacts.read"])) as server:
        write(tmp_path, connection(server))
        ended = steward("check")
    assert ended.returncode == 1, ended.stdout
    assert "! connection crm The token lacks the scope" in ended.stdout
    assert "passed, " in ended.stdout


def test_recipients_without_a_mail_server(steward: Cli, tmp_path: Path) -> None:
    """A report that could never be sent is a failure of the settings."""
    (tmp_path / "people.csv").write_text("id,email\n1,ann@example.com\n", "utf-8")
    write(
        tmp_path,
        "connections: {people: {kind: file, path: people.csv}}\n"
        "report: {recipients: [boss@example.com]}\n",
    )
    ended = steward("check")
    assert ended.returncode == 3
    assert "✗ mail the report has recipients, but there is no mail server" in ended.stdout


def test_connectors_are_listed_with_what_they_can_do(steward: Cli) -> None:
    """For people and for scripts."""
    shown = steward("connectors").stdout
    for title in ("HubSpot", "Salesforce", "Zoho CRM", "Pipedrive", "CSV or XLSX file"):
        assert title in shown
    one = steward("connectors", "hubspot").stdout
    assert "crm.objects.contacts.read" in one
    assert "Salesforce" not in one
    assert steward("connectors", "hubspoot").returncode == 3
    rows = json.loads(steward("connectors", "--json").stdout)["connectors"]
    hubspot = next(row for row in rows if row["kind"] == "hubspot")
    assert {"update", "task", "incremental read"} <= set(hubspot["can"])
    assert hubspot["ready"] is True
