"""Every command of the README works as it is written there."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest
from tests.docs.shell import ROOT, commands_of, run, served, shell
from tests.whole import some

from crm_steward.sandbox import serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = commands_of(README)
CHECKOUT = pytest.mark.skipif(
    not (ROOT / "src" / "crm_steward" / "cli" / "app.py").exists(),
    reason="make and pip install work on a checkout; this is a wheel",
)


@pytest.fixture(name="shell")
def _shell(tmp_path: Path) -> dict[str, str]:
    """Give a newcomer's shell."""
    return shell(tmp_path)


def test_the_readme_is_short() -> None:
    """A newcomer reads it to the end: at most 150 lines."""
    assert len(README.splitlines()) <= 150


def test_no_block_is_forgotten() -> None:
    """Each console block of the README belongs to a test below."""
    assert [block[0] for block in BLOCKS] == [
        "make demo",
        "make test",
        "crm-steward audit contacts.csv",
        "pip install '.[hubspot]'",
    ]


@CHECKOUT
def test_make_demo_leaves_what_it_promises() -> None:
    """Run, and run again: settings, rules, database, plan, the report as pages and as mailed; no failure."""
    binaries = Path(sys.executable).parent
    for _ in range(some(2, 1)):
        printed = run(f"make demo BIN={shlex.quote(str(binaries))}", ROOT, dict(os.environ))
    demo = ROOT / "demo"
    mails = sorted(path.read_bytes() for path in (demo / "mail").glob("*.eml"))

    assert "Not everything went well" not in printed
    assert "wait for your approval" in printed
    assert "took" in printed
    left = ("crm-steward.yaml", "rules/our-rules.yaml", "crm-steward.db", "plan.json")
    for name in (*left, "report.en.html", "report.fr.html", "contacts.corrected.csv"):
        assert (demo / name).stat().st_size > 0, name
    assert len(mails) == 2
    assert all(b"multipart/alternative" in mail for mail in mails)


@CHECKOUT
def test_make_test_runs_the_tests() -> None:
    """`make test` runs all that pytest finds here, this test included."""
    assert "pytest" in run("make --dry-run test", ROOT, dict(os.environ))


@CHECKOUT
def test_make_test_whole_leaves_no_share_out() -> None:
    """It runs all that pytest finds as well, and tells `tests.whole` so."""
    assert "STEWARD_WHOLE=1" in run("make --dry-run test-whole", ROOT, dict(os.environ))
    asked = "from tests import whole; print(whole.WHOLE, whole.some(7, 2), whole.stride(4))"
    python = f"{shlex.quote(sys.executable)} -c {shlex.quote(asked)}"
    assert run(f"STEWARD_WHOLE=1 {python}", ROOT, dict(os.environ)) == "True 7 1\n"


def test_audit_writes_the_report_beside(tmp_path: Path, shell: dict[str, str]) -> None:
    """The audit of the README needs no configuration."""
    (tmp_path / "contacts.csv").write_text(
        "Prénom;Nom;Courriel\nANNE;Durand;a@example.com\n", "cp1252"
    )
    run("\n".join(BLOCKS[2]), tmp_path, shell)

    assert "<html" in (tmp_path / "contacts.report.html").read_text("utf-8")


@CHECKOUT
def test_the_first_connection(tmp_path: Path, shell: dict[str, str]) -> None:
    """From nothing to the running service in the lines of the README, on an emulated HubSpot."""
    install, *commands = BLOCKS[3]
    dry = install.replace(
        "pip install", f"{shlex.quote(sys.executable)} -m pip install --dry-run --quiet --no-deps"
    )
    run(dry, ROOT, dict(os.environ))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = "\n".join(commands)
    script = script.replace("pat-eu1-…", HubSpotSandbox.TOKEN)
    script = script.replace("crm-steward run", served("crm-steward run", port))
    with serve(HubSpotSandbox(contacts=120, seed=11)) as server:
        env = {
            **shell,
            "CRM_STEWARD_CONNECTIONS__HUBSPOT__BASE_URL": server.url,
            "CRM_STEWARD_SERVICE__LISTEN": f"127.0.0.1:{port}",
        }
        run(f"unset CRM_STEWARD_CONNECTIONS__HUBSPOT__TOKEN\n{_from_init(script)}", tmp_path, env)
        written = [call for call in server.log if call["path"].endswith("batch/update")]

    assert written


def _from_init(script: str) -> str:
    """Put the emulator's address into the environment once there are settings it belongs to."""
    base, listen = (
        "CRM_STEWARD_CONNECTIONS__HUBSPOT__BASE_URL",
        "CRM_STEWARD_SERVICE__LISTEN",
    )
    return f"url=${base}; listen=${listen}; unset {base} {listen}\n" + script.replace(
        "cd steward", f"cd steward\nexport {base}=$url {listen}=$listen"
    )


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`crm-steward ([a-z]+(?: [a-z]+)?)[^`]*`", README)))
)
def test_commands_named_in_the_text_exist(
    command: str, tmp_path: Path, shell: dict[str, str]
) -> None:
    """Each `crm-steward …` of the running text has help."""
    assert "Usage: crm-steward" in run(f"crm-steward {command} --help", tmp_path, shell)
