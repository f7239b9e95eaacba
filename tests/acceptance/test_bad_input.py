"""Whatever is wrong: one line that says what, where and the remedy, an exit code, nothing lost."""

from __future__ import annotations

import os
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

from crm_steward.sandbox import Server, parse_faults
from crm_steward.store.database import Database
from crm_steward.store.lease import hold


def refused(done: subprocess.CompletedProcess[str], code: int, *parts: str, lines: int = 1) -> None:
    """Check that a command ended with `code` and said all `parts`, briefly and on stderr."""
    said = done.stderr + done.stdout
    assert done.returncode == code, said
    assert "Traceback" not in said
    for part in parts:
        assert part in said, said
    spoken = [line for line in done.stderr.splitlines() if line.startswith("crm-steward:")]
    assert 1 <= len(spoken) <= lines, done.stderr


def connection(**values: Any) -> dict[str, Any]:
    """Return the block `connections` with one HubSpot account."""
    given = {"kind": "hubspot", "token": "pat-eu1-sandbox", **values}
    return {"connections": {"hubspot": given}}


def test_a_wrong_token(steward: Cli, office: Office, hubspot: Server) -> None:
    """A refused credential is named with where to get another, and never printed."""
    office(**connection(base_url=hubspot.url, token="pat-eu1-wrong"))
    done = steward("pull")

    refused(done, 4, "hubspot", "refuses the token", "service key")
    assert "pat-eu1-wrong" not in done.stderr


def test_an_expired_token_pauses_the_connection(
    steward: Cli, office: Office, hubspot: Server
) -> None:
    """A token that expires in the middle of a pull: what was read is kept, the pause is named."""
    office()
    hubspot.faults.add(parse_faults({"path": "/contacts\\?", "nth": 2, "expire_token": True}))
    refused(steward("pull"), 4, "hubspot", "token")
    hubspot.emulator.by_hand({"do": "token", "token": "pat-eu1-sandbox", "expires_in": 3600})
    resumed = steward("pull")

    assert resumed.returncode == 0, resumed.stderr
    assert "150 contacts" in resumed.stdout


def test_a_missing_scope(steward: Cli, office: Office, hubspot: Server) -> None:
    """The scope that must be granted is named."""
    office()
    scopes = ["crm.objects.owners.read", "crm.schemas.contacts.read"]
    hubspot.emulator.by_hand({"do": "token", "token": "pat-eu1-sandbox", "scopes": scopes})

    refused(steward("pull"), 4, "crm.objects.contacts.read")


def test_an_unreachable_host(steward: Cli, office: Office) -> None:
    """Nobody listens: the CRM is named, and the exit code says to try again later."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    office(**connection(base_url=f"http://127.0.0.1:{port}"))

    refused(steward("pull"), 5, "hubspot")


def test_a_certificate_nobody_trusts(steward: Cli, office: Office) -> None:
    """A TLS error is not a timeout: it is said that the certificate is not trusted."""
    with _tls_server() as port:
        office(**connection(base_url=f"https://localhost:{port}", allow_hosts=["localhost"]))
        done = steward("pull")

    refused(done, 3, "hubspot", "certificate is not trusted")


def test_a_token_never_leaves_for_a_strangers_host(steward: Cli, office: Office) -> None:
    """A base_url outside the vendor's domains is refused before anything is sent."""
    office(**connection(base_url="https://api.hubapi.com.evil.example"))

    refused(steward("pull"), 3, "evil.example", "allow_hosts")


def test_plain_http_is_for_this_machine_only(steward: Cli, office: Office) -> None:
    """A token is never sent in clear over a network."""
    office(**connection(base_url="http://api.hubapi.com"))

    refused(steward("pull"), 3, "https")


def test_malformed_settings(steward: Cli, tmp_path: Path) -> None:
    """Broken YAML is shown with file, line and column."""
    (tmp_path / "crm-steward.yaml").write_text("version: 1\nlanguage: [en\nreport: x\n", "utf-8")

    refused(steward("pull"), 3, "crm-steward.yaml:")


def test_no_settings(steward: Cli) -> None:
    """Without a settings file the way to get one is named."""
    refused(steward("pull"), 3, "crm-steward.yaml", "crm-steward init")


def test_a_rule_on_an_unknown_field(steward: Cli, office: Office, tmp_path: Path) -> None:
    """The rule, the place and what was probably meant; nothing runs."""
    (tmp_path / "mine.yaml").write_text(
        "version: 1\nrules:\n  - id: r\n    about: x\n    severity: low\n"
        "    check: {kind: required, fields: [emial]}\n    mode: report\n",
        "utf-8",
    )
    office(rules={"packs": [], "paths": ["mine.yaml"]})

    refused(steward("scan"), 3, "mine.yaml:6:38: rule 'r'", "email")


