"""`crm-steward rules`: check rules, test them, ask them why, describe them to an editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crm_steward.cli import rules_impact, rules_list, rules_new
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_register,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    import duckdb

    from crm_steward.model import Ability, Contact, Problem, RecordRef, StewardError
    from crm_steward.rules import Period
    from crm_steward.rules.explaining import Explanation
    from crm_steward.rules.kinds import Step
    from crm_steward.rules.trials import TrialReport, TrialResult
    from crm_steward.settings import Settings

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Rule files or folders. Without any: the rules that the settings name, or the shipped "
        "packs where there is no settings file.",
        show_default=False,
    ),
]
LanguageOption = Annotated[
    Literal["en", "fr"] | None,
    typer.Option("--language", "-l", help="en or fr; default: that of the settings."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    rules = typer.Typer(
        name="rules",
        help="Check rules, test them, ask why they catch a record.",
        no_args_is_help=True,
    )
    rules.command("lint")(lint)
    rules.command("test")(run_tests)
    rules.command("explain")(explain_command)
    rules.command("schema")(schema)
    rules_list.register(rules)
    rules_impact.register(rules)
    rules_new.register(rules)
    app.add_typer(rules)


@dataclass(frozen=True, slots=True)
class _Sources:
    """Which rules are meant, and what they are checked against.

    Args:
        paths: Files and folders.
        language: To speak.
        abilities: What the connections hold and can do; None without settings.
        periods: Of the register.
    """

    paths: list[Path]
    language: str
    abilities: Mapping[str, Ability] | None
    periods: Mapping[str, Period]


def _sources(paths: Sequence[Path] | None, config: Path, language: str | None) -> _Sources:
    """Return the rules meant: those named, those of the settings, or those shipped."""
    from crm_steward.rules import load_register, pack_path, packs, shipped_register
    from crm_steward.rules.loading import rules_beside

    # Whoever names all files of a folder, `rules/*.yaml`, names the tests too.
    paths = [rules_beside(path) for path in paths or ()]
    if not config.exists() and config == DEFAULT_CONFIG:
        speak = language or "en"
        periods = load_register(shipped_register(), speak).periods
        return _Sources(paths or list(packs().values()), speak, None, periods)
    settings = open_settings(config)
    speak = language or settings.language
    if paths:
        return _Sources(paths, speak, None, open_register(settings, speak).periods)
    named = [pack_path(name, speak) for name in settings.rules.packs]
    periods = open_register(settings, speak).periods
    return _Sources([*named, *settings.rules.paths], speak, settings.abilities, periods)


def lint(
    paths: PathsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check rules: every mistake of every file in one go, as file:line:column.

    Ends with exit code 3 when there is a mistake.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.model import ConfigError, utc_now
    from crm_steward.rules import load_rules
    from crm_steward.writing.fighting import refuse_fights

    sources = _sources(paths, config, language)
    speak = sources.language
    try:
        book = load_rules(
            sources.paths, language=speak, abilities=sources.abilities, periods=sources.periods
        )
        refuse_fights(book, language=speak, now=utc_now(), connections=sources.abilities or ())
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"rules": None, "problems": [as_problem(one) for one in error.problems]})
        raise typer.Exit(Exit.CONFIG) from None
    if as_json:
        skipped = [asdict(one) for one in book.skipped]
        print_json({"rules": [rule.id for rule in book.rules], "problems": [], "skipped": skipped})
        return
    from rich.markup import escape

    from crm_steward.rules.messages import say

    files = {rule.file for rule in book.rules}
    rules, there = _count(len(book.rules), "rule", speak), _count(len(files), "file", speak)
    out = console()
    out.print(say("no_mistakes", speak, rules=rules, files=there))
    for line in rules_list.left_out(book.skipped, speak):
        out.print(f"[yellow]{escape(line)}[/]")


def _count(number: int, thing: str, language: str) -> str:
    from crm_steward.cli.changes import figure
    from crm_steward.rules.messages import say

    one = number in {0, 1} if language == "fr" else number == 1
    return say(thing if one else f"{thing}s", language, n=figure(number, language))


def as_problem(problem: Problem) -> dict[str, Any]:
    """Return a mistake as JSON-ready values, its place in numbers."""
    file, line, column = [*problem.where.rsplit(":", 2), "", ""][:3]
    place = {"file": file, "line": int(line), "column": int(column)} if line.isdecimal() else {}
    return {**place, "where": problem.where, "rule": problem.rule, "message": problem.message}


def run_tests(
    paths: PathsArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the tests that stand beside rules: x.test.yaml beside x.yaml.

    Ends with exit code 1 when a rule finds something else than its test says.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.model import ConfigError
    from crm_steward.rules.loading import lonely_tests, rule_files
    from crm_steward.rules.trials import run_trials
    from crm_steward.writing.foresee import asked

    sources = _sources(paths, config, language)
    speak = sources.language
    problems: list[Problem] = []
    files = list(rule_files(sources.paths, speak, problems))
    problems += lonely_tests(sources.paths, speak)
    if problems:
        raise ConfigError(problems)
    report = run_trials(files, relation_of, asked=asked, language=speak, periods=sources.periods)
    _print_report(report, speak, as_json=as_json)
    if not all(result.passed for result in report.results):
        raise typer.Exit(Exit.PARTIAL)


def relation_of(contacts: Sequence[Contact]) -> duckdb.DuckDBPyConnection:
    """Make the table `contacts` as the mirror would: same normalisation, same columns."""
    from crm_steward.store.relation import relation_of_contacts

    return relation_of_contacts(contacts)


def _print_report(report: TrialReport, language: str, *, as_json: bool) -> None:
    if as_json:
        results = [{**asdict(result), "passed": result.passed} for result in report.results]
        print_json({"results": results, "untested": list(report.untested)})
        return
    from rich.text import Text

    from crm_steward.rules.messages import say

    out = console()
    failed = [result for result in report.results if not result.passed]
    for result in failed:
        out.print(Text.assemble(("✗ ", "bold red"), (f"{result.rule}: {result.name}", "bold")))
        out.print(Text(f"  {result.where}", "dim"))
        for line, style in _difference(result, language):
            out.print(Text(f"    {line}", style))
    if report.untested:
        out.print(Text(say("untested", language, rules=report.untested), "yellow"))
    passed = _count(len(report.results) - len(failed), "test", language)
    said = say("tested", language, passed=passed, failed=len(failed))
    out.print(Text(said, "red" if failed else "green"))


def _difference(result: TrialResult, language: str) -> Iterator[tuple[str, str]]:
    from crm_steward.rules.messages import say

    for line in result.missing:
        yield f"- {say('not_found', language)}  {line}", "red"
    for line in result.unexpected:
        yield f"+ {say('not_expected', language)}  {line}", "green"


def explain_command(
    rule: Annotated[str, typer.Argument(help="The rule's id.", show_default=False)],
    ref: Annotated[
        str, typer.Argument(help="The record: connection:id.", metavar="REF", show_default=False)
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say why a rule catches a record or does not, condition by condition.

    The record is looked at as the last pull left it; run `crm-steward pull` first for today's.
    """
    from contextlib import closing

    from crm_steward.cli.context import open_rules
    from crm_steward.model import utc_now
    from crm_steward.rules.explaining import explain
    from crm_steward.store.database import Database
    from crm_steward.store.relation import open_relation

    record = _record(ref)
    settings = open_settings(config)
    asked = open_rules(settings).rule(rule, settings.language)
    with Database.open(settings.database) as database, closing(open_relation(database)) as con:
        try:
            explanation = explain(asked, record, con, utc_now())
        except LookupError:
            raise _unknown_record(ref) from None
    if as_json:
        print_json(_explained(explanation))
    else:
        _print_explanation(explanation, asked.title(settings.language), settings)


