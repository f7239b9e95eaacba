"""Rules that would undo each other for ever are refused before they write."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_steward.model import ConfigError
from crm_steward.rules import RuleBook, load_rules, pack_path
from crm_steward.rules.loading import packs
from crm_steward.writing.fighting import fights, refuse_fights

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
UPPER = """
  - id: upper
    about: Names for labels
    check: {kind: condition, holds: {field: last_name, matches: "^[A-Z][a-z]+$"}}
    actions: [update: {copy: {last_name: extra.label}}]
    mode: propose
"""
NAMES = """
  - id: name-case
    about: Names
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
"""


def _set(rule: str, condition: str, values: str, *, mode: str = "apply", more: str = "") -> str:
    return f"""
  - id: {rule}
    about: {rule}
    check: {{kind: condition, holds: {condition}}}
    actions: [update: {values}]
    mode: {mode}
    {more}
"""


def _book(folder: Path, *rules: str) -> RuleBook:
    path = folder / "own.yaml"
    path.write_text("version: 1\nrules:" + "".join(rules), encoding="utf-8")
    return load_rules([path])


PING_PONG = (
    _set("to-fr", "{field: language, equals: en}", "{set: {language: fr}}"),
    _set("to-en", "{field: language, equals: fr}", "{set: {language: en}}"),
)
AT_ONCE = (
    _set("vip", "{field: stage, equals: customer}", "{set: {extra.list: vip}}"),
    _set("french", "{field: country, equals: FR}", "{set: {extra.list: french}}"),
)
AGES = (
    _set("old", "{field: last_activity, older_than: 2 years}", "{set: {extra.heat: cold}}"),
    _set("older", "{field: last_activity, older_than: 3 years}", "{set: {extra.heat: dead}}"),
)
CLEARED = (
    _set("fill", "{field: region, is: empty}", "{set: {region: unknown}}"),
    _set("empty", "{field: region, equals: unknown}", "{clear: [region]}"),
)
THREE = (
    _set("a", "{field: city, equals: Paris}", "{set: {city: Lyon}}"),
    _set("b", "{field: city, equals: Lyon}", "{set: {city: Nice}}"),
    _set("c", "{field: city, equals: Nice}", "{set: {city: Paris}}"),
)
TAGS = (
    """
  - id: hot
    about: hot
    check: {kind: condition, holds: {field: last_person_act, newer_than: 30 days}}
    actions: [tag: {field: extra.segment, value: hot}]
""",
    """
  - id: member
    about: member
    where: {all: [{field: stage, equals: customer}, {not: {field: email, is: empty}}]}
    check: {kind: condition, holds: {field: email_domain, equals: example.com}}
    actions: [tag: {field: extra.segment, value: member}]
""",
)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (PING_PONG, "language"),
        (AT_ONCE, "extra.list"),
        (AGES, "extra.heat"),
        (CLEARED, "region"),
        (THREE, "city"),
        (TAGS, "extra.segment"),
        ((NAMES, UPPER), "last_name"),
    ],
    ids=["ping-pong", "at once", "ages", "cleared", "three", "tags", "upper and lower"],
)
def test_rules_that_undo_each_other_are_refused(
    tmp_path: Path, rules: tuple[str, ...], field: str
) -> None:
    """Both are named with their places, the field, an example and what to do, in both languages."""
    book = _book(tmp_path, *rules)
    for language, remedy in (("en", "remove one"), ("fr", "supprimez-en une")):
        with pytest.raises(ConfigError) as caught:
            refuse_fights(book, language=language, now=NOW)
        said = str(caught.value)
        assert f"'{field}'" in said
        assert remedy in said
        for rule in book.rules[:2]:
            assert rule.id in said
            assert rule.where_written in said
            assert rule.where_written.startswith(f"{tmp_path}/own.yaml:")


@pytest.mark.parametrize(
    "rules",
    [
        (PING_PONG[0], PING_PONG[1].replace("mode: apply", "mode: report")),
        (
            PING_PONG[0],
            _set(
                "to-en",
                "{field: language, equals: fr}",
                "{set: {language: en}}",
                more="connections: [other]",
            ).replace("apply", "propose"),
        ),
        (
            AT_ONCE[0],
            _set(
                "french",
                "{all: [{field: country, equals: FR}, {field: stage, equals: prospect}]}",
                "{set: {extra.list: french}}",
            ),
        ),
        (
            AT_ONCE[0],
            _set(
                "french",
                "{field: country, equals: FR}",
                "{set: {extra.list: french}}",
                more="except: {field: stage, equals: customer}",
            ),
        ),
        (AT_ONCE[0], _set("same", "{field: country, equals: FR}", "{set: {extra.list: vip}}")),
        (THREE[0], THREE[1]),
        (NAMES, _set("junk", "{field: first_name, in: [XXX, Test]}", "{clear: [first_name]}")),
    ],
    ids=["one reports", "elsewhere", "apart", "excepted", "the same", "a chain", "junk"],
)
def test_rules_that_come_to_rest_are_taken(tmp_path: Path, rules: tuple[str, ...]) -> None:
    """No witness shows a fight where there is none, so that nothing sound is refused."""
    book = _book(tmp_path, *rules)
    if "connections: [other]" in rules[1]:
        book = RuleBook((book.rules[0].model_copy(update={"connections": ("crm",)}), book.rules[1]))
    refuse_fights(book, language="en", now=NOW)


def test_the_shipped_packs_come_to_rest() -> None:
    """All together."""
    book = load_rules([pack_path(name) for name in packs()])
    assert list(fights(book.rules, now=NOW)) == []


def test_many_rules_of_one_field_are_looked_at_together(tmp_path: Path) -> None:
    """Twenty segments that are apart come to rest; one that is not is named."""
    apart = [
        _set(f"s{n}", f"{{field: extra.grade, equals: {n}}}", f"{{set: {{extra.segment: s{n}}}}}")
        for n in range(20)
    ]
    assert list(fights(_book(tmp_path, *apart).rules, now=NOW)) == []
    both = _set("both", "{field: extra.grade, in: [7, 8]}", "{set: {extra.segment: all}}")
    found = fights(_book(tmp_path, *apart, both).rules, now=NOW)
    assert {(one.first.id, one.second.id) for one in found} == {("both", "s7"), ("both", "s8")}
