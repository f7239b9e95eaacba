"""What `deploy/` holds is valid, hardened, and agrees with the program."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm_steward.daemon import metrics
from crm_steward.settings.sources import read_environment

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "systemd" / "crm-steward.service"
MOST_EXPOSED = 2.0
"""Of 10, by `systemd-analyze security`: 1.2 when this was written."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Give the unit with its program where this machine has one: verify wants it to exist."""
    text = UNIT.read_text("utf-8").replace("/opt/crm-steward/bin/crm-steward", sys.executable)
    path = tmp_path / UNIT.name
    path.write_text(text, "utf-8")
    return path


@needs_systemd
def test_the_unit_is_valid(unit: Path) -> None:
    """Every line is known to systemd and none contradicts another."""
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],  # noqa: S607 -- found on the path
        capture_output=True,
        text=True,
        check=False,
    )
    about_us = [line for line in verified.stderr.splitlines() if "crm-steward" in line]
    assert about_us == []
    assert verified.returncode == 0, verified.stderr


@needs_systemd
def test_the_unit_is_hardened(unit: Path) -> None:
    """Its exposure stays low; whoever loosens it sees it here."""
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(unit)],  # noqa: S607 -- on the path
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert level is not None, rated.stdout + rated.stderr
    assert float(level[1]) <= MOST_EXPOSED


def test_the_unit_names_settings_that_exist() -> None:
    """Credentials and variables are read by the program under exactly these names."""
    text = UNIT.read_text("utf-8")
    credentials = re.findall(r"^LoadCredential=([^:]+):", text, re.MULTILINE)
    assert credentials == ["connections__hubspot-eu__token", "mail__password"]
    variables = dict(re.findall(r"^Environment=(CRM_STEWARD_\w+)=(\S+)$", text, re.MULTILINE))
    assert read_environment(variables).values == {
        "database": "sqlite:////var/lib/crm-steward/crm-steward.db"
    }
    assert "Type=notify" in text


def compose() -> Any:
    """Return the Compose file."""
    return YAML(typ="safe").load(DEPLOY / "docker" / "compose.yaml")


def test_compose_is_closed_and_its_secrets_are_settings() -> None:
    """Read-only, no capabilities, the database unreachable from outside, secrets declared."""
    document = compose()
    steward, postgres = document["services"]["steward"], document["services"]["postgres"]
    assert steward["read_only"] is True
    assert steward["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in steward["ports"])
    assert "ports" not in postgres
    assert document["networks"]["inside"] == {"internal": True}
    assert postgres["networks"] == ["inside"]
    used = [one if isinstance(one, str) else one["source"] for one in steward["secrets"]]
    assert {*used, *postgres["secrets"]} == set(document["secrets"])
    names = [one if isinstance(one, str) else one["target"] for one in steward["secrets"]]
    assert names == ["database", "connections__hubspot-eu__token", "mail__password", "token_key"]


def test_compose_takes_back_the_images_database() -> None:
    """An empty variable counts as not set, so the secret `database` holds."""
    environment = compose()["services"]["steward"]["environment"]
    assert environment == {"CRM_STEWARD_DATABASE": ""}
    assert read_environment(environment).values == {}


def test_the_image_runs_without_rights_and_knows_its_settings() -> None:
    """A user of its own, a health check on /healthz, and variables that are settings."""
    text = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8")
    stages = text.split("\nFROM ")[1:]
    assert len(stages) == 2
    assert "USER 10001:10001" in stages[1]
    assert "/healthz" in stages[1]
    assert "--require-hashes" in stages[0]
    variables = dict(re.findall(r"(CRM_STEWARD_\w+)=(\S+)", text))
    assert read_environment(variables).values == {
        "database": "sqlite:////data/crm-steward.db",
        "service": {"listen": "0.0.0.0:9464"},
    }


def test_the_build_gets_what_the_image_copies() -> None:
    """Everything that COPY names is let through by the ignore file."""
    docker = DEPLOY / "docker"
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (docker / "Dockerfile").read_text(), re.MULTILINE
    )
    ignored = (docker / "Dockerfile.dockerignore").read_text().splitlines()
    for name in " ".join(copied).split():
        assert f"!{name}" in ignored
        assert (DEPLOY.parent / name).exists()


def test_the_readme_names_metrics_that_exist() -> None:
    """Whoever writes an alarm from the table gets one that fires."""
    sources = inspect.getsource(metrics)
    table = (
        (DEPLOY / "README.md").read_text("utf-8").partition("| metric |")[2].partition("\n\n")[0]
    )
    named = re.findall(r"^\| `(\w+)", table, re.MULTILINE)
    assert len(named) >= 11
    for name in named:
        stem = name.removesuffix("_total")
        made = f'"crm_steward_{stem}"' in sources or stem in {
            "connection_paused",
            "connection_frozen",
        }
        assert made, name
