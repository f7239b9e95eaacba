"""Every plug-in folder is declared everywhere it must be; nothing shipped is forgotten."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FOLDERS = sorted(
    path.relative_to(ROOT)
    for top in ("connectors", "rules")
    for path in (ROOT / top).iterdir()
    if path.is_dir() and path.name != "__pycache__"
)
CONNECTORS = [folder.name for folder in FOLDERS if folder.parts[0] == "connectors"]


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_plugin_folder_is_declared_everywhere(folder: Path) -> None:
    """A folder that is missing from the wheel, the types or the import contracts turns this red."""
    tool = PROJECT["tool"]

    assert folder.name.startswith("crm_steward_"), "unprefixed folders shadow vendors' packages"
    assert str(folder) in tool["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert folder.name in tool["mypy"]["packages"]
    assert folder.name in tool["importlinter"]["root_packages"]
    assert (ROOT / folder / "py.typed").is_file()
    core_stays_apart = _contract("The core never imports a connector")
    assert folder.name in core_stays_apart["forbidden_modules"]


@pytest.mark.parametrize("package", CONNECTORS)
def test_a_connector_is_an_extra_and_an_entry_point(package: str) -> None:
    """`pip install 'crm-steward[kind]'`, `kind:` in settings and the entry point are one name."""
    kind = package.removeprefix("crm_steward_")
    points = PROJECT["project"]["entry-points"]["crm_steward.connectors"]

    assert points.get(kind) == f"{package}:SPEC"
    assert kind in PROJECT["project"]["optional-dependencies"]
    (everything,) = PROJECT["project"]["optional-dependencies"]["all"]
    assert kind in everything.partition("[")[2].rstrip("]").split(",")
    assert package in _contract("Connectors do not see each other")["modules"]
    own = "Connectors import crm_steward.sdk (and .sandbox) and nothing else of ours"
    assert package in _contract(own)["source_modules"]
    assert (ROOT / "connectors" / package / "README.md").is_file()


def test_nothing_is_declared_that_is_not_there() -> None:
    """A folder that was taken away is taken out of the declarations too."""
    declared = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])

    assert declared == {"src/crm_steward", *map(str, FOLDERS)}


def test_versions_have_a_floor() -> None:
    """A dependency without a lower bound resolves to something nobody tested."""
    project = PROJECT["project"]
    extras = [
        one
        for name, every in project["optional-dependencies"].items()
        if name != "all"
        for one in every
    ]
    loose = [one for one in (*project["dependencies"], *extras) if ">=" not in one]

    assert loose == []


def _contract(name: str) -> dict[str, list[str]]:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["name"] == name)
