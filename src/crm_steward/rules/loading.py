"""Reads rule files: every mistake of every file in one pass, or a book of rules."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from crm_steward.model import Ability, ConfigError, Problem
from crm_steward.rules.fitting import Misfit, misfits
from crm_steward.rules.messages import say, suggestion
from crm_steward.rules.mistakes import problems_of, rule_id
from crm_steward.rules.periods import Period
from crm_steward.rules.reading import Node, Place, read_yaml
from crm_steward.rules.rule import Rule, RuleFile
from crm_steward.rules.sql import EXTRA

_ENDINGS = frozenset({".yaml", ".yml"})
_GROUP = "crm_steward.rules"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Skipped:
    """One connection in which a rule, or an action of it, is left out.

    Args:
        rule: The rule's id.
        connection: The connection.
        field: The field that the connection lacks: the rule does not look at its contacts.
        action: The action that the connection cannot do.
    """

    rule: str
    connection: str
    field: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules that run, in the order of their files.

    Args:
        rules: The rules.
        skipped: What a rule leaves out where a connection cannot do it, as its `if_unable` allows.
        texts: What their files said: file → text.
        periods: The periods of the register that they were read with, by id.
    """

    rules: tuple[Rule, ...]
    skipped: tuple[Skipped, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    periods: Mapping[str, Period] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Changes whenever what some rule finds or does changes; their order does not count."""
        lines = sorted(f"{rule.id} {rule.digest}" for rule in self.rules)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def rule(self, rule_id: str, language: str = "en") -> Rule:
        """Return the rule of that id.

        Raises:
            ConfigError: There is none.
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        hint = suggestion(rule_id, [rule.id for rule in self.rules], language)
        raise ConfigError([Problem(say("unknown_rule", language, value=rule_id) + hint)])


def load_rules(
    paths: Sequence[Path],
    *,
    language: str = "en",
    abilities: Mapping[str, Ability] | None = None,
    periods: Mapping[str, Period] | None = None,
    zone: tzinfo = UTC,
    excuse: bool = False,
) -> RuleBook:
    """Read the rules in `paths`.

    Args:
        paths: Files, or folders whose `*.yaml` and `*.yml` are read (`*.test.yaml` are not rules).
        language: Of the messages about mistakes.
        abilities: Connection → what it holds and can do; None when they are not known, which lets
            any custom field, connection and action pass.
        periods: Id → period of retention of the register; None when it is not known, which lets
            any id pass.
        zone: Where the days begin that rules name (`before`, `after`).
        excuse: Leave out what a connection lacks, whatever a rule's `if_unable` says: somebody
            else's rules on somebody's file.

    Raises:
        ConfigError: Holds every mistake of every file.
    """
    problems: list[Problem] = []
    rules: list[Rule] = []
    skipped: list[Skipped] = []
    places: dict[str, str] = {}
    texts: dict[str, str] = {}
    context = {"custom_fields": _custom(abilities), "periods": periods}
    for path in rule_files(paths, language, problems):
        root, found = _checked_ids(path, language, places)
        problems.extend(found)
        if root is None:
            continue
        texts[str(path)] = root.text
        book, found = validated(RuleFile, root, path, language, context)
        problems.extend(found)
        for number, rule in enumerate(book.rules if book else ()):
            # Where it was read, and whose days it means, is the loader's to say.
            rule._file, rule._zone, rule._where = path, zone, places.get(rule.id, "")  # noqa: SLF001
            node = root.children["rules"].children[number]
            skipped += _fitted(rule, abilities or {}, node, language, None if excuse else problems)
            rules.append(rule)
    if problems:
        raise ConfigError(_in_order(problems))
    return RuleBook(tuple(rules), tuple(skipped), texts, periods or {})


def _custom(abilities: Mapping[str, Ability] | None) -> frozenset[str] | None:
    """Return the custom fields that rules may name; None when some connection cannot tell."""
    if abilities is None or any(ability.fields is None for ability in abilities.values()):
        return None
    held = (name for ability in abilities.values() for name in ability.fields or ())
    return frozenset(name.removeprefix(EXTRA) for name in held if name.startswith(EXTRA))


def _fitted(
    rule: Rule,
    abilities: Mapping[str, Ability],
    node: Node,
    language: str,
    problems: list[Problem] | None,
) -> Iterator[Skipped]:
    """Yield what `rule` leaves out; where it may leave out nothing, that is one of `problems`."""
    lacking: set[str] = set()
    for misfit in misfits(rule, abilities) if abilities else ():
        if problems is not None and not (misfit.excusable and rule.if_unable != "refuse"):
            problems.append(_misfit(rule, misfit, abilities, node, language))
        elif misfit.action is None:
            lacking.add(misfit.connection)
            yield Skipped(rule.id, misfit.connection, field=misfit.values["field"])
        else:
            yield Skipped(rule.id, misfit.connection, action=misfit.values["action"])
    rule._skipped = frozenset(lacking)  # noqa: SLF001 -- only the loader knows the connections


def _misfit(
    rule: Rule, misfit: Misfit, abilities: Mapping[str, Ability], node: Node, language: str
) -> Problem:
    target, key_place = node.walk(misfit.loc)
    line, column = key_place if misfit.loc[0] == "actions" else target.place
    message = say(misfit.code, language, **misfit.values)
    if misfit.code == "unknown_connection":
        message += suggestion(misfit.values["value"], abilities, language)
    return Problem(message, f"{rule.file}:{line}:{column}", rule.id)


def validated(
    model: type[Model],
    root: Node,
    path: Path,
    language: str,
    context: Mapping[str, Any] | None = None,
    *,
    may_be_empty: bool = False,
) -> tuple[Model | None, list[Problem]]:
    """Check the content of one file against `model`.

    Args:
        model: What it should be.
        root: The file.
        path: Its name, as the author knows it.
        language: Of the messages.
        context: What the model's validators ask for.
        may_be_empty: Whether a key may stand without a value.

    Returns:
        The content, None when it has mistakes; and the mistakes.
    """
    empty = [] if may_be_empty else list(root.empty())
    found = [
        (
            place,
            Problem(say("no_value", language), f"{path}:{place[0]}:{place[1]}", rule_id(root, loc)),
        )
        for loc, place in empty
    ]
    content = None
    try:
        content = model.model_validate(root.value, context=dict(context or {}))
    except ValidationError as error:
        mistakes = problems_of(error, model, root, path, language)
        found += [
            (place, problem)
            for place, problem, value in mistakes
            if may_be_empty or value is not None
        ]
    # A text that stands for both languages is wrong in both, which is one mistake.
    problems = [problem for _, problem in sorted(dict.fromkeys(found), key=lambda pair: pair[0])]
    return (None if problems else content), problems


def rule_files(paths: Sequence[Path], language: str, problems: list[Problem]) -> Iterator[Path]:
    """Yield the rule files among `paths`, each once; what is not there is added to `problems`."""
    seen: set[str] = set()
    for path in paths:
        try:
            folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            problems.append(_not_there(path, error, language))
            continue
        before = len(problems)
        found = _files_in(path, language, problems) if folder else [path]
        inside = sorted(file for file in found if not (folder and is_test(file)))
        if not inside and len(problems) == before:
            problems.append(Problem(say("folder_empty", language), where=str(path)))
        for file in inside:
            # Not Path.resolve(), which fails on links that lead in a circle.
            if (real := os.path.realpath(file)) not in seen:
                seen.add(real)
                yield file


def lonely_tests(paths: Sequence[Path], language: str) -> Iterator[Problem]:
    """Yield tests in folders beside which there are no rules: they would never run."""
    for folder in paths:
        for file in sorted(_files_in(folder, language, [])):
            if is_test(file) and not (rules := rules_beside(file)).exists():
                yield Problem(say("lonely_test", language, rules=rules.name), where=str(file))


def rules_beside(path: Path) -> Path:
    """Return the rule file that a test file stands beside; any other path as it is."""
    return path.with_name(path.name.replace(".test.", ".")) if is_test(path) else path


def _files_in(folder: Path, language: str, problems: list[Problem]) -> Iterator[Path]:
    """Yield the YAML files below a folder, also links to nowhere: whoever reads them says so."""

    def unread(error: OSError) -> None:
        problems.append(_not_there(Path(str(error.filename)), error, language))

    for place, folders, names in os.walk(folder, onerror=unread):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(place, name)
            if file.suffix in _ENDINGS and not name.startswith("."):
                yield file


def _not_there(path: Path, error: OSError, language: str) -> Problem:
    """Say that a file or folder is missing or, being there, may not be looked at."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Problem(say("file_missing", language), where=str(path))
    reason = error.strerror or type(error).__name__
    return Problem(say("file_unreadable", language, reason=reason), where=str(path))


def is_test(path: Path) -> bool:
    """Whether the file holds tests of rules rather than rules."""
    return path.name.endswith((".test.yaml", ".test.yml"))


def _checked_ids(
    path: Path, language: str, places: dict[str, str]
) -> tuple[Node | None, list[Problem]]:
    """Read a file and compare its rules' ids with those of the files before it."""
    root, problems = read_yaml(path, language)
    for place, name in _ids(root):
        where = f"{path}:{place[0]}:{place[1]}"
        if name in places:
            sentence = say("duplicate_id", language, id=name, where=places[name])
            problems.append(Problem(sentence, where=where, rule=name))
        places.setdefault(name, where)
    return root, problems


def _ids(root: Node | None) -> Iterator[tuple[Place, str]]:
    rules = root.children.get("rules") if root else None
    for place in rules.children if rules else ():
        name = rule_id(root, ("rules", place)) if root else ""
        if name and rules:
            yield rules.children[place].children["id"].place, name


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return the problems file by file, each file's from top to bottom."""
    order = {problem.where.partition(":")[0]: None for problem in problems}
    ranks = {name: rank for rank, name in enumerate(order)}

    def place(problem: Problem) -> tuple[int, list[int]]:
        parts = problem.where.rsplit(":", 2)[1:]
        numbers = [int(part) for part in parts if part.isdecimal()]
        return ranks[problem.where.partition(":")[0]], numbers

    return sorted(problems, key=place)


def pack_path(name: str, language: str = "en") -> Path:
    """Return the file of the shipped pack `name`.

    Packs are the YAML files of the packages named under the entry point `crm_steward.rules`.

    Raises:
        ConfigError: There is no such pack.
    """
    known = packs()
    if name not in known:
        hint = suggestion(name, known, language)
        raise ConfigError([Problem(say("unknown_pack", language, value=name) + hint)])
    return known[name]


def packs() -> dict[str, Path]:
    """Return the packs that are installed: name → file."""
    found: dict[str, Path] = {}
    for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name):
        folder = Path(str(files(point.load())))
        found |= {file.stem: file for file in sorted(folder.glob("*.yaml")) if not is_test(file)}
    return found
