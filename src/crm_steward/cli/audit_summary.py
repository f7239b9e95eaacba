"""What `crm-steward audit` shows on the terminal, in French or English."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crm_steward.cli.audit_words import PHRASES, in_words
from crm_steward.report.sayings import left_out
from crm_steward.report.words import Words

if TYPE_CHECKING:
    from crm_steward.cli.audit import Audit

_BROKEN = 10  # rows shown; the report has them all
_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}


def show(out: Console, audit: Audit, report: Path, findings: Path | None) -> None:
    """Print the summary: what was read and how, what was found, where the files are."""
    say = PHRASES[audit.language]
    out.print()
    out.print(_headline(audit, say))
    out.print(Padding(_columns(audit, say), (1, 0, 0, 0)))
    if audit.broken:
        out.print(Padding(_broken(audit, say), (1, 0, 0, 0)))
    out.print(Padding(_rules(audit, say), (1, 0, 0, 0)))
    for one in audit.left_out:
        reason = left_out(one.reason, Words(audit.language, UTC))
        text = say["left_out"].format(n=_number(one.contacts, say), reason=reason)
        out.print(Text(text, style="yellow"))
    for title, path in ((say["report"], report), (say["findings"], findings)):
        if path is not None:
            out.print(Text.assemble((f"{title:<16}", "bold"), str(path)), soft_wrap=True)


def _headline(audit: Audit, say: Mapping[str, str]) -> Text:
    parts = [_counted("contacts", audit.rows, say)]
    if audit.broken:
        parts.append(_counted("unreadable", len(audit.broken), say))
    parts.append(_counted("found", audit.tally.total, say))
    form = f" ({_safe(audit.account.form)})" if audit.account.form else ""
    return Text.assemble((_safe(audit.file.name), "bold"), (form, "dim"), "  ", ", ".join(parts))


def _columns(audit: Audit, say: Mapping[str, str]) -> Group:
    grid = Table.grid(padding=(0, 2))
    for column, name, how in audit.mapped:
        grid.add_row(Text(f"  {_safe(column)}"), Text(f"→ {name}"), Text(say[how], style="dim"))
    lines: list[RenderableType] = [Text(say["columns"], style="bold"), grid]
    if audit.unmapped:
        names = ", ".join(map(_safe, audit.unmapped))
        lines.append(Text(f"  {say['kept'].format(names=names)}", style="dim"))
    country = say["country"].format(country=audit.country) if audit.country else say["no_country"]
    lines.append(Text(f"  {country}", style="dim"))
    lines.append(Text(f"  {say['map']}", style="dim"))
    return Group(*lines)


def _broken(audit: Audit, say: Mapping[str, str]) -> Group:
    shown = [
        Text(f"  {_place(name, say)}: {_safe(in_words(reason, audit.language))}")
        for name, reason in audit.broken[:_BROKEN]
    ]
    rest = len(audit.broken) - len(shown)
    more = [Text(f"  {say['more'].format(n=_number(rest, say))}", style="dim")] if rest else []
    return Group(Text(say["rows"], style="bold yellow"), *shown, *more)


def _rules(audit: Audit, say: Mapping[str, str]) -> Group:
    if not audit.tally.total:
        return Group(Text(say["nothing"], style="green"), Text())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say["severity"])
    table.add_column(say["number"], justify="right")
    table.add_column(say["about"], overflow="fold")
    table.add_column(say["rule"], style="dim", overflow="fold")
    for rule_id, count in audit.counts.items():
        if count:
            rule = audit.book.rule(rule_id)
            label = rule.severity.label
            severity = Text(say[label], style=_COLOURS[label])
            about = Text(rule.title(audit.language))
            table.add_row(severity, _number(count, say), about, Text(rule_id))
    return Group(Text(say["rules"], style="bold"), table)


def _place(name: str, say: Mapping[str, str]) -> str:
    return _safe(name).replace("line ", f"{say['line']} ", 1)


def _counted(key: str, number: int, say: Mapping[str, str]) -> str:
    return say[f"{key}_one" if number == 1 else key].format(n=_number(number, say))


def _number(number: int, say: Mapping[str, str]) -> str:
    return f"{number:,}".replace(",", say["thousands"])


def _safe(text: str) -> str:
    """Return foreign text on one line: a header must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)[:80]