def test_a_database_that_may_not_be_written(office: Office, tmp_path: Path) -> None:
    """On a read-only file system the database is named, and what to change."""
    office()
    mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    inside = ["unshare", "--mount", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*inside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    command = [*inside, sys.executable, "-m", "crm_steward", "pull", "--config", "crm-steward.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    refused(done, 7, "steward.db", "may write")


def test_a_database_where_there_is_no_folder(steward: Cli, office: Office) -> None:
    """A path that cannot be: the file is named and what to check."""
    office(database="sqlite:////proc/nowhere/steward.db")

    refused(steward("pull"), 7, "/proc/nowhere/steward.db", "Check that the folder exists")


def test_a_damaged_database(steward: Cli, office: Office, tmp_path: Path) -> None:
    """A lost page of contacts is called damage, by `scan` too, where DuckDB reads them."""
    office()
    assert steward("pull").returncode == 0
    file = tmp_path / "steward.db"
    with closing(sqlite3.connect(file)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='contacts'").fetchone()
    content = bytearray(file.read_bytes())
    # The header of an interior page ends with the number of its last child
    # (https://sqlite.org/fileformat2.html#b_tree_pages).
    start = (root - 1) * size + 8
    last = (int.from_bytes(content[start : start + 4], "big") - 1) * size
    content[last : last + size] = bytes(size)
    file.write_bytes(content)

    refused(steward("scan"), 7, "steward.db", "malformed", "restore the last backup")
    checked = steward("check")
    assert checked.returncode == 7
    assert "restore the last backup" in checked.stdout


def test_a_full_disk_in_the_middle_of_a_pull(steward: Cli, office: Office, tmp_path: Path) -> None:
    """What was stored stays, the message says so, and with space the pull goes on."""
    office()
    with Database.open(f"sqlite:///{tmp_path}/steward.db"):
        pass
    size = (tmp_path / "steward.db").stat().st_size
    limited = subprocess.run(
        [sys.executable, "-c", _WITH_FILE_LIMIT, str(size + 20_000)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    refused(limited, 7, "steward.db", "disk", "nothing was half written")
    resumed = steward("pull")

    assert resumed.returncode == 0, resumed.stderr
    assert "150 contacts" in resumed.stdout


_WITH_FILE_LIMIT = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.argv = ["crm-steward", "pull"]
from crm_steward.cli import main
main()
"""


def test_a_second_instance(steward: Cli, office: Office, tmp_path: Path) -> None:
    """While one writes on a database, another says who does and leaves."""
    office()
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database, hold(database):
        done = steward("pull")

    refused(done, 8, f":{os.getpid()}", "Wait until it is done")


def test_a_mail_server_that_refuses(steward: Cli, office: Office) -> None:
    """The report stays in the outbox, the refusal is told, the exit code says mail."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    office(
        mail={
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "sender": "steward@example.org",
        },
        report={"recipients": [{"address": "manager@example.org"}]},
    )
    done = steward("report", "--send")

    assert done.returncode == 9, done.stderr + done.stdout
    assert "127.0.0.1" in done.stderr + done.stdout
    assert "manager@" not in done.stderr


def test_one_connection_fails_and_the_others_go_on(
    steward: Cli, office: Office, hubspot: Server, tmp_path: Path, account: Account
) -> None:
    """A revoked token of one account does not keep the spreadsheet from being read."""
    (tmp_path / "contacts.csv").write_text("Nom,E-mail\nDurand,a@example.com\n", "utf-8")
    blocks = connection(base_url=hubspot.url, token="pat-eu1-revoked")
    blocks["connections"]["sheet"] = {"kind": "file", "path": "contacts.csv"}
    office(**blocks)
    done = steward("pull")

    refused(done, 4, "hubspot")
    assert "sheet: 1 contacts" in done.stdout
    assert account.writes() == []


@contextmanager
def _tls_server() -> Iterator[int]:
    """Listen on a port with a certificate of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        listening.settimeout(0.1)
        while not stop.is_set():
            try:
                accepted, _ = listening.accept()
            except TimeoutError:
                continue
            try:
                context.wrap_socket(accepted, server_side=True).close()
            except OSError:
                accepted.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    stop.set()
    thread.join()
    listening.close()
