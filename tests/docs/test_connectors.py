"""The guide for authors of connectors is right, and its example works as a third party's package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from tests.docs.shell import ROOT
from tests.whole import WHOLE

from crm_steward import sdk
from crm_steward.connect.discovery import GROUP, load_specs
from crm_steward.testing import contract
from crm_steward.testing.contract import EmulatedAccount, SandboxAccount

GUIDE = (ROOT / "docs" / "connectors.md").read_text("utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "crm_steward_acme"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
POINTS = PROJECT["entry-points"][GROUP]
_CAPABILITIES = {
    "archive",
    "close task",
    "conditional update",
    "incremental read",
    "read task",
    "suppress email",
    "task",
    "update",
}


def _run(command: list[str], folder: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    found = os.pathsep.join(map(str, paths))
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_the_example_keeps_the_contract() -> None:
    """`pytest` in its folder passes; what is skipped is what it does not declare.

    In a share only updates die at every moment.
    """
    crashes = () if WHOLE else ("-k", "update or not loses_and_doubles_nothing")
    done = _run(["pytest", "-q", "-rs", "-p", "no:cacheprovider", *crashes], EXAMPLE)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    skipped = re.findall(r"^SKIPPED \[\d+\] \S+ (.*)$", done.stdout, re.MULTILINE)
    lacking = ("lift email", "merge", "re-create", "undelete", "unmerge")
    assert sorted(set(skipped)) == [f"Acme CRM does not declare '{one}'" for one in lacking]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 70


def test_discovery_loads_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point its package declares leads to a spec, whose emulator and connector exist."""
    monkeypatch.syspath_prepend(EXAMPLE)
    found = load_specs(EntryPoint(name, value, GROUP) for name, value in POINTS.items())

    assert found.broken == ()
    assert list(found.specs) == ["acme"]
    spec = found.specs["acme"]
    assert set(spec.can) == _CAPABILITIES
    assert spec.secrets == ("client_secret",)
    for named in (spec.factory, spec.sandbox):
        module, _, name = named.partition(":")
        assert name in (EXAMPLE / f"{module.replace('.', '/')}.py").read_text("utf-8")


def test_installed_it_is_a_kind_like_any_other(tmp_path: Path) -> None:
    """With the metadata that pip would write, the command line knows it, and `init` asks for its secret."""
    info = tmp_path / "site" / f"crm_steward_acme-{PROJECT['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n"
    )
    lines = "".join(f"{name} = {value}\n" for name, value in POINTS.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
    paths = (tmp_path / "site", EXAMPLE)

    listed = _run(["crm_steward", "connectors", "--json"], tmp_path, *paths)
    begun = _run(["crm_steward", "init", "practice", "--kind", "acme"], tmp_path, *paths)

    assert listed.returncode == 0, listed.stdout + listed.stderr
    kinds = {one["kind"]: one for one in json.loads(listed.stdout)["connectors"]}
    assert set(kinds["acme"]["can"]) == _CAPABILITIES
    assert kinds["acme"]["ready"]
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert "connections__acme__client_secret" in begun.stdout
    assert "kind: acme" in (tmp_path / "practice" / "crm-steward.yaml").read_text("utf-8")


def test_the_guide_names_every_file_of_the_example() -> None:
    """Each file can be reached from the guide, and each that it names is there."""
    named = set(re.findall(r"\]\(examples/crm_steward_acme/([^)#]+)\)", GUIDE))
    held = {
        str(path.relative_to(EXAMPLE))
        for path in EXAMPLE.rglob("*")
        if path.suffix in {".py", ".toml"}
    }
    assert named == held


def test_the_guide_names_every_hook() -> None:
    """The table of hooks is complete, and right about what `EmulatedAccount` has already."""
    rows = [line.split(" | ") for line in GUIDE.splitlines() if re.match(r"\| `\w+`.* \| ", line)]
    hooks = {name: row[-1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    public = {name for name in vars(SandboxAccount) if not name.startswith("_")}
    public |= set(SandboxAccount.__annotations__)

    assert set(hooks) == public
    there = {name for name, text in hooks.items() if text.startswith("there")}
    assert there == public & {name for name in vars(EmulatedAccount) if not name.startswith("_")}


def test_what_the_guide_says_of_code_exists() -> None:
    """The names that the guide and the example take from us are on the versioned surface."""
    taken = set()
    for path in (EXAMPLE / "crm_steward_acme").glob("*.py"):
        text = path.read_text("utf-8")
        modules = set(re.findall(r"^from (crm_steward\.\w+) import", text, re.MULTILINE))
        assert modules <= {"crm_steward.sdk"} | (
            {"crm_steward.sandbox"} if path.stem == "sandbox" else set()
        )
        taken |= set(re.findall(r"\b([A-Z]\w+Error)\b", text))
    ours = {name for name in taken - {"StewardError"} if hasattr(sdk, name)}
    told = set(re.findall(r"`(\w+Error)\b", GUIDE))
    assert ours <= told
    assert told <= set(sdk.__all__)
    assert {"ConnectorContract", "EmulatedAccount", "SandboxAccount"} <= set(contract.__all__)


@pytest.mark.parametrize("excerpt", re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
def test_excerpts_are_from_the_example(excerpt: str) -> None:
    """Every whole line of an excerpt stands in the example."""
    code = {
        line.strip()
        for path in EXAMPLE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
    }
    whole = [line.strip() for line in excerpt.splitlines() if line.strip() and "..." not in line]
    assert whole
    assert [line for line in whole if line not in code] == []
