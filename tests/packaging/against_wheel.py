"""Build sdist and wheel, then run tests of the sdist against the installed wheel.

The sources are deleted from the unpacked sdist, so that nothing can be imported but the wheel.
Dependencies come from the environment this runs in. The wheel must hold every file of the packages,
byte by byte, so what those do need not be tried twice. Where no tests are named, those run that use what
else a wheel could lack: commands that load the program anew, entry points, each connector with its
emulator, the service and its processes, pages, workbooks, packs; and one that reads what only the sdist holds.
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
SOURCES = ("src", "connectors", "rules")
_WHOLE = ("packaging/test_declared", "acceptance/test_init", "rules/test_packs")
_ONCE = (
    ("acceptance/test_audit", "a_french_export_without_any_configuration", "findings_go_to_a_file"),
    ("acceptance/test_four", "the_loop_runs_over_four_crms"),
    ("acceptance/test_report", "the_digests_and_the_lists_are_mailed_with_it"),
    ("acceptance/test_run", "the_service_works_answers_keeps_quiet_and_stops"),
    ("packaging/test_observing", "only_metrics_that_exist_are_asked_for"),
)
BY_DEFAULT = (
    *(f"tests/{module}.py" for module in _WHOLE),
    *(f"tests/{module}.py::test_{name}" for module, *names in _ONCE for name in names),
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
        named = any(not argument.startswith("-") for argument in arguments)
        return subprocess.run(
            [python, "-m", "pytest", *arguments, *(() if named else BY_DEFAULT)],
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
