"""What `crm-steward audit` shows on the terminal, in French or English."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from crm_steward.cli.audit import Audit

_BROKEN = 10  # rows shown; the report has them all
_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}

_EN = {
    "contacts": "{n} contacts read",
    "unreadable": "{n} rows could not be read",
    "found": "{n} findings",
    "columns": "Columns",
    "exact": "exact",
    "synonym": "synonym",
    "user": "your choice",
    "kept": "Not recognised, kept as they are: {names}",
    "map": "Something wrong? --map field=column, --id column",
    "rows": "Rows that could not be read",
    "line": "line",
    "more": "… and {n} more; the report has them",
    "rules": "Findings",
    "severity": "severity",
    "number": "number",
    "rule": "rule",
    "about": "about",
    "critical": "critical",
    "high": "high",
    "medium": "medium",
    "low": "low",
    "nothing": "The rules have nothing to complain about.",
    "left_out": "Not examined: {n} contacts ({reason})",
    "country": "Phone numbers without a country code are read as of {country} (--country)",
    "no_country": "No country is known for phone numbers without a code: say which with --country",
    "report": "Report",
    "findings": "Each finding",
}
_FR = {
    "contacts": "{n} contacts lus",
    "unreadable": "{n} lignes illisibles",
    "found": "{n} constats",
    "columns": "Colonnes",
    "exact": "nom exact",
    "synonym": "synonyme",
    "user": "votre choix",
    "kept": "Non reconnues, gardées telles quelles : {names}",
    "map": "Une erreur ? --map champ=colonne, --id colonne",
    "rows": "Lignes illisibles",
    "line": "ligne",
    "more": "… et {n} autres, voir le rapport",
    "rules": "Constats",
    "severity": "gravité",
    "number": "nombre",
    "rule": "règle",
    "about": "objet",
    "critical": "critique",
    "high": "haute",
    "medium": "moyenne",
    "low": "basse",
    "nothing": "Les règles ne trouvent rien à redire.",
    "left_out": "Non examinés : {n} contacts ({reason})",
    "country": "Les téléphones sans indicatif sont lus comme étant de {country} (--country)",
    "no_country": "Pays inconnu pour les téléphones sans indicatif : précisez-le avec --country",
    "report": "Rapport",
    "findings": "Chaque constat",
}


def show(out: Console, audit: Audit, report: Path, findings: Path | None) -> None:
    """Print the summary: what was read and how, what was found, where the files are."""
    say = _FR if audit.language == "fr" else _EN
    out.print()
    out.print(_headline(audit, say))
    out.print(Padding(_columns(audit, say), (1, 0, 0, 0)))
    if audit.broken:
        out.print(Padding(_broken(audit, say), (1, 0, 0, 0)))
    out.print(Padding(_rules(audit, say), (1, 0, 0, 0)))
    for one in audit.left_out:
        text = say["left_out"].format(n=_number(one.contacts, say), reason=one.reason)
        out.print(Text(text, style="yellow"))
    for title, path in ((say["report"], report), (say["findings"], findings)):
        if path is not None:
            out.print(Text.assemble((f"{title:<16}", "bold"), str(path)), soft_wrap=True)


def _headline(audit: Audit, say: Mapping[str, str]) -> Text:
    parts = [say["contacts"].format(n=_number(audit.rows, say))]
    if audit.broken:
        parts.append(say["unreadable"].format(n=_number(len(audit.broken), say)))
    parts.append(say["found"].format(n=_number(len(audit.findings), say)))
    return Text.assemble((_safe(audit.file.name), "bold"), "  ", ", ".join(parts))


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
        Text(f"  {_safe(name).replace('line ', say['line'] + ' ')}: {_safe(reason)}")
        for name, reason in audit.broken[:_BROKEN]
    ]
    rest = len(audit.broken) - len(shown)
    more = [Text(f"  {say['more'].format(n=_number(rest, say))}", style="dim")] if rest else []
    return Group(Text(say["rows"], style="bold yellow"), *shown, *more)


def _rules(audit: Audit, say: Mapping[str, str]) -> Group:
    if not audit.findings:
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


def _number(number: int, say: Mapping[str, str]) -> str:
    text = f"{number:,}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}") if say is _FR else text


def _safe(text: str) -> str:
    """Return foreign text on one line: a header must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)[:80]
