"""The pages about the shipped packs name every rule, and say the same in both languages."""

from __future__ import annotations

import re

import pytest
from tests.docs.shell import ROOT

from crm_steward.rules import load_rules, pack_path, packs

ENGLISH = (ROOT / "docs/packs.md").read_text("utf-8")
FRENCH = (ROOT / "docs/fr/packs.md").read_text("utf-8")
RULES = {rule.id: rule for rule in load_rules([pack_path(name) for name in packs()]).rules}
_ROW = re.compile(r"^\| `([a-z0-9_./]+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
_SAID = {
    "docs/packs.md": {"report": "listed", "propose": "proposed", "apply": "by itself"},
    "docs/fr/packs.md": {"report": "liste", "propose": "proposé", "apply": "de lui-même"},
}


def _rows(text: str) -> dict[str, tuple[str, str]]:
    """Return what is asked → where it is, and how it goes."""
    return {asked: (where, how) for asked, where, how in _ROW.findall(text) if "." in asked}


@pytest.mark.parametrize("text", [ENGLISH, FRENCH], ids=["en", "fr"])
def test_every_pack_and_rule_is_named(text: str) -> None:
    """Nothing is shipped that the page does not mention."""
    named = set(re.findall(r"`([a-z0-9-]+)`", text))

    assert {*packs(), *RULES} <= named


@pytest.mark.parametrize("page", _SAID)
def test_rules_stand_in_their_pack_with_their_mode(page: str) -> None:
    """A row names rules that exist, in the pack that holds them, and all their modes."""
    for asked, (where, how) in _rows((ROOT / page).read_text("utf-8")).items():
        modes = {
            RULES[name].mode_in("any")
            for pack, names in re.findall(r"([a-z-]+) ?: ((?:`[a-z0-9-]+`(?:, )?)+)", where)
            for name in re.findall(r"`([a-z0-9-]+)`", names)
            if RULES[name].pack == pack
        }
        assert (where == "—") == (not modes), asked
        assert {_SAID[page][mode] for mode in modes} <= set(re.split(r", | ?; ", how)), asked


def test_both_languages_name_the_same() -> None:
    """The same questions, each answered by the same rules."""
    answers = [
        {asked: re.findall(r"`([a-z0-9-]+)`", where) for asked, (where, _) in _rows(text).items()}
        for text in (ENGLISH, FRENCH)
    ]

    assert answers[0] == answers[1]
    assert len(answers[0]) == 46
