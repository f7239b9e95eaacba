"""The manual page is that of the program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from crm_steward.cli.manual import manual, meanings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "deploy" / "man" / "crm-steward.1"
WHERE_COMMANDS_ARE_NAMED = (
    "*.md",
    "config/*.yaml",
    "deploy/**/*.md",
    "deploy/**/*.y*ml",
    "docs/**/*.md",
    "src/**/*.py",
)


def test_the_page_is_up_to_date() -> None:
    """`make schemas` writes it; what stands there is what the commands say of themselves today."""
    assert PAGE.read_text("utf-8") == manual()


def test_every_command_option_and_exit_code_is_there() -> None:
    """What a user may type is explained, and what the program ends with."""
    page = manual().replace("\\-", "-")
    commands = re.findall(r'^\.SS "crm-steward ([a-z ]+?) ?(?:\[|\{|")', page, re.MULTILINE)
    assert {"init", "pull", "plan", "apply", "undo", "rules test", "report"} <= set(commands)
    assert len(commands) == len(set(commands)) > 40
    assert ".B --approve TEXT" in page
    assert all(f".B {code.value} {code.name}" in page for code, _ in meanings())
    assert "<str>" not in page


def test_commands_that_are_named_exist() -> None:
    """No remedy, alarm or page tells anybody to type a command of a group that is not there."""
    page = manual().replace("\\-", "-")
    commands = set(re.findall(r'^\.SS "crm-steward ([a-z]+ [a-z-]+)', page, re.MULTILINE))
    groups = {command.partition(" ")[0] for command in commands}
    named = re.compile(rf"crm-steward ((?:{'|'.join(sorted(groups))}) [a-z][a-z-]*)")
    files = [path for pattern in WHERE_COMMANDS_ARE_NAMED for path in ROOT.glob(pattern)]
    found = {(one, path) for path in files for one in named.findall(path.read_text("utf-8"))}
    assert len(found) > 50
    assert [(one, path.name) for one, path in sorted(found) if one not in commands] == []


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_page_is_sound_roff() -> None:
    """The formatter has nothing to complain about, and bold text is bold."""
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", PAGE],  # noqa: S607 -- as the machine has it
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert b"EXIT STATUS" in re.sub(rb"\x1b\[[0-9;]*m|.\x08", b"", done.stdout)
