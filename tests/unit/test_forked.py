"""A forked command is what one that loads the program anew is, as far as a test can see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.program import ENV, Program

ROOT = Path(__file__).parents[2]
WHOLE = {**os.environ, **ENV}


@pytest.fixture
def forks(program: Program) -> Program:
    """Give what forks the program."""
    if not program.forks:
        pytest.skip("each command loads the program anew here")
    return program


@pytest.mark.parametrize(
    "arguments", [("--version",), ("status",), ("plan", "--nonsense"), ("init", "--kind", "file")]
)
def test_it_says_and_makes_the_same(
    forks: Program, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Output, errors, exit code, and what is written, with the same rights."""
    made = []
    for name in ("forked", "anew"):
        (folder := tmp_path / name).mkdir()
        done = forks.run(arguments, cwd=folder, anew=name == "anew")
        files = {
            str(path.relative_to(folder)): (path.stat().st_mode, path.is_dir() or path.read_text())
            for path in folder.rglob("*")
        }
        made.append((done.returncode, done.stdout, done.stderr, files))

    assert made[0] == made[1]


def test_its_environment_is_its_own(forks: Program, tmp_path: Path) -> None:
    """A setting that is given reaches this command and not the next."""
    given = WHOLE | {"CRM_STEWARD_CONFIG": "elsewhere.yaml"}

    assert "elsewhere.yaml" in forks.run(["status"], cwd=tmp_path, env=given, timeout=60).stderr
    assert "elsewhere.yaml" not in forks.run(["status"], cwd=tmp_path, env=WHOLE, timeout=60).stderr


def test_what_is_looked_at_while_loading_asks_for_a_new_process(forks: Program) -> None:
    """A language, a zone, a path: forked, they would come too late."""
    assert forks.fits(WHOLE | {"CRM_STEWARD_CONFIG": "elsewhere.yaml"})
    assert not forks.fits(WHOLE | {"TZ": "Pacific/Apia"})
    assert not forks.fits({name: value for name, value in WHOLE.items() if name != "PATH"})


def test_one_that_takes_too_long_is_killed(forks: Program, tmp_path: Path) -> None:
    """As `subprocess.run` kills it; the next one is not concerned."""
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(["sandbox", "serve"], cwd=tmp_path, env=WHOLE, timeout=1)

    assert forks.run(["--version"], cwd=tmp_path, env=WHOLE, timeout=60).returncode == 0


def test_it_ends_with_whoever_started_it() -> None:
    """Killed, a worker of pytest leaves nothing behind that still holds its outputs."""
    script = (
        "import os, signal\n"
        "from tests.program import forking\n"
        "with forking(os.environ):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=WHOLE, stderr=subprocess.PIPE, check=False, timeout=200
    )

    assert done.returncode == -signal.SIGKILL
