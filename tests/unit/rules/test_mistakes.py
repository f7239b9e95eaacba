"""Every mistake, in one pass, at the right place, in words a manager understands."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from tests.unit.rules.conftest import HOLDS

from crm_steward.model import ConfigError
from crm_steward.rules import load_rules, pack_path
from crm_steward.rules.messages import SENTENCES

_HEAD = "version: 1\nrules:\n"


def mistakes(path: Path, *more: Path, language: str = "en") -> list[str]:
    """Return the problems of the files, named without their folder."""
    with pytest.raises(ConfigError) as raised:
        load_rules([path, *more], language=language, abilities=HOLDS)
    return [str(problem).replace(f"{path.parent}/", "") for problem in raised.value.problems]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Give a place for a rule file."""
    return tmp_path / "mine.yaml"


MANY = """\
version: 1
rules:
  - id: first
    about: Prospects
    sverity: high
    where:
      all:
        - {field: stge, equals: prospect}
        - {field: country, in: [FR, NO, Frnce]}
        - {field: last_activity, greater_than: 5}
        - {field: postcode, equals: 75001}
    check: {kind: stal, longer_than: 18 months}
  - id: first
    about: {en: Only English}
    check: {kind: stale, clock: last_actvity, longer_than: 18 moons}
    actions:
      - tsk: {to: owner}
      - task: {title: "Call {frst_name}", due: 3}
    limits: {max_changes: "5"}
    mode: aply
  - id: third
    about: Third
    where: {field: email, matches: "(a"}
    every:
    check: {}
"""


def test_every_mistake_of_a_file_comes_in_one_pass_in_order(mine: Path) -> None:
    """One file with mistakes of every sort: each named once, at its line and column."""
    mine.write_text(MANY)

    assert mistakes(mine) == [
        "mine.yaml:5:5: rule 'first': unknown key 'sverity' (did you mean 'severity'?)",
        "mine.yaml:8:19: rule 'first': unknown field 'stge' (did you mean 'stage'?)",
        (
            "mine.yaml:9:41: rule 'first': 'Frnce' is not a country; write its two letters, "
            "for example FR"
        ),
        (
            "mine.yaml:10:48: rule 'first': the field 'last_activity' holds a date; use older_than, "
            "newer_than, before or after"
        ),
        "mine.yaml:11:37: rule 'first': the field 'postcode' holds text; put 75001 in quotes",
        "mine.yaml:12:19: rule 'first': unknown check kind 'stal' (did you mean 'stale'?)",
        "mine.yaml:13:9: rule 'first': the id 'first' is already used at mine.yaml:3:9",
        "mine.yaml:14:12: rule 'first': 'fr' is missing",
        (
            "mine.yaml:15:33: rule 'first': 'last_actvity' is not one of last_activity, "
            "last_person_act, updated_at, created_at (did you mean 'last_activity'?)"
        ),
        (
            "mine.yaml:15:60: rule 'first': '18 moons' is not a duration; write a number and a unit, "
            "for example 18 months (hours, days, weeks, months, years)"
        ),
        "mine.yaml:17:9: rule 'first': unknown key 'tsk' (did you mean 'task'?)",
        (
            "mine.yaml:18:23: rule 'first': unknown placeholder '{frst_name}' "
            "(did you mean 'first_name'?)"
        ),
        "mine.yaml:18:48: rule 'first': text expected, found 3",
        "mine.yaml:19:27: rule 'first': whole number expected, found '5'",
        (
            "mine.yaml:20:11: rule 'first': 'aply' is not one of report, propose, apply "
            "(did you mean 'apply'?)"
        ),
        "mine.yaml:23:36: rule 'third': not a usable regular expression: missing ): (a",
        "mine.yaml:24:5: rule 'third': no value here; leave the key out or fill it in",
        (
            "mine.yaml:25:12: rule 'third': 'kind' is missing; it says which check this is: "
            "condition, conflict, consent, duplicates, format, freetext, required, retention, segment, stale, "
            "unique"
        ),
    ]


