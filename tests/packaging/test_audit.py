"""The audit of dependencies: a finding fails, silence of the service is said and does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
LEAKY = {
    "name": "leaky",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1", "GHSA-aaaa-bbbb-cccc"]}],
}
UNKNOWN = {"name": "nobody", "skip_reason": "Dependency not found and could not be audited"}


def audit(tmp_path: Path, answers: dict[str, Any], ignored: str = "") -> Any:
    """Run the script with a stand-in for pip-audit that answers per service; None: no answer."""
    tool = tmp_path / "pip-audit"
    tool.write_text(
        f"#!{sys.executable}\nimport json, sys\nanswers = json.loads({json.dumps(answers)!r})\n"
        "answer = answers[sys.argv[sys.argv.index('--vulnerability-service') + 1]]\n"
        "if answer is None:\n    sys.exit('connection refused')\n"
        "print(json.dumps({'dependencies': answer}))\n"
        "sys.exit(any(one.get('vulns') for one in answer))\n"
    )
    tool.chmod(0o700)
    listed = tmp_path / "ignored.toml"
    listed.write_text(ignored)
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", "x.lock", "--tool", tool, "--ignored", listed],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_nothing_found_passes(tmp_path: Path) -> None:
    """All packages known, no advisory: quiet, and the number is told."""
    done = audit(tmp_path, {"pypi": [SOUND], "osv": None})
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 packages audited, 0 advisories" in done.stdout


@pytest.mark.parametrize(
    "answers", [{"pypi": [SOUND, LEAKY], "osv": None}, {"pypi": None, "osv": [LEAKY]}]
)
def test_a_known_vulnerability_fails(tmp_path: Path, answers: dict[str, Any]) -> None:
    """Whichever service knows it."""
    done = audit(tmp_path, answers)
    assert done.returncode == 1
    assert "VULNERABLE: leaky 2.0: CVE-2026-1, GHSA-aaaa-bbbb-cccc, PYSEC-2026-1" in done.stderr


@pytest.mark.parametrize("silent", [None, [UNKNOWN]])
def test_silence_is_not_taken_for_a_clean_result(tmp_path: Path, silent: Any) -> None:
    """No service, or one that knows no package (a mirror answers so): said loudly, and passes."""
    done = audit(tmp_path, {"pypi": silent, "osv": None})
    assert done.returncode == 0
    assert "NOT AUDITED: service unreachable" in done.stderr
    assert "audited, 0" not in done.stdout


def test_packages_that_no_service_knows_are_named(tmp_path: Path) -> None:
    """Beside the ones that were audited."""
    done = audit(tmp_path, {"pypi": [SOUND, UNKNOWN], "osv": [SOUND, UNKNOWN]})
    assert done.returncode == 0
    assert "NOT AUDITED, the service does not know: nobody" in done.stderr


@pytest.mark.parametrize(("until", "code"), [("2999-01-01", 0), ("2020-01-01", 1)])
def test_an_advisory_is_ignored_with_a_reason_and_until_a_day(
    tmp_path: Path, until: str, code: int
) -> None:
    """By any of its names; an entry that has run out counts no more."""
    entry = f'[CVE-2026-1]\nreason = "not reached"\nuntil = {until}\n'
    assert audit(tmp_path, {"pypi": [LEAKY], "osv": None}, entry).returncode == code


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    """Nobody would know in a year why it is there."""
    done = audit(tmp_path, {"pypi": [SOUND], "osv": None}, "[CVE-2026-1]\nuntil = 2999-01-01\n")
    assert done.returncode == 1
    assert "should say `reason`" in done.stderr


def test_the_list_that_is_in_force_can_be_read() -> None:
    """It stands where the gate reads it."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", "--help"], capture_output=True, check=False
    )
    assert done.returncode == 0
    assert (ROOT / ".ci" / "audit-ignored.toml").is_file()
