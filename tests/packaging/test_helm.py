"""The Helm chart: what it renders is closed, agrees with the program, and wrong values are refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm_steward.settings import load_settings

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "crm-steward"
HUBSPOT = {"hubspot-eu": {"kind": "hubspot"}}
SQLITE: dict[str, Any] = {
    "settings": {"connections": HUBSPOT},
    "secrets": {"values": {"connections__hubspot-eu__token": "invented"}},
}
POSTGRESQL: dict[str, Any] = {
    "database": "postgresql",
    "replicas": 2,
    "settings": {"connections": HUBSPOT, "service": {"scan_every": "1 hour"}},
    "rules": {"own.yaml": "version: 1\nrules: []\n"},
    "secrets": {"existing": "made-by-hand"},
    "metrics": {"serviceMonitor": True, "rules": True, "labels": {"release": "prometheus"}},
}

pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")


def helm(folder: Path, values: dict[str, Any], *verb: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart with these values."""
    with (folder / "values.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(values, stream)
    return subprocess.run(
        ["helm", *verb, str(CHART), "--values", "values.yaml"],  # noqa: S607 -- on the path
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def rendered(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Return what would be given to Kubernetes, by kind and name."""
    done = helm(folder, values, "template", "steward")
    assert done.returncode == 0, done.stderr
    documents = filter(None, YAML(typ="safe").load_all(done.stdout))
    return {f"{one['kind']} {one['metadata']['name']}": one for one in documents}


@pytest.fixture(params=[SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the values of both ways to deploy it."""
    given: dict[str, Any] = request.param
    return given


def test_the_chart_is_valid(tmp_path: Path, values: dict[str, Any]) -> None:
    """Helm's own check, as strict as it is."""
    done = helm(tmp_path, values, "lint", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pod_is_closed(tmp_path: Path, values: dict[str, Any]) -> None:
    """No rights, nothing to write but its volumes, no account of the cluster, one port."""
    documents = rendered(tmp_path, values)
    spec = documents["Deployment steward-crm-steward"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    probes = {container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness")}
    assert probes == {"/healthz"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert spec["strategy"] == {"type": "Recreate"}
    policy = documents["NetworkPolicy steward-crm-steward"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert all(
        one.get("readOnly") or one["name"] in {"data", "tmp"} for one in container["volumeMounts"]
    )
    assert ("persistentVolumeClaim" in volumes["data"]) == (values is SQLITE)
    assert "PodDisruptionBudget steward-crm-steward" in documents


def test_the_settings_are_read_by_the_program(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that Kubernetes would lay down, with the variables that it would set, are settings."""
    documents = rendered(tmp_path, values)
    folder = tmp_path / "etc"
    (folder / "rules").mkdir(parents=True)
    for name, text in documents["ConfigMap steward-crm-steward"]["data"].items():
        (folder / name).write_text(text, "utf-8")
    rules = documents.get("ConfigMap steward-crm-steward-rules", {"data": {}})["data"]
    for name, text in rules.items():
        (folder / "rules" / name).write_text(text, "utf-8")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    given = {
        "connections__hubspot-eu__token": "invented",
        "database": "postgresql+psycopg://steward:invented@db/steward",
        "token_key": "k" * 32,
    }
    for name, text in given.items():
        if values is POSTGRESQL or name.startswith("connections"):
            (secrets / name).write_text(text, "utf-8")
    pod = documents["Deployment steward-crm-steward"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment.pop("CRM_STEWARD_SECRETS") == "/secrets"
    for name, text in {**environment, "CRM_STEWARD_SECRETS": str(secrets)}.items():
        monkeypatch.setenv(name, text)

    settings = load_settings(folder / "crm-steward.yaml")

    assert settings.service.standby is (values is POSTGRESQL)
    assert settings.rules.paths == ((folder / "rules",) if values is POSTGRESQL else ())
    if values is POSTGRESQL:
        assert settings.database.startswith("postgresql")
        assert settings.service.scan_every.total_seconds() == 3600


def test_the_alarms_are_those_of_prometheus(tmp_path: Path) -> None:
    """The operator gets the same rules, with the labels that it selects by."""
    made = rendered(tmp_path, POSTGRESQL)["PrometheusRule steward-crm-steward"]
    alerts = YAML(typ="safe").load(CHART.parents[1] / "prometheus" / "alerts.yaml")
    assert made["spec"] == alerts
    assert made["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"replicas": 2}, "replicas"),
        ({"settings": {"connections": {}, "database": "postgresql://a:b@c/d"}}, "database"),
        ({"image": {"repository": "x", "tga": "1"}}, "tga"),
        ({"database": "postgresql", "secrets": {"values": {}}}, "secrets.existing"),
        ({"rules": {"../own.yaml": "x"}}, "own.yaml"),
    ],
    ids=["two on a file", "password in settings", "unknown", "no secrets", "a way out"],
)
def test_wrong_values_are_refused(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    """Before anything is deployed, naming the value."""
    done = helm(tmp_path, {**SQLITE, **wrong}, "template", "steward")
    assert done.returncode != 0
    assert says in done.stderr