def test_the_same_mistakes_read_in_french(mine: Path) -> None:
    """In French there are as many mistakes, at the same places, and none in English."""
    mine.write_text(MANY)
    english, french = mistakes(mine), mistakes(mine, language="fr")

    assert [one.split(":")[1:3] for one in english] == [one.split(":")[1:3] for one in french]
    assert "clé inconnue 'sverity' (vouliez-vous dire 'severity' ?)" in french[0]
    assert not set(english) & set(french)


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    """A value named in one language is named in the other."""
    for code, (english, french) in SENTENCES.items():
        assert english != french, code
        named = [set(re.findall(r"(?<!\{)\{(\w+)\}", text)) for text in (english, french)]
        assert named[0] == named[1], code


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("id: ‸Bad Id, about: x, check: {kind: stale, longer_than: 1 day}", "'Bad Id' cannot be a rule's id"),
        ("id: r, about: ‸5, check: {kind: stale, longer_than: 1 day}", "text expected, or {en: …, fr: …}"),
        ("id: r, about: x, check: ‸stale", "keys and values expected, found 'stale'"),
        ("id: r, about: x, check: {kind: stale, longer_than: ‸300 years}", "'300 years' is longer than 200 years"),
        ("id: r, about: x, where: ‸{fild: email}, check: {kind: stale, longer_than: 1 day}", "a condition starts with field, all, any or not"),
        ("id: r, about: x, where: ‸[], check: {kind: stale, longer_than: 1 day}", "a condition starts with field, all, any or not"),
        ("id: r, about: x, where: {all: ‸[]}, check: {kind: stale, longer_than: 1 day}", "at least 1 needed"),
        ("id: r, about: x, where: ‸{field: email}, check: {kind: stale, longer_than: 1 day}", "says nothing about 'email'"),
        ("id: r, about: x, where: {field: email, is: set, ‸contains: x}, check: {kind: stale, longer_than: 1 day}", "one condition, one operator; combine 'is' and 'contains'"),
        ("id: r, about: x, where: {field: email, equals: ‸[a]}, check: {kind: stale, longer_than: 1 day}", "text expected, found […]"),
        ("id: r, about: x, where: {field: email, older_than: ‸1 day}, check: {kind: stale, longer_than: 1 day}", "the field 'email' holds no date; 'older_than' needs one"),
        ("id: r, about: x, where: {field: email, less_than: ‸1}, check: {kind: stale, longer_than: 1 day}", "the field 'email' holds no number; 'less_than' needs one"),
        ("id: r, about: x, where: {field: legal_hold, equals: ‸'yes'}, check: {kind: stale, longer_than: 1 day}", "the field 'legal_hold' holds yes or no; write true or false, without quotes"),
        ("id: r, about: x, where: {field: legal_hold, contains: ‸y}, check: {kind: stale, longer_than: 1 day}", "the field 'legal_hold' holds no free text"),
        ("id: r, about: x, where: {field: legal_hold, less_than: ‸1}, check: {kind: stale, longer_than: 1 day}", "the field 'legal_hold' holds no number; 'less_than' needs one"),
        ("id: r, about: x, where: {field: purchases, equals: ‸true}, check: {kind: stale, longer_than: 1 day}", "the field 'purchases' holds a number; write one, without quotes"),
        ("id: r, about: x, where: {field: purchases, starts_with: ‸'1'}, check: {kind: stale, longer_than: 1 day}", "the field 'purchases' holds no free text"),
        ("id: r, about: x, where: {field: consent_email, equals: ‸grantd}, check: {kind: stale, longer_than: 1 day}", "(did you mean 'granted'?)"),
        ("id: r, about: x, where: {field: last_activity, equals: ‸x}, check: {kind: stale, longer_than: 1 day}", "the field 'last_activity' holds a date"),
        ("id: r, about: x, where: {field: last_activity, before: ‸31/12/2025}, check: {kind: stale, longer_than: 1 day}", "'31/12/2025' is not a date"),
        ("id: r, about: x, where: {field: stage, equals: ‸prospct}, check: {kind: stale, longer_than: 1 day}", "'prospct' is not one of prospect, customer, former, unknown (did you mean 'prospect'?)"),
        ("id: r, about: x, where: {field: country, in: [FR, ‸Frnce]}, check: {kind: stale, longer_than: 1 day}", "'Frnce' is not a country"),
        ("id: r, about: x, where: {field: stage, contains: ‸pro}, check: {kind: stale, longer_than: 1 day}", "the field 'stage' holds no free text; 'contains' needs some"),
        ("id: r, about: x, where: {field: ‸extra.scre, equals: 5}, check: {kind: stale, longer_than: 1 day}", "unknown field 'extra.scre'"),
        ("id: r, about: x, check: {kind: required, fields: [‸emial]}", "unknown field 'emial' (did you mean 'email'?)"),
        ("id: r, about: x, check: {kind: duplicates, levels: [‸same email]}", "(did you mean 'same e-mail'?)"),
        ("id: r, about: x, check: {kind: consent, channel: sms, problem: ‸unused}", "'unused' can be told for the channel email only"),
        ("id: r, about: x, check: {kind: consent, channel: post, problem: ‸contradicted}", "'contradicted' cannot be told for the channel post"),
        ("id: r, about: x, check: ‸{kind: consent, channel: email, problem: expired}", "'expired' needs a length"),
        ("id: r, about: x, check: {kind: consent, channel: email, problem: expired, period: casl, after: ‸6 months}", "'expired' needs a length"),
        ("id: r, about: x, check: {kind: consent, channel: email, problem: missing, after: ‸6 months}", "'after' goes with contradicted, expired, expiring, ignored, unused only"),
        ("id: r, about: x, check: {kind: consent, channel: email, problem: expired, after: 6 months, warn: ‸6 days}", "'warn' goes with expiring only"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, mode: ‸apply", "mode apply needs an action"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: ‸{normalise: true}]", "only the check kind 'format' says what to write; 'stale' does not"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [‸{}]", "says no action; write one of update, suppress, task, merge, archive, tag"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [task: {title: ‸'a { b'}]", "a single brace"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, limits: {max_percent: ‸101}", "must be at most 100"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, severity: ‸hgih", "'hgih' is not one of low, medium, high, critical (did you mean 'high'?)"),
        ('id: ‸"r\\n", about: x, check: {kind: stale, longer_than: 1 day}', "cannot be a rule's id"),
        ("id: r, about: ‸'', check: {kind: stale, longer_than: 1 day}", "at least 1 needed"),
        ("id: r, about: x, connections: ‸[], check: {kind: stale, longer_than: 1 day}", "at least 1 needed"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, limits: {max_changes: ‸9000000}", "must be at most 1000000"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {city: ‸[a]}}]", "text expected, found […]"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {city: ‸1}}]", "the field 'city' holds text; put 1 in quotes"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {city: ‸true}}]", "the field 'city' holds text; put true in quotes"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {phone: ‸1}}]", "no rule writes another 'phone': consent hangs on it"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {email: ‸true}}]", "no rule writes another 'email': consent hangs on it"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {set: {mobile: ‸'1'}}]", "no rule writes another 'mobile': consent hangs on it"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [update: {normalise: ‸false}]", "'false' is not one of true"),
        ("id: r, about: x, check: {kind: stale, longer_than: 1 day}, actions: [task: {to: {owner: ‸maybe}, title: x}]", "true or false expected, found 'maybe'"),
        ("id: r, about: x, check: {kind: freetext, fields: [notes, ‸created_at]}", "the field 'created_at' holds no free text"),
        ("id: r, about: x, check: {kind: freetext, categories: [‸helth]}", "'helth' is not one of health, religion, union, politics, sex_life, offence, family, insult, iban, card, nir, password (did you mean 'health'?)"),
        ("id: r, about: x, check: ‸{kind: freetext, categories: []}", "looks for nothing"),
        ("id: r, about: x, check: {kind: consent, channel: email, problem: expired, after: 1 year, clock: ‸city}", "the field 'city' holds no date; 'clock' needs one"),
        ("id: r, about: x, check: {kind: consent, channel: email, problem: expired, after: 1 year, clock: ‸updated_at}", "what changes the record would renew it for ever"),
    ],
)  # fmt: skip
def test_each_mistake_is_said_at_its_place(mine: Path, rule: str, expected: str) -> None:
    """One rule, one mistake, one message, pointing at the key or value that is wrong (‸)."""
    column = f"  - {{{rule}".index("‸") + 1
    mine.write_text(f"{_HEAD}  - {{{rule.replace('‸', '')}}}\n")
    (message,) = mistakes(mine)

    assert message.startswith(f"mine.yaml:3:{column}: rule '")
    assert expected in message


