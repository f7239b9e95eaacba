"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for top in ("src", "connectors", "rules", "bench") for path in (ROOT / top).rglob("*.py")
)
LONGEST = 400


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_fits_in_the_head(module: Path) -> None:
    """No module is longer than 400 lines."""
    assert len(module.read_text("utf-8").splitlines()) <= LONGEST


def test_the_locks_are_hashed_and_name_no_server() -> None:
    """Installing from the locks takes exactly the files they were made with, from any index."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        pinned = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,]+\])?==", text, re.MULTILINE)

        assert len(pinned) > 30
        assert "://" not in text
        assert text.count("--hash=sha256:") >= len(pinned)


def test_imports_keep_to_the_layers() -> None:
    """import-linter finds every contract of pyproject.toml kept."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
