"""`crm-steward rules list`: which rules run, and how often each fired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
    print_json,
)

if TYPE_CHECKING:
    from crm_steward.rules import Rule, RuleBook, Skipped
    from crm_steward.settings import Settings
    from crm_steward.store.fired import Fired


def register(rules: typer.Typer) -> None:
    """Add the command to the group."""
    rules.command("list")(list_rules)


def list_rules(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the rules that run: what each looks for, its mode, and how often it fired.

    `open` is what stands now, `ever` how many findings were ever opened, `written` how many of its
    changes took effect in a CRM. What a connection cannot do for a rule is said below.
    """
    settings = open_settings(config)
    book = open_rules(settings)
    fired = _fired(settings)
    if as_json:
        print_json([_document(rule, fired.get(rule.id), book) for rule in book.rules])
        return
    _show(book, fired, settings.language)


def _fired(settings: Settings) -> Mapping[str, Fired]:
    from crm_steward.store.database import Database
    from crm_steward.store.fired import fired

    with Database.open(settings.database) as database:
        return fired(database)


def _document(rule: Rule, fired: Fired | None, book: RuleBook) -> dict[str, Any]:
    from crm_steward.store.fired import NEVER

    return {
        "rule": rule.id,
        "about": {"en": rule.title("en"), "fr": rule.title("fr")},
        "kind": rule.kind,
        "severity": rule.severity.label,
        "every": rule.every,
        "mode": dict(rule.modes),
        "actions": [entry.name for entry in rule.entries],
        "reference": rule.reference,
        "file": str(rule.file),
        "skipped": [asdict(one) for one in book.skipped if one.rule == rule.id],
        **asdict(fired or NEVER),
    }


def _show(book: RuleBook, fired: Mapping[str, Fired], language: str) -> None:
    from zoneinfo import ZoneInfo

    from rich.table import Table
    from rich.text import Text

    from crm_steward.cli.changes import figure
    from crm_steward.report.words import Words
    from crm_steward.rules.messages import say
    from crm_steward.store.fired import NEVER

    words = Words(language, ZoneInfo("UTC"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("rule", "severity", "mode", "open", "ever", "written"):
        numeric = name in {"open", "ever", "written"}
        # The same word in both languages.
        title = name if name == "mode" else say(f"column_{name}", language)
        table.add_column(title, justify="right" if numeric else "left")
    for pack, rules in _by_pack(book).items():
        table.add_row(Text(pack, "dim"))
        for rule in rules:
            counts = fired.get(rule.id, NEVER)
            table.add_row(
                Text.assemble(("  " + rule.id + "\n", "bold"), ("  " + rule.title(language), "")),
                words(f"severity.{rule.severity.label}"),
                _mode(rule),
                *(figure(n, language) for n in (counts.open, counts.ever, counts.written)),
            )
    out = console()
    out.print(table)
    for line in left_out(book.skipped, language):
        out.print(Text(line, "yellow"))


def _by_pack(book: RuleBook) -> dict[str, list[Rule]]:
    packs: dict[str, list[Rule]] = {}
    for rule in book.rules:
        packs.setdefault(rule.pack, []).append(rule)
    return packs


def _mode(rule: Rule) -> str:
    if len(rule.modes) == 1:
        return next(iter(rule.modes.values()))
    return "\n".join(f"{name}: {mode}" for name, mode in rule.modes.items())


def left_out(skipped: Iterable[Skipped], language: str) -> Iterator[str]:
    """Yield what rules leave out where connections lack something: a sentence for each lack."""
    from crm_steward.rules.messages import say

    rules: dict[tuple[str, str, str], list[str]] = {}
    for one in skipped:
        rules.setdefault((one.field, one.action, one.connection), []).append(one.rule)
    places: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (name, action, connection), ids in sorted(rules.items()):
        places.setdefault((name, action, tuple(ids)), []).append(connection)
    for (name, action, those), connections in places.items():
        code = "skipped_field" if name else "skipped_action"
        about = {"field": name, "action": action, "connections": connections, "rules": those}
        yield say(code, language, **about)