def test_mistakes_of_all_files_come_together(tmp_path: Path) -> None:
    """Two wrong files, a missing one and an empty folder: all are told in one go."""
    one, two, folder = tmp_path / "one.yaml", tmp_path / "two.yaml", tmp_path / "empty"
    one.write_text(f"{_HEAD}  - {{id: r, about: x}}\n")
    two.write_text(
        f"{_HEAD}  - {{id: r, about: x, check: {{kind: stale, longer_than: 1 day}}}}\nrles: 1\n"
    )
    folder.mkdir()

    assert mistakes(one, two, tmp_path / "gone.yaml", folder) == [
        "one.yaml:3:5: rule 'r': 'check' is missing",
        "two.yaml:3:10: rule 'r': the id 'r' is already used at one.yaml:3:10",
        "two.yaml:4:1: unknown key 'rles' (did you mean 'rules'?)",
        "gone.yaml: there is no such file or folder",
        "empty: the folder holds no rules (*.yaml, *.yml)",
    ]


def test_a_pattern_that_is_too_long_is_a_mistake(mine: Path) -> None:
    """It is said like any other, at its place."""
    where = f"{{field: email, matches: {'x' * 1001}}}"
    mine.write_text(
        f"{_HEAD}  - {{id: r, about: x, where: {where}, check: {{kind: stale, longer_than: 1 day}}}}\n"
    )

    assert mistakes(mine) == ["mine.yaml:3:54: rule 'r': at most 1000 allowed"]


