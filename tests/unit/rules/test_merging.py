"""Mistakes in merge actions: each at its place, in a sentence that says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_steward.model import ConfigError
from crm_steward.rules import MergeAction, load_rules

RULE = """version: 1
rules:
  - id: twins
    about: x
    check: {{kind: duplicates, levels: [same e-mail]}}
    actions:
      - merge: {merge}
"""


def said(path: Path, merge: str, language: str = "en") -> list[str]:
    """Return what is wrong with a merge action: line, column and sentence."""
    path.write_text(RULE.format(merge=merge), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_rules([path], language=language)
    return [
        f"{(one.where or '').rpartition('yaml:')[2]} {one.message}" for one in caught.value.problems
    ]


@pytest.mark.parametrize(
    ("merge", "place", "english", "french"),
    [
        ("{keep: [from hubspot-eu]}", "from", "inside one connection", "d'une connexion"),
        (
            "{keep: [{field: connection, equals: a}]}",
            "connection, ",
            "inside one connection",
            "d'une connexion",
        ),
        (
            "{keep: [oldest, has open deal]}",
            "has open",
            "{field: extra.open_deals, greater_than: 0}",
            "ne sont connues que par un champ",
        ),
        ("{keep: [oldst]}", "oldst", "did you mean 'oldest'?", "vouliez-vous dire 'oldest'"),
        ("{keep: [{field: stage}]}", "{field", "says nothing about 'stage'", "ne dit rien de"),
        ("{keep: [{field: city, less_than: 3}]}", "{field", "holds no number", "pas de nombre"),
        (
            "{keep: [{field: stage, is: set, equals: customer}]}",
            "{field",
            "one condition, one operator",
            "un opérateur",
        ),
        ("{fields: {email: longest}}", "longest", "consent hangs on 'email'", "attaché à 'email'"),
        ("{fields: {consent_sms: oldest}}", "oldest", "the strictest holds", "le plus strict"),
        ("{fields: {city: union}}", "union", "holds one value", "une seule valeur"),
        ("{fields: {owner: longest}}", "longest", "cannot be written", "ne peut pas être écrit"),
        ("{fields: {city: newest}}", "newest", "not one of survivor", "ne fait pas partie de"),
    ],
)
def test_a_mistake_is_explained_where_it_stands(
    tmp_path: Path, merge: str, place: str, english: str, french: str
) -> None:
    """In English and in French, once."""
    (sentence,) = said(tmp_path / "rules.yaml", merge)
    column = RULE.format(merge=merge).splitlines()[6].index(place) + 1
    assert sentence.startswith(f"7:{column} "), sentence
    assert english in sentence
    (sentence,) = said(tmp_path / "rules.yaml", merge, "fr")
    assert french in sentence


def test_what_is_right_is_read(tmp_path: Path) -> None:
    """Criteria of both kinds, in order, and a word on fields, custom ones included."""
    path = tmp_path / "rules.yaml"
    merge = (
        "{keep: [customer first, {field: extra.open_deals, greater_than: 0}, oldest], "
        "fields: {city: longest, extra.lists: union, job_title: survivor}}"
    )
    path.write_text(RULE.format(merge=merge), "utf-8")
    (rule,) = load_rules([path]).rules
    (action,) = rule.actions
    assert isinstance(action, MergeAction)
    assert [str(one) for one in action.keep] == [
        "customer first",
        "extra.open_deals greater_than 0",
        "oldest",
    ]
    assert action.writes == ("city", "extra.lists")
