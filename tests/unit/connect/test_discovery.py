"""Connectors are found by entry point, and one broken plug-in does not hide the others."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from crm_steward.connect.discovery import (
    GROUP,
    installed,
    load_specs,
    open_connection,
    paced_calls,
    spec_of,
    specs,
)
from crm_steward.model import ConfigError
from crm_steward_hubspot import HubSpotSettings

HUBSPOT = EntryPoint("hubspot", "crm_steward_hubspot:SPEC", GROUP)


def _settings(**more: object) -> HubSpotSettings:
    return HubSpotSettings.model_validate({"token": "pat-test", **more})


def test_the_shipped_connectors_are_found() -> None:
    """HubSpot is installed with the package and its entry point works."""
    assert specs()["hubspot"].title == "HubSpot"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("import not_there_at_all", "not_there_at_all"),
        ("SPEC = 42", "is a int, not a ConnectorSpec"),
        ("from crm_steward_hubspot import SPEC", "is of kind 'hubspot'"),
        ("OTHER = 1", "SPEC"),
    ],
)
def test_a_broken_plug_in_is_named_and_the_others_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    """Whatever a stranger's module does at import, the problem names it and HubSpot remains."""
    name = f"plug_in_{abs(hash(module))}"
    (tmp_path / f"{name}.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    found = load_specs([EntryPoint("acme", f"{name}:SPEC", GROUP), HUBSPOT])
    assert list(found.specs) == ["hubspot"]
    assert len(found.broken) == 1
    assert "connector 'acme'" in str(found.broken[0])
    assert reason in str(found.broken[0])
    with pytest.raises(ConfigError, match="acme"):
        spec_of("acme", found)


def test_two_plug_ins_of_one_kind() -> None:
    """The second one is a problem, not a silent replacement."""
    found = load_specs([HUBSPOT, EntryPoint("hubspot", "crm_steward_hubspot:SPEC", GROUP)])
    assert len(found.specs) == 1
    assert "which another one offers" in str(found.broken[0])


def test_a_misspelt_kind_gets_a_suggestion() -> None:
    """The message says what was probably meant and what is installed."""
    with pytest.raises(ConfigError, match=r"no connector 'hubspt' \(did you mean 'hubspot'\?\)"):
        spec_of("hubspt")


def test_a_foreign_base_url_is_refused_before_anything_is_sent() -> None:
    """Opening a connection checks the host; `allow_hosts` opens it."""
    with pytest.raises(ConfigError, match="does not belong to the vendor"):
        open_connection("hub", _settings(base_url="https://evil.example"))
    named = _settings(base_url="https://proxy.example.org", allow_hosts=["proxy.example.org"])
    open_connection("hub", named).close()


def test_the_shares_of_the_settings_reach_the_pace() -> None:
    """`burst_share: 0.02` of HubSpot's 100 calls allows two before the third has to wait."""
    calls = paced_calls("hub", _settings(burst_share=0.02))
    for _ in range(2):
        calls("burst", lambda: None)
    assert calls.stats["burst"].waits == 0


def test_knowing_the_connectors_imports_no_vendor_library() -> None:
    """Specs are read without the SDK, tenacity or requests, so that `--help` stays quick."""
    code = (
        "import sys; from crm_steward.connect.discovery import specs; specs(); "
        "print([m for m in ('hubspot','urllib3','tenacity','requests','structlog') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_sdk_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, opening a connection names the command that mends it."""
    for name in [m for m in sys.modules if m.split(".")[0] == "hubspot"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("connector", "wire", "reading", "writing", "account"):
        monkeypatch.delitem(sys.modules, f"crm_steward_hubspot.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "hubspot", None)
    with pytest.raises(ConfigError, match=r"pip install 'crm-steward\[hubspot\]'"):
        open_connection("hub", _settings())


def test_installed_is_asked_once() -> None:
    """Every command asks for the specs; the entry points are read once per process."""
    assert installed() is installed()