def test_a_name_that_breaks_the_line_is_shown_on_one(mine: Path) -> None:
    """A mistake stays one line, whatever the rule is called."""
    mine.write_text(f'{_HEAD}  - {{id: "a\\nb", about: x, check: {{kind: required}}}}\n')

    assert all("\n" not in one for one in mistakes(mine))


def test_links_to_nowhere_and_what_cannot_be_looked_at_are_mistakes(tmp_path: Path) -> None:
    """A rule file that cannot be reached is said, not left out; nothing crashes."""
    good = f"{_HEAD}  - {{id: r, about: x, check: {{kind: stale, longer_than: 1 day}}}}\n"
    (tmp_path / "good.yaml").write_text(good)
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "up").symlink_to("..")
    long = tmp_path / ("x" * 300)

    first, second, third = mistakes(tmp_path, long)
    assert first.endswith("gone.yaml:1:1: there is no such file or folder")
    assert "loop.yaml:1:1: cannot be read: " in second
    assert third.endswith("x: cannot be read: File name too long")


def test_a_folder_that_may_not_be_read_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules in it are missing, which nobody would notice otherwise."""
    good = f"{_HEAD}  - {{id: r, about: x, check: {{kind: stale, longer_than: 1 day}}}}\n"
    (tmp_path / "good.yaml").write_text(good)
    (tmp_path / "shut").mkdir()
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)

    assert mistakes(tmp_path)[0].endswith("shut: cannot be read: Permission denied")


def test_an_unknown_pack_is_named_with_the_nearest() -> None:
    """A pack's name mistyped in the settings leads to the right one."""
    with pytest.raises(ConfigError, match=r"unknown pack 'baselin' \(did you mean 'baseline'"):
        pack_path("baselin")


def test_an_unknown_rule_is_named_with_the_nearest() -> None:
    """Asking the book for a rule that does not exist suggests one that does."""
    book = load_rules([pack_path("format")])

    with pytest.raises(ConfigError, match=r"unknown rule 'name-cas' \(did you mean 'name-case'"):
        book.rule("name-cas")


def test_a_copy_that_would_never_come_to_rest_is_refused(mine: Path) -> None:
    """A field is not copied from one that the same action writes; emptying the source moves it."""
    rule = (
        "  - id: one\n    about: x\n    check: {kind: required, fields: [email]}\n"
        "    actions: [update: {%s}]\n"
    )
    mine.write_text(_HEAD + rule % "copy: {city: region, region: city}")
    sentence = "is written by the same action; copying it to '{}' would never come to rest"
    assert [said.partition(": rule 'one': ")[2] for said in mistakes(mine)] == [
        "'region' " + sentence.format("city"),
        "'city' " + sentence.format("region"),
    ]
    mine.write_text(_HEAD + rule % "copy: {city: region}, clear: [region]")
    assert len(load_rules([mine]).rules) == 1