def _record(ref: str) -> RecordRef:
    from crm_steward.model import RecordRef

    try:
        return RecordRef.parse(ref)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _unknown_record(ref: str) -> StewardError:
    from crm_steward.model import InputError

    return InputError(f"no live contact {ref} in the mirror.", hint="Has it been pulled?")


def _explained(explanation: Explanation) -> dict[str, Any]:
    return {
        "rule": explanation.rule,
        "ref": str(explanation.ref),
        "caught": explanation.caught,
        "steps": [asdict(step) for step in explanation.steps],
        "evidence": [dict(finding.evidence) for finding in explanation.findings],
    }


def _print_explanation(explanation: Explanation, title: str, settings: Settings) -> None:
    from rich.text import Text

    from crm_steward.cli.evidence import in_words
    from crm_steward.report.words import Words
    from crm_steward.rules.messages import say

    out, language = console(), settings.language
    name, style = ("caught", "bold red") if explanation.caught else ("not_caught", "bold green")
    verdict = say(name, language, record=explanation.ref, rule=explanation.rule)
    out.print(Text.assemble((verdict, style), f": {title}"))
    for step in explanation.steps:
        _print_step(step, 1, language)
    words = Words(language, settings.timezone)
    for finding in explanation.findings:
        out.print(Text(f"  → {in_words(finding, words)}", "bold"))


def _print_step(step: Step, depth: int, language: str) -> None:
    from rich.text import Text

    from crm_steward.rules.messages import say

    mark = ("✓ ", "green") if step.holds else ("✗ ", "red")
    seen = ""
    if not step.parts:
        name = "holds_nothing" if step.seen is None else "holds"
        seen = f"   ({say(name, language, value=step.seen)})"
    console().print(Text.assemble("  " * depth, mark, step.words, (_printable(seen), "dim")))
    for part in step.parts:
        _print_step(part, depth + 1, language)


def _printable(text: str) -> str:
    """Escape what a hostile value could do to a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def schema() -> None:
    """Print the JSON Schema of rule files, for editors."""
    from crm_steward.rules.schema import rules_schema

    print_json(rules_schema())
