"""`crm-steward rules new`: asks a few questions and writes a rule with its test."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    console,
    open_rules,
    open_settings,
)

if TYPE_CHECKING:
    from datetime import datetime

    from crm_steward.rules import Rule
    from crm_steward.rules.drafting import Draft, Fields

_INTO = Path("rules/own.yaml")


def register(rules: typer.Typer) -> None:
    """Add the command to the group."""
    rules.command("new")(new_command)


def new_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    into: Annotated[
        Path, typer.Option(help="The rule file: it is made, or added to at its end.")
    ] = _INTO,
) -> None:
    """Ask a few questions and write a rule, with a test of what it catches and leaves alone.

    Each answer is checked at once. The test's contacts are invented: one that the rule catches,
    with no more fields than it takes, and nearly the same one that it leaves alone. Nothing is
    looked for before the next scan; `crm-steward rules impact` shows what it will find.
    """
    from crm_steward.cli.interview import Interview
    from crm_steward.cli.rules import relation_of
    from crm_steward.model import utc_now
    from crm_steward.rules.drafting import draft
    from crm_steward.rules.messages import say

    settings = open_settings(config)
    language = settings.language
    taken = frozenset(rule.id for rule in open_rules(settings).rules)
    text, rule = Interview(settings, taken).hold()
    test = into.with_name(f"{into.stem}.test{into.suffix}")
    today = _today_in(test) or utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    _add(into, "version: 1\nrules:\n", text, language)
    out = console()
    out.print(f"[green]✓[/] {say('new_written', language, file=into, id=rule.id)}")
    drafted = draft(rule, relation_of, today)
    if drafted is None:
        out.print(f"[yellow]{say('new_not_caught', language)}[/]")
    else:
        lines = _test_of(rule, drafted, language)
        _add(test, f"version: 1\nnow: {today:%Y-%m-%d}\ntests:\n", lines, language)
        out.print(f"[green]✓[/] {say('new_tested', language, file=test)}")
    if not any(into.resolve().is_relative_to(path.resolve()) for path in settings.rules.paths):
        out.print(f"[yellow]{say('new_not_named', language, file=into)}[/]")
    out.print(say("new_next", language, file=into))


def _today_in(test: Path) -> datetime | None:
    """Return the day on which the tests of a file take place; None where it names none."""
    from crm_steward.rules.reading import read_yaml
    from crm_steward.rules.trialfile import moment

    root, _ = read_yaml(test, "en")
    written = root.value.get("now") if root is not None and isinstance(root.value, dict) else None
    try:
        return moment(written)
    except ValueError:
        return None


def _add(path: Path, head: str, text: str, language: str) -> None:
    """Add `text` to the end of a file; what stands there is not touched."""
    from crm_steward.model import ConfigError, Problem
    from crm_steward.rules.messages import say

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = (path.read_bytes().decode() if path.exists() else "").strip("\ufeff") or head
        # Lists may be indented or not; what comes after the list leaves no room for more.
        for piece in (text, dedent(text)):
            whole = _joined(there, piece, new=there == head)
            if _entries(there) >= 0 and _entries(whole) == _entries(there) + _entries(head + text):
                path.write_bytes(whole.encode())
                return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(f"cannot be written: {error}.", where=str(path))]) from error
    raise ConfigError([Problem(say("new_no_room", language), where=str(path))])


def _joined(there: str, text: str, *, new: bool) -> str:
    """Return a file's text with more at its end, and line ends as it has them."""
    end = "\r\n" if "\r\n" in there else "\n"
    return f"{there.rstrip()}{end}{'' if new else end}{text.replace(chr(10), end)}"


def _entries(text: str) -> int:
    """Return how many rules, or tests, a file of this text holds; -1 when it cannot be read."""
    from crm_steward.rules.reading import read_yaml

    with TemporaryDirectory(prefix="crm-steward-rule-") as folder:
        path = Path(folder) / "whole.yaml"
        path.write_bytes(text.encode())
        root, problems = read_yaml(path, "en")
    if root is None or problems or not isinstance(root.value, dict):
        return -1
    return sum(len(one) for one in root.value.values() if isinstance(one, list))


def _test_of(rule: Rule, drafted: Draft, language: str) -> str:
    from crm_steward.rules.messages import say

    finds = [_expected(finding.refs, finding.evidence) for finding in drafted.findings]
    parts = [_one(say("new_caught", language), rule.id, drafted.caught, finds)]
    if drafted.spared:
        name = say("new_spared", language, field=_label(drafted.changed, language))
        parts.append(_one(name, rule.id, drafted.spared, []))
    return "".join(parts)


def _label(field: str, language: str) -> str:
    from crm_steward.model import FIELDS

    return FIELDS[field].label(language) if field in FIELDS else field


def _expected(refs: tuple[object, ...], evidence: object) -> Fields:
    """Return what a test expects of a finding: its records, and facts that are a single value."""
    ids = [int(str(ref).rpartition(":")[2]) for ref in refs]
    facts = {
        name: value[:10] if name == "last" and isinstance(value, str) else value
        for name, value in dict(evidence).items()  # type: ignore[call-overload]  # evidence is a mapping
        if isinstance(value, str | int | float | bool)
    }
    return {**({"id": ids[0]} if len(ids) == 1 else {"ids": ids}), **facts}


def _one(name: str, rule: str, contacts: tuple[Fields, ...], finds: list[Fields]) -> str:
    from crm_steward.rules.plainyaml import flow

    people = "".join(f"      - {flow(contact)}\n" for contact in contacts)
    found = "".join(f"      - {flow(finding)}\n" for finding in finds)
    expected = f"    finds:\n{found}" if found else "    finds: []\n"
    return f"  - name: {flow(name)}\n    rule: {rule}\n    contacts:\n{people}{expected}"
