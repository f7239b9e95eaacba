"""H41: what the program makes is for its own user alone, whatever the umask it is started under.

The loop, its exports, a backup, a restore, the service and the demo run under umask 000. Then every
file they left is looked at; and where secrets that others made may be read, `check` says so.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.acceptance.test_run import PEOPLE, RULES, SETTINGS, Running
from tests.program import ENV, Program

from crm_steward.sandbox import serve
from crm_steward.settings import readable_secrets
from crm_steward.settings.sources import SECRETS_VARIABLE
from crm_steward_zoho.sandbox import ZohoSandbox

Run = Callable[..., str]
OPEN = """
import os
os.umask(0)
from crm_steward.cli.app import main
main()
"""
"""The program, under umask 000."""


@pytest.fixture
def run(program: Program, folder: Path) -> Run:
    """Give what runs a command under umask 000, and returns what it printed."""

    def run(*arguments: str, codes: frozenset[int] = frozenset({0, 1}), anew: bool = False) -> str:
        env = {**os.environ, **ENV, "TMPDIR": str(folder / "tmp")}
        done = program.run(arguments, cwd=folder, env=env, code=OPEN, anew=anew, timeout=280)
        assert done.returncode in codes, (arguments, done.stderr)
        return done.stdout

    return run


def open_to_others(folder: Path, *, but: frozenset[Path] = frozenset()) -> list[str]:
    """Return the files and folders below `folder` that group or world may read."""
    return [
        f"{path.relative_to(folder)} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in sorted(folder.rglob("*"))
        if path not in but and path.lstat().st_mode & 0o077 and not path.is_symlink()
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a spreadsheet, settings and a place for temporary files."""
    (tmp_path / "tmp").mkdir(mode=0o700)
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    for path in tmp_path.iterdir():
        path.chmod(0o700 if path.is_dir() else 0o600)
    return tmp_path


def test_a_whole_loop_leaves_nothing_that_others_may_read(run: Run, folder: Path) -> None:
    """Database, journal, key, epoch, erasures, backup, plan, reports, exports, copies, temporary files."""
    with serve(ZohoSandbox(contacts=60, seed=4)) as server:
        zoho = {"kind": "zoho", "country": "FR", **server.emulator.connection(server.url)}
        settings = {
            "version": 1,
            "database": "sqlite:///data/steward.db",
            "connections": {"people": {"kind": "file", "path": "people.csv"}, "zoho": zoho},
            "rules": {"packs": ["format", "duplicates"], "paths": ["own.yaml"]},
            "limits": {"max_percent_per_day": 100},
        }
        path = folder / "crm-steward.yaml"
        path.write_text(yaml.safe_dump(settings), "utf-8")
        path.chmod(0o600)
        for command in ("pull", "scan"):
            run(command)
        planned = json.loads(run("plan", "--json"))
        assert planned["changes"]
        run("apply", "--yes", "--approve", "all")
        run("report", "--out", "report.html", "--format", "html")
        run("journal", "export", "--output", "journal.jsonl")
        run("redirects", "--output", "redirects.jsonl")
        run("register", "export", "--out", "register.html")
        run("audit", "people.csv", "--findings", "findings.xlsx")
        run(
            "subject",
            "export",
            "--record",
            "people:3",
            "--html",
            "s.html",
            "--output",
            "s.json",
        )
        run("backup", "backups.db")
        run("erase", "--record", "people:3", "--yes")
        run("pause", "--reason", "a look")
        run("restore", "backups.db")
        run("rules", "new", "no-city", "--kind", "required", codes=frozenset(range(13)))
    made = {path.name for path in folder.rglob("*") if path.is_file()}
    expected = {"steward.db", "steward.db.epoch", "crm-steward.key", "report.html", "backups.db"}
    assert expected <= made, made
    assert any(".before-" in name for name in made)
    assert open_to_others(folder) == []


def test_the_service_leaves_nothing_that_others_may_read(program: Program, folder: Path) -> None:
    """While it runs and after it ended: journal of the database, lock and spill folders included."""
    running = Running(program, folder, settings=SETTINGS, code=OPEN)
    with running.process:
        given = frozenset({running.log, folder / "crm-steward.yaml"})
        running.until(lambda: bool(running.said("scanned")))
        assert open_to_others(folder, but=given) == []
        assert running.end() == 0
        assert open_to_others(folder, but=given) == []


def test_the_demo_leaves_nothing_that_others_may_read(run: Run, folder: Path) -> None:
    """Four emulated CRMs, a spreadsheet, mails, pages and logs."""
    run("demo", "--into", "demo", "--scale", "0.05")
    made = list((folder / "demo").rglob("*"))
    assert len(made) > 10
    assert open_to_others(folder) == []


def test_secrets_that_others_may_read_are_named(run: Run, folder: Path) -> None:
    """Settings with a secret, a secret file, the key file: each with what to type."""
    (folder / "secrets").mkdir(mode=0o755)
    (folder / "secrets").chmod(0o755)
    key = folder / "crm-steward.key"
    secret = folder / "secrets" / "connections__crm__token"
    for path in (key, secret):
        path.write_text("x" * 64)
        path.chmod(0o644)
    settings = folder / "crm-steward.yaml"
    mail = {
        "host": "127.0.0.1",
        "port": 9,
        "sender": "a@example.org",
        "password": "x",
        "username": "y",
    }
    crm = {"kind": "hubspot", "base_url": "http://127.0.0.1:9", "enabled": False}
    settings.write_text(yaml.safe_dump({"version": 1, "mail": mail, "connections": {"crm": crm}}))
    settings.chmod(0o640)

    said = json.loads(run("check", "--json", codes=frozenset(range(13))))["checks"]
    remedies = " ".join(check["remedy"] for check in said if check["name"] == "secrets")
    for path in (settings.name, str(key), str(secret)):
        assert f"chmod 600 {path}" in remedies
    for path in (settings, key, secret):
        path.chmod(0o600)
    said = json.loads(run("check", "--json", codes=frozenset(range(13))))["checks"]
    assert [check for check in said if check["name"] == "secrets"] == []


def test_secrets_that_kubernetes_hands_to_a_pod_are_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are root's, and read through the pod's own group: nobody there could change their mode."""
    folder = tmp_path / "secrets"
    (folder / "..2026").mkdir(parents=True)
    folder.chmod(0o755)
    secret = folder / "..2026" / "connections__crm__token"
    secret.write_text("x" * 64)
    (folder / "..data").symlink_to("..2026")
    link = folder / secret.name
    link.symlink_to(f"..data/{secret.name}")
    environ = {SECRETS_VARIABLE: str(folder)}

    secret.chmod(0o440)
    assert readable_secrets(tmp_path, environ) == (link,)
    monkeypatch.setattr(os, "geteuid", lambda: secret.stat().st_uid + 1)
    assert readable_secrets(tmp_path, environ) == ()
    secret.chmod(0o444)
    assert readable_secrets(tmp_path, environ) == (link,)
