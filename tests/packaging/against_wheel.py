"""Build sdist and wheel, then run tests of the sdist against the installed wheel.

The sources are deleted from the unpacked sdist, so that nothing can be imported but the wheel.
Dependencies come from the environment this runs in. The wheel must hold every file of the packages,
byte by byte, so what those do need not be tried twice. Without arguments, the tests run that use what
else a wheel could lack: commands that load the program anew, entry points, each connector with its
emulator, pages, packs; and those that read what only the sdist holds.
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
_OF_THE_SDIST = ("audit", "declared", "deploy", "helm", "observing")
SOURCES = ("src", "connectors", "rules")
BY_DEFAULT = (
    *(f"tests/acceptance/test_{name}.py" for name in ("audit", "four", "init", "report", "run")),
    *(f"tests/packaging/test_{name}.py" for name in _OF_THE_SDIST),
    *(f"tests/rules/test_{name}.py" for name in ("commands", "packs")),
)


def main(arguments: list[str]) -> int:
    """Build, install, test; return pytest's exit code."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build = [sys.executable, "-m", "build", "--outdir", str(work / "dist"), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        python, packages = _environment(work)
        tests = _unpacked(work)
        if missing := _missing(tests, packages):
            print("The wheel lacks, or has otherwise:", *missing, sep="\n  ")  # noqa: T201 -- a program
            return 1
        _without_modules(tests)
        return subprocess.run(
            [python, "-m", "pytest", *(arguments or BY_DEFAULT)],
            cwd=tests,
            check=False,
            env=os.environ | {"STEWARD_LOAD_ANEW": "1"},
        ).returncode


def _environment(work: Path) -> tuple[str, Path]:
    """Make an environment that holds the wheel, and sees our dependencies but not our sources.

    Returns:
        Its interpreter, and the folder that the wheel was installed in.
    """
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
    return str(folder / "bin" / "python"), packages


def _unpacked(work: Path) -> Path:
    (archive,) = (work / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(work, filter="data")
    return next(path for path in work.iterdir() if path.name.startswith("crm_steward-"))


def _missing(tests: Path, packages: Path) -> list[str]:
    """Return the files of ours that the wheel lacks, or has with another content."""
    page = "crm-steward.1"
    installed = {tests / "deploy" / "man" / page: packages / "share" / "man" / "man1" / page}
    installed |= {
        path: packages / path.relative_to(tests / sources)
        for sources in SOURCES
        for package in (tests / sources).iterdir()
        if package.is_dir()
        for path in package.rglob("*")
        if path.is_file()
    }
    return sorted(
        str(path.relative_to(tests)) for path, other in installed.items() if not _same(path, other)
    )


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _without_modules(tests: Path) -> None:
    """Delete our sources, so that nothing can be imported but the wheel."""
    for sources in SOURCES:
        for module in (tests / sources).rglob("*.py"):
            module.unlink()


if __name__ == "__main__":
    site.ENABLE_USER_SITE = False
    sys.exit(main(sys.argv[1:]))
