"""The questions of `crm-steward rules new`, and the rule that the answers make."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from crm_steward.cli.context import console

if TYPE_CHECKING:
    from crm_steward.model import Problem
    from crm_steward.rules import Rule
    from crm_steward.rules.asking import Question
    from crm_steward.settings import Settings

_LONGEST_ID = 60
_ORDER = ("id", "about", "severity", "where", "check", "actions", "mode", "limits", "if_unable")
_FIRST_LINE = 3
"""Of the first key of the only rule in a file."""


@dataclass(slots=True)
class Interview:
    """Asks until there is a rule that loads.

    Args:
        settings: The connections and the register the rule is for.
        taken: Ids of rules that exist.
        parts: The rule so far: key → how it is written.
    """

    settings: Settings
    taken: AbstractSet[str]
    parts: dict[str, str] = field(default_factory=dict)

    def hold(self) -> tuple[str, Rule]:
        """Ask everything.

        Returns:
            The rule as text, and as it loads.
        """
        from crm_steward.rules.plainyaml import flow

        about = self._ask("new_about")
        self.parts = {"id": self._id(about), "about": flow(about), "severity": "medium"}
        self._kind()
        self._where()
        self._actions(about)
        self.parts["severity"] = self._answer("severity", self._text("new_severity"), "medium")
        return self._fitted()

    # -- the questions ------------------------------------------------------------------------

    def _ask(self, code: str, default: str | None = None, **values: object) -> str:
        return self._prompt(self._text(code, **values), default)

    def _prompt(self, question: str, default: str | None = None) -> str:
        """Ask one question; an empty `default` lets the answer be empty."""
        french = self.settings.language == "fr"
        answer: str = typer.prompt(
            question,
            default=default,
            show_default=bool(default),
            prompt_suffix=" " if question.endswith("?") else " : " if french else ": ",
        )
        return answer.strip()

    def _text(self, code: str, **values: object) -> str:
        from crm_steward.rules.messages import say

        return say(code, self.settings.language, **values)

    def _id(self, about: str) -> str:
        while True:
            name = self._ask("new_id", _slug(about))
            if name in self.taken:
                console().print(f"[red]{self._text('new_id_taken')}[/]")
                continue
            self.parts["id"] = name
            if not self._shown(self._mistakes({"id": name}, "id")):
                return name

    def _kind(self) -> None:
        from crm_steward.rules.kinds import KINDS

        out = console()
        names = list(KINDS)
        for number, name in enumerate(names, start=1):
            out.print(f"  {number:2}  {name:<12} {KINDS[name].title(self.settings.language)}")
        while True:
            answer = self._ask("new_kind")
            kind = (
                names[int(answer) - 1] if answer in map(str, range(1, len(names) + 1)) else answer
            )
            if kind in KINDS:
                break
            self._shown(self._mistakes({**self.parts, "check": f"{{kind: {kind}}}"}, "check"))
        while True:
            self._check(kind)
            if not self._mistakes(self.parts, "check"):
                return

    def _check(self, kind: str) -> None:
        """Ask for what a check cannot do without, then for what it can."""
        from crm_steward.rules.asking import questions

        asked = questions(kind, self.settings.language)
        others = {one.key: one for one in asked if not one.needed}
        while True:
            given = {one.key: self._key(one) for one in asked if one.needed}
            mistakes = self._written_check(kind, given)
            # Some words of a key ask for another key, which is still to come.
            if not mistakes or any(f"{key}:" in one for key in others for one in mistakes):
                break
        while others and (key := self._ask("new_key", "", keys=tuple(others))):
            if key not in others:
                self._shown([self._text("new_key_unknown", key=key)])
                continue
            more = {**given, key: self._key(others[key])}
            if not self._written_check(kind, more):
                given = more
                del others[key]
        self._written_check(kind, given)

    def _written_check(self, kind: str, given: Mapping[str, str]) -> list[str]:
        """Write the check down; show and return what is wrong with it."""
        keys = "".join(f", {key}: {text}" for key, text in given.items())
        self.parts["check"] = f"{{kind: {kind}{keys}}}"
        mistakes = self._mistakes(self.parts, "check")
        self._shown(mistakes)
        return mistakes

    def _key(self, question: Question) -> str:
        if question.key == "holds":
            return self._conditions(self._text("new_holds_field"))
        if question.choices and question.choices[0] not in question.about:
            return question.written(
                self._prompt(f"{question.about} ({', '.join(question.choices)})")
            )
        return question.written(self._prompt(question.about))

    def _where(self) -> None:
        if where := self._conditions(self._text("new_field")):
            self.parts["where"] = where

    def _conditions(self, first: str) -> str:
        """Ask for comparisons until there are no more; several must all hold."""
        made: list[str] = []
        asked = first
        while name := self._prompt(asked, ""):
            if name == "?":
                self._fields()
                continue
            if self._wrong(f"{{field: {name}, is: set}}"):
                continue
            comparison = self._comparison(name)
            if not self._wrong(comparison):
                made.append(comparison)
                asked = self._text("new_more")
        return made[0] if len(made) == 1 else f"{{all: [{', '.join(made)}]}}" if made else ""

    def _comparison(self, field: str) -> str:
        """Ask how a field is compared, and with what."""
        from crm_steward.rules.asking import fitting
        from crm_steward.rules.questions import OPERATORS, either

        for operator in fitting(field):
            said = either(OPERATORS[operator], self.settings.language)
            console().print(f"  {operator:<14}{said}", markup=False, highlight=False)
        operator = self._ask("new_operator", "is")
        value = self._ask("new_value", "set" if operator == "is" else None)
        listed = operator in {"in", "not_in"} and not value.startswith("[")
        return f"{{field: {field}, {operator}: {f'[{value}]' if listed else value}}}"

    def _fields(self) -> None:
        """List the fields, each with its label and choices."""
        from crm_steward.model import FIELDS

        for name, known in FIELDS.items():
            choices = f" ({', '.join(known.choices)})" if known.choices else ""
            said = f"  {name:<24}{known.label(self.settings.language)}{choices}"
            console().print(said, markup=False, highlight=False)

    def _wrong(self, condition: str) -> bool:
        """Say what is wrong with a condition, and whether anything is."""
        return self._shown(self._mistakes({**self.parts, "where": condition}, "where"))

    def _actions(self, about: str) -> None:
        from crm_steward.rules.plainyaml import flow

        while True:
            chosen = self._ask("new_action", "report")
            self.parts |= {"mode": "report" if chosen == "report" else "propose"}
            self.parts.pop("actions", None)
            if chosen == "task":
                title = flow(self._ask("new_title", self._text("new_task_title", about=about)))
                self.parts["actions"] = f"[{{task: {{to: owner, due: 14 days, title: {title}}}}}]"
            elif chosen != "report":
                self.parts["actions"] = _ACTIONS.get(chosen, f"[{chosen}: {{}}]")
            if chosen == "report" or not self._shown(self._mistakes(self.parts, "actions")):
                break
        if "actions" in self.parts:
            self.parts["limits"] = "{max_changes: 50, max_percent: 2}"

    def _answer(self, key: str, question: str, default: str) -> str:
        while True:
            self.parts[key] = self._prompt(question, default)
            if not self._shown(self._mistakes(self.parts, key)):
                return self.parts[key]

    # -- the rule -----------------------------------------------------------------------------

    def _fitted(self) -> tuple[str, Rule]:
        """Return the rule; where a connection cannot do it, ask whether to leave it out there."""
        from crm_steward.model import ConfigError

        while True:
            text = _written(self.parts)
            try:
                return text, self._load(text)
            except ConfigError as error:
                self._shown([problem.message for problem in error.problems])
                if "if_unable" in self.parts or self._ask("new_skip").lower() not in _YES:
                    raise
                self.parts["if_unable"] = "skip"

    def _load(self, text: str) -> Rule:
        from crm_steward.daemon.rulebook import rules_in

        with tempfile.TemporaryDirectory(prefix="crm-steward-rule-") as folder:
            path = Path(folder) / "rule.yaml"
            path.write_text(f"version: 1\nrules:\n{text}", encoding="utf-8")
            (rule,) = rules_in([path], self.settings).rules
            return rule

    def _mistakes(self, parts: dict[str, str], key: str) -> list[str]:
        """Return what is wrong in the line of `key`; what is still missing is not wrong."""
        from crm_steward.model import ConfigError

        line = _ordered(parts).index(key) + _FIRST_LINE
        try:
            self._load(_written(parts))
        except ConfigError as error:
            return [
                problem.message
                for problem in error.problems
                if _line(problem) == line and self._final(problem)
            ]
        return []

    def _final(self, problem: Problem) -> bool:
        """Whether it stays wrong whatever is answered later."""
        later = {self._text("missing", key=key) for key in ("about", "check")}
        return problem.message not in later and "if_unable" not in problem.message

    def _shown(self, mistakes: list[str]) -> bool:
        for mistake in mistakes:
            console().print(f"  ✗ {mistake}", style="red", markup=False)
        return bool(mistakes)


_YES = frozenset({"y", "yes", "o", "oui"})

_ACTIONS = {
    "task": "",
    "update": "[update: {normalise: true}]",
    "suppress": "[suppress: {channel: email}]",
    "merge": "[merge: {}]",
    "archive": "[archive: {}]",
}


def _line(problem: Problem) -> int:
    *_, line, _ = problem.where.rsplit(":", 2)
    return int(line)


def _written(parts: dict[str, str]) -> str:
    first, *others = (f"{key}: {parts[key]}" for key in _ordered(parts))
    return "\n".join([f"  - {first}", *(f"    {line}" for line in others)]) + "\n"


def _ordered(parts: Mapping[str, str]) -> list[str]:
    return [key for key in _ORDER if key in parts]


def _slug(about: str) -> str:
    """Return a rule's id made of the words of a sentence."""
    plain = unicodedata.normalize("NFKD", about).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    while len("-".join(words)) > _LONGEST_ID:
        words.pop()
    return "-".join(words) or "rule"
