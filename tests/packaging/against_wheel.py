"""Build sdist and wheel, then run tests of the sdist against the installed wheel.

The sources are deleted from the unpacked sdist, so that nothing can be imported but the wheel.
Dependencies come from the environment this runs in. Without arguments, the tests run that use what
a wheel could lack: commands, pages, templates, packs, and each connector with its emulator.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
BY_DEFAULT = (
    *(f"tests/acceptance/test_{name}.py" for name in ("audit", "four", "init", "report", "run")),
    "tests/packaging",
    "tests/rules",
)


def main(arguments: list[str]) -> int:
    """Build, install, test; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build = [sys.executable, "-m", "build", "--outdir", str(work / "dist"), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        python = _environment(work)
        tests = _unpacked(work)
        return subprocess.run(
            [python, "-m", "pytest", *(arguments or BY_DEFAULT)],
            cwd=tests,
            check=False,
            env=os.environ | {"STEWARD_LOAD_ANEW": "1"},
        ).returncode


def _environment(work: Path) -> str:
    """Make an environment that holds the wheel, and sees our dependencies but not our sources."""
    folder = work / "venv"
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python*/site-packages"))
    (wheel,) = (work / "dist").glob("*.whl")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(packages),
            str(wheel),
        ],
        check=True,
    )
    shutil.rmtree(packages / "bin", ignore_errors=True)
    # A plain path line: the .pth files found there, our editable install's among them, stay unread.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(folder / "bin" / "python")


def _unpacked(work: Path) -> Path:
    (archive,) = (work / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(work, filter="data")
    folder = next(path for path in work.iterdir() if path.name.startswith("crm_steward-"))
    for sources in ("src", "connectors", "rules"):
        for module in (folder / sources).rglob("*.py"):
            module.unlink()
    return folder


if __name__ == "__main__":
    site.ENABLE_USER_SITE = False
    sys.exit(main(sys.argv[1:]))
