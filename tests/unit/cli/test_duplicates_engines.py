"""`engine: splink` and `splink-spark` in a rule, from the file to the finding."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import Cli

CONTACTS = """\
id,first_name,last_name,email,phone,city,country
1,Jean,Dupont,jean.dupont@example.com,01 99 00 12 34,Lyon,FR
2,Jean,Dupond,jean.dupont@example.com,01 99 00 12 34,Lyon,FR
3,Zoé,Martin,zoe@example.org,,Paris,FR
4,Jean,Dupont,jean.dupont@example.com,01 99 00 12 34,Bern,CH
"""
SETTINGS = """\
database: sqlite:///crm-steward.db
connections: {export: {kind: file, path: contacts.csv}}
rules: {paths: [rules.yaml], packs: []}
"""
RULE = """\
version: 1
rules:
  - id: second
    about: A second opinion
    where: {field: country, equals: FR}
    check: {kind: duplicates, engine: ENGINE}
    mode: report
"""


@pytest.fixture
def base(tmp_path: Path, steward: Cli) -> Path:
    """Give a folder with contacts that were read, and no rules yet."""
    (tmp_path / "contacts.csv").write_text(CONTACTS)
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS)
    (tmp_path / "rules.yaml").write_text(RULE.replace("ENGINE", "sql"))
    assert steward("pull").returncode == 0
    return tmp_path


@pytest.mark.skipif(find_spec("splink") is None, reason="needs crm-steward[splink]")
def test_splink_answers_a_rule(base: Path, steward: Cli) -> None:
    """What Splink finds among the contacts in scope is a finding like any other, scan after scan."""
    (base / "rules.yaml").write_text(RULE.replace("ENGINE", "splink"))
    for _ in range(2):
        done = steward("scan")
        assert done.returncode == 0, done.stderr
        (finding,) = json.loads(steward("findings", "--json").stdout)
        assert finding["refs"] == ["export:1", "export:2"]


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="pyspark is installed")
def test_an_engine_that_is_not_installed_is_named_with_its_remedy(base: Path, steward: Cli) -> None:
    """Nothing is found, nothing is lost, and the extra to install is said."""
    (base / "rules.yaml").write_text(RULE.replace("ENGINE", "splink-spark"))
    done = steward("scan")
    assert done.returncode == 3
    assert "pip install 'crm-steward[splink-spark]'" in done.stderr


def test_levels_are_refused_with_another_engine(base: Path, steward: Cli) -> None:
    """Splink knows no levels: said at the rule, before anything runs."""
    engine = "splink, levels: [same e-mail]"
    (base / "rules.yaml").write_text(RULE.replace("ENGINE", engine))
    done = steward("rules", "lint")
    assert done.returncode == 3
    assert "rules.yaml:6:12: rule 'second': engine 'splink' knows neither levels" in done.stderr
