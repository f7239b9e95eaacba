"""Rule tests: contacts in, findings out. They stand beside the rules: `x.yaml`, `x.test.yaml`.

The contacts become the same relation as the mirror's; who makes it is the caller's business, as
rules know no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from crm_steward.model import (
    Change,
    ConfigError,
    Contact,
    Finding,
    Problem,
    RecordRef,
    RecordRejectedError,
    change_to_json,
)
from crm_steward.rules.loading import load_rules, validated
from crm_steward.rules.messages import quoted, say, suggestion
from crm_steward.rules.periods import Period
from crm_steward.rules.reading import Node, read_yaml
from crm_steward.rules.rule import Rule
from crm_steward.rules.trialfile import Expected, Trial, TrialFile

Asked = Callable[[Rule, Sequence[Finding], Sequence[Contact], datetime], Sequence[Change]]
"""Returns what a rule's actions ask for, given what it found: changes are made on a floor above."""

Relation = Callable[[Sequence[Contact]], duckdb.DuckDBPyConnection]
"""Makes the table `contacts` of a few contacts, as the mirror would."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How one test went.

    Args:
        name: The test.
        rule: The rule it is about.
        where: `file:line:col`.
        missing: What was expected and not found, in words.
        unexpected: What was found and not expected, in words.
    """

    name: str
    rule: str
    where: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether it found what it should and nothing else."""
        return not self.missing and not self.unexpected


@dataclass(frozen=True, slots=True)
class TrialReport:
    """How all tests went.

    Args:
        results: One per test, in the order of the files.
        untested: Rules beside which there is no test of theirs.
    """

    results: tuple[TrialResult, ...]
    untested: tuple[str, ...]


def run_trials(
    rule_files: Sequence[Path],
    relation: Relation,
    *,
    asked: Asked | None = None,
    language: str = "en",
    periods: Mapping[str, Period] | None = None,
) -> TrialReport:
    """Run the tests that stand beside `rule_files`.

    Args:
        rule_files: Files of rules; tests are looked for beside each.
        relation: Makes the table `contacts`.
        asked: Makes changes of findings; without it tests that expect changes cannot run.
        language: Of the messages.
        periods: Id → period of retention of the register.

    Raises:
        ConfigError: Rules or tests are wrong; holds every mistake of every file.
    """
    book = load_rules(rule_files, language=language, periods=periods)
    problems: list[Problem] = []
    results: list[TrialResult] = []
    for path in rule_files:
        if beside(path).exists():
            rules = {rule.id: rule for rule in book.rules if rule.file == path}
            bench = _Bench(relation, asked, rules)
            results += _try_file(beside(path), bench, language, problems)
    if problems:
        raise ConfigError(problems)
    tested = {result.rule for result in results}
    untested = tuple(rule.id for rule in book.rules if rule.id not in tested)
    return TrialReport(tuple(results), untested)


def beside(path: Path) -> Path:
    """Return where the tests of the rules in `path` stand."""
    return path.with_name(f"{path.stem}.test{path.suffix}")


@dataclass(frozen=True, slots=True)
class _Bench:
    """What the tests of one file are run with.

    Args:
        relation: Makes the table `contacts`.
        asked: Makes changes of findings.
        rules: The rules of the file beside, by id.
    """

    relation: Relation
    asked: Asked | None
    rules: Mapping[str, Rule]

    def run(self, trial: Trial, now: datetime) -> tuple[list[Finding], Sequence[Change]]:
        """Return what the rule of a test finds, and what it asks for where that is tested."""
        rule, contacts = self.rules[trial.rule], [one.contact() for one in trial.contacts]
        with closing(self.relation(contacts)) as con:
            found = list(rule.find(con, now))
        if trial.changes is None:
            return found, ()
        if self.asked is None:
            raise TypeError("tests that expect changes need `asked`")
        return found, self.asked(rule, found, contacts, now)


def _try_file(
    path: Path, bench: _Bench, language: str, problems: list[Problem]
) -> Iterator[TrialResult]:
    """Run the tests of one file; its mistakes are added to `problems`."""
    root, found = read_yaml(path, language)
    problems += found
    if root is None:
        return
    file, found = validated(TrialFile, root, path, language, may_be_empty=True)
    problems += found
    for number, trial in enumerate(file.tests if file else ()):
        node = root.children["tests"].children[number]
        mistakes = list(_mistakes(trial, node, bench.rules, path, language))
        problems += mistakes
        if not file or mistakes:
            continue
        try:
            yield _compared(trial, *bench.run(trial, file.now), _where(path, node))
        except RecordRejectedError as error:
            message = say("invalid", language, reason=error)
            problems.append(Problem(message, where=_where(path, node.children["contacts"])))


def _mistakes(
    trial: Trial, node: Node, rules: Mapping[str, Rule], path: Path, language: str
) -> Iterator[Problem]:
    """Yield what makes a test impossible: no such rule, no such contact."""
    if trial.rule not in rules:
        hint = suggestion(trial.rule, rules, language)
        message = say("unknown_rule", language, value=trial.rule) + hint
        yield Problem(message, where=_where(path, node.children["rule"]))
    places: dict[RecordRef, str] = {}
    for number, person in enumerate(trial.contacts):
        where = _where(path, node.children["contacts"].children[number].children["id"])
        if (first := places.setdefault(RecordRef(person.connection, person.id), where)) != where:
            yield Problem(say("duplicate_id", language, id=person.id, where=first), where=where)
    known = {person.id for person in trial.contacts}
    for number, expected in enumerate(trial.finds):
        for record in set(expected.records) - known:
            message = say("unknown_contact", language, value=record)
            place = node.children["finds"].children[number]
            yield Problem(message + suggestion(record, known, language), where=_where(path, place))
        facts = rules[trial.rule].check.facts if trial.rule in rules else expected.facts
        for name in set(expected.facts) - set(facts):
            place = node.children["finds"].children[number].children[name]
            message = say("unknown_fact", language, value=name, kind=rules[trial.rule].kind)
            yield Problem(message + suggestion(name, facts, language), where=_where(path, place))


def _where(path: Path, node: Node) -> str:
    return f"{path}:{node.place[0]}:{node.place[1]}"


def _compared(
    trial: Trial, found: Sequence[Finding], changes: Sequence[Change], where: str
) -> TrialResult:
    """Pair each expectation with one finding; what is left on either side is the difference."""
    missing, left = _unpaired(trial.finds, found)
    lacking, unasked = _changes(trial, changes)
    return TrialResult(
        trial.name,
        trial.rule,
        where,
        missing=(*(_words(one.records, one.facts) for one in missing), *lacking),
        unexpected=(
            *(_words(sorted(ref.id for ref in one.refs), one.evidence) for one in left),
            *unasked,
        ),
    )


def _unpaired(
    wanted: Sequence[Expected], found: Sequence[Finding]
) -> tuple[list[Expected], list[Finding]]:
    """Give each expectation a finding of its own as far as that goes; return what is left of both.

    A vague expectation makes way where a finding is the only one that fits another.
    """
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        for number, finding in enumerate(found):
            if number not in tried and wanted[one].fits(finding):
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = one
                    return True
        return False

    # The most precise choose first: what is left then says best what is wrong.
    order = sorted(range(len(wanted)), key=lambda one: -len(wanted[one].facts))
    missing = [wanted[one] for one in order if not place(one, set())]
    return missing, [finding for number, finding in enumerate(found) if number not in taken]


def _changes(trial: Trial, changes: Sequence[Change]) -> tuple[list[str], list[str]]:
    """Return the changes that are expected and not asked for, and the other way round."""
    if trial.changes is None:
        return [], []
    left, lacking = list(changes), []
    for expected in trial.changes:
        fitting = next((change for change in left if expected.fits(change)), None)
        if fitting is None:
            written = expected.model_dump(exclude_unset=True, exclude={"id"}, mode="json")
            lacking.append(_words([expected.id], written))
        else:
            left.remove(fitting)
    return lacking, [_asked_for(change) for change in left]


def _asked_for(change: Change) -> str:
    content = change_to_json(change)
    shown = {name: content[name] for name in _SHOWN if content.get(name)}
    return _words([change.ref.id], {"change": content["kind"], **shown})


_SHOWN = ("values", "channel", "title", "due", "owner", "losers")


def _words(records: Sequence[str], facts: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name}: {_value(value)}" for name, value in facts.items())
    ids = f"id: {records[0]}" if len(records) == 1 else f"ids: [{', '.join(records)}]"
    return f"{ids}, {told}" if told else ids


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return quoted(value) if not isinstance(value, dict) else str(value)
