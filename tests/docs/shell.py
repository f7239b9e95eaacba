"""How tests of the documentation type commands into a shell."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands_of(text: str) -> list[list[str]]:
    """Return the commands of each console block of a Markdown text."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [
        [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
        for block in blocks
    ]


def shell(folder: Path) -> dict[str, str]:
    """Return the environment of a newcomer's shell in which `crm-steward` is this one."""
    command = folder / "bin" / "crm-steward"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m crm_steward "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "COLUMNS": "120"}


def served(command: str, port: int) -> str:
    """Return the shell's words for the service at work until it answers at a port, and no longer."""
    return (
        f"{command} & service=$!\n"
        f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do kill -0 $service; sleep 0.1; done\n"
        "kill $service; wait $service"
    )


def run(script: str, folder: Path, env: dict[str, str]) -> str:
    """Run a shell script that must end well; return what it printed."""
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout
