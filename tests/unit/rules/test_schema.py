"""The JSON Schema that editors use: current, complete, in agreement with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from crm_steward.rules import load_rules, packs
from crm_steward.rules.schema import rules_schema

ROOT = Path(__file__).parents[3]
SCHEMA = rules_schema()


def read(text: str) -> Any:
    """Read YAML the way an editor does."""
    return YAML(typ="safe", pure=True).load(text)


def test_the_schema_in_config_is_current() -> None:
    """`crm-steward rules schema > config/rules.schema.json` has been run."""
    stored = json.loads((ROOT / "config/rules.schema.json").read_text(encoding="utf-8"))

    assert stored == SCHEMA, "run: crm-steward rules schema > config/rules.schema.json"


def test_the_schema_is_a_schema() -> None:
    """It is valid draft 7, which the YAML language server reads."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", sorted(packs()))
def test_every_shipped_pack_fits_the_schema(name: str) -> None:
    """An editor shows no mistake in a file that the loader takes."""
    text = packs()[name].read_text(encoding="utf-8")
    jsonschema.Draft7Validator(SCHEMA).validate(read(text))

    assert text.startswith("# yaml-language-server: $schema=")


@pytest.mark.parametrize(
    "rule",
    [
        "{id: r, about: x, check: {kind: stal}}",
        "{id: r, about: x, check: {kind: stale, longer_than: 18 moons}}",
        "{id: r, about: x, check: {kind: required, fields: [emial]}}",
        "{id: r, about: x, check: {kind: required, fields: [email]}, sverity: high}",
        "{id: r, about: x, check: {kind: required, fields: [email]}, mode: aply}",
        "{id: r, about: x, check: {kind: required, fields: [email]}, actions: [{}]}",
        "{id: r, about: x, check: {kind: required, fields: [email]}, where: {field: email}}",
        "{id: r, about: x, check: {kind: required, fields: [email]}, where: {all: []}}",
        "{id: R R, about: x, check: {kind: required, fields: [email]}}",
        "{id: r, about: {en: x}, check: {kind: required, fields: [email]}}",
        "{id: r, check: {kind: required, fields: [email]}}",
    ],
)
def test_the_editor_sees_the_mistakes_the_loader_sees(tmp_path: Path, rule: str) -> None:
    """What the loader refuses for its shape, the schema refuses too."""
    text = f"version: 1\nrules:\n  - {rule}\n"
    path = tmp_path / "x.yaml"
    path.write_text(text)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(read(text))
    with pytest.raises(Exception, match=r"x\.yaml:3:"):
        load_rules([path])


def test_every_key_is_described() -> None:
    """An author who hovers over any key reads what it is for."""
    undescribed = [path for path, part in _properties(SCHEMA) if not part.get("description")]

    assert undescribed == []


def _properties(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for item in part:
            yield from _properties(item, path)
    elif isinstance(part, dict):
        for name, inner in part.get("properties", {}).items():
            yield f"{path}.{name}", inner
        for key, inner in part.items():
            yield from _properties(inner, f"{path}.{key}")


def test_the_title_of_a_task_survives_tidying() -> None:
    """A key that is called `title` is no title of the schema."""
    assert {"to", "due", "title", "body"} == set(SCHEMA["$defs"]["TaskAction"]["properties"])
