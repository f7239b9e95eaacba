"""Alarms and dashboard in `deploy/` ask for metrics that the service has, and alarms fire when due."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm_steward.connect.calls import Calls
from crm_steward.daemon.metrics import Metrics
from crm_steward.store.database import Database

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "crm-steward.json"
TOLD = Path(__file__).with_name("alerts.test.yaml")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    document = YAML(typ="safe").load(ALERTS)
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    """Yield the panels of the dashboard, those in rows included."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        yield panel
        yield from panel.get("panels", ())


def questions() -> dict[str, str]:
    """Return what Prometheus is asked: where it stands, and the expression."""
    asked = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel.get("targets", ()):
            asked[f"{panel['title']} {target['refId']}"] = target["expr"]
    return asked


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Give the names of all samples that a service can show."""
    folder = tmp_path_factory.mktemp("observing")
    with Database.open(f"sqlite:///{folder}/steward.db") as database:
        metrics = Metrics(database)
        metrics.watch({"crm": Calls()})
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        return {
            family.name + suffix
            for family in metrics.registry.collect()
            for suffix in suffixes.get(family.type, [""])
        }


def test_only_metrics_that_exist_are_asked_for(shown: set[str]) -> None:
    """An alarm on a metric that nobody makes would be silent for ever."""
    asked = questions()
    assert len(asked) > len(alerts())
    for where, expression in asked.items():
        named = re.findall(r"crm_steward_\w+", expression)
        assert named, where
        assert set(named) <= shown, where


def test_each_alarm_says_what_is_wrong_and_what_to_do() -> None:
    """Whoever is woken reads a remedy, in an alarm of its own name."""
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "remedy"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


@needs_promtool
def test_alarms_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    """Prometheus itself plays through hours in which all is well and in which all is wrong."""
    document = YAML(typ="safe").load(ALERTS)
    for rule in alerts():
        assert f"alertname: {rule['alert']}" in TOLD.read_text("utf-8")
    for group in document["groups"]:
        for rule in group["rules"]:
            del rule["annotations"]
    with (tmp_path / "alerts.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(document, stream)
    shutil.copy(TOLD, tmp_path)
    for verb, name in (("check", str(ALERTS)), ("test", TOLD.name)):
        done = subprocess.run(
            ["promtool", verb, "rules", name],  # noqa: S607 -- found on the path
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
