"""`crm-steward audit`: look at one file with the shipped rules, without any configuration."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.context import JsonOption, bar, console, print_json, steps
from crm_steward.cli.exports import check_ending, check_outputs, replacing, write_findings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from crm_steward.connect.protocol import Account, Connector
    from crm_steward.connect.spec import ConnectionSettings
    from crm_steward.model import Finding
    from crm_steward.report.audit import Tally
    from crm_steward.rules import LeftOut, RuleBook
    from crm_steward.store.database import Database

_CONNECTION = "file"
_COUNTRY_OF = {"fr": "FR"}
"""The country assumed for phone numbers, by the language of the headers."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("audit")(audit_command)


def audit_command(
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX file of contacts; it is only read.")],
    *,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column holds a field."),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="The column that names each record."),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="A file or folder of rules, instead of the shipped ones."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="HTML", help="Where the report goes.  [FILE.report.html]"),
    ] = None,
    findings: Annotated[
        Path | None,
        typer.Option(help="Write each finding to this .jsonl, .csv or .xlsx file."),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="en or fr.  [that of the headers]", metavar="en|fr")
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(help="ISO code assumed where a contact has none.  [FR for French headers]"),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What stands between cells: ; , | tab.  [recognised]")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="For example cp1252.  [recognised]")] = None,
    sheet: Annotated[
        str | None, typer.Option(help="The worksheet of an XLSX file.  [recognised]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at a CSV or XLSX file of contacts; no configuration, no account, nothing is changed.

    Columns are recognised by their headers in French and English. The shipped rules look for
    duplicates, stale records, missing consents, bad formats and gaps; a summary is shown and an
    HTML report written.

    Example: `crm-steward audit contacts.csv --map email=Courriel --findings findings.xlsx`
    """
    report = report or Path(f"{file.stem}.report.html")
    check_outputs(file, report, findings)
    if findings is not None:
        check_ending(findings)
    settings = _settings(
        path=file,
        columns=_pairs(mapping or []),
        id_column=id_column,
        country=_checked_country(country),
        delimiter=delimiter,
        encoding=encoding,
        sheet=sheet,
    )
    audit = _run(settings, rules, _checked_language(language), findings)
    _write_report(report, audit)
    if as_json:
        print_json(_document(audit, report, findings))
    else:
        from crm_steward.cli.audit_summary import show

        show(console(), audit, report, findings)


@dataclass(slots=True)
class Audit:
    """What was found in a file."""

    file: Path
    account: Account
    book: RuleBook
    language: str
    country: str | None
    at: datetime
    tally: Tally
    rows: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    """(`line 17`, what is wrong with it)"""
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings each rule has; all rules, worst first."""
        counts = dict.fromkeys((rule.id for rule in self.book.rules), 0)
        counts |= {rule_id: found.count for rule_id, found in self.tally.by_rule.items()}
        severity = {rule.id: rule.severity for rule in self.book.rules}
        return dict(sorted(counts.items(), key=lambda item: (-severity[item[0]], -item[1])))

    @property
    def mapped(self) -> list[tuple[str, str, str]]:
        """Columns that hold a field: (column, field, how it was recognised)."""
        return [(one.source, one.field, one.how) for one in self.account.mapping if one.field]

    @property
    def unmapped(self) -> list[str]:
        """Columns that no field holds."""
        return [one.source for one in self.account.mapping if not one.field]


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, column = text.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise typer.BadParameter(f"'{text}': write --map field=column", param_hint="--map")
        pairs[name.strip()] = column.strip()
    return pairs


def _checked_language(language: str | None) -> str | None:
    if language not in {None, "en", "fr"}:
        raise typer.BadParameter("write en or fr", param_hint="--language")
    return language


def _checked_country(country: str | None) -> str | None:
    from crm_steward.normalize import country_code

    if country is None:
        return None
    code = country_code(country)
    if code is None:
        raise typer.BadParameter(
            f"'{country}' is no country; write its code, such as FR", param_hint="--country"
        )
    return code


def _settings(**values: Any) -> ConnectionSettings:
    """Return the settings of a connection to the file; what is wrong is a usage error."""
    from pydantic import ValidationError

    from crm_steward.connect.discovery import spec_of

    spec = spec_of("file")
    try:
        return spec.settings(kind="file", **{"ids": "line", "corrections": False, **values})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = {"columns": "map", "id_column": "id"}.get(str(first["loc"][0]), first["loc"][0])
        said = str(first["msg"]).removeprefix("Value error, ")
        raise typer.BadParameter(said, param_hint=f"--{name}") from None


def _run(
    settings: ConnectionSettings,
    paths: Sequence[Path] | None,
    language: str | None,
    findings: Path | None,
) -> Audit:
    """Read the file into a database of its own, look at it with the rules, forget the database."""
    from crm_steward.connect.discovery import open_connection
    from crm_steward.model import utc_now
    from crm_steward.report.audit import Tally
    from crm_steward.store.database import Database

    connector = open_connection(_CONNECTION, settings, clock=utc_now)
    try:
        account = connector.check()
        spoken = language or account.language or "en"
        audit = Audit(
            file=Path(getattr(settings, "path", "")),
            account=account,
            book=_book(account, paths, spoken),
            language=spoken,
            country=settings.country or _COUNTRY_OF.get(account.language or spoken),
            at=utc_now().astimezone(),
            tally=Tally(),
        )
        with (
            tempfile.TemporaryDirectory(prefix="crm-steward-audit-") as folder,
            Database.open(f"sqlite:///{folder}/audit.db") as database,
        ):
            _pull(audit, database, connector)
            _scan(audit, database, findings)
    finally:
        connector.close()
    return audit


def _book(account: Account, paths: Sequence[Path] | None, language: str) -> RuleBook:
    from crm_steward.model import FIELDS, Ability, Capability
    from crm_steward.rules import load_register, load_rules, pack_path, shipped_register
    from crm_steward.settings import Rules

    shipped = [pack_path(name) for name in Rules().packs]
    # A column that a file lacks is an empty one: a file is all that is known of its contacts.
    fields = frozenset(FIELDS) | {f"extra.{one.source}" for one in account.mapping if not one.field}
    abilities = {_CONNECTION: Ability(fields=fields, can=frozenset(Capability))}
    return load_rules(
        paths or shipped,
        language=language,
        abilities=abilities,
        periods=load_register(shipped_register(), language).periods,
        excuse=True,
    )


def _pull(audit: Audit, database: Database, connector: Connector) -> None:
    import sqlalchemy as sa

    from crm_steward.model import utc_now
    from crm_steward.pull import pull
    from crm_steward.store.tables import quarantine

    with bar("Reading") as progress:
        counts = pull(
            database,
            _CONNECTION,
            "file",
            connector,
            clock=utc_now,
            country=audit.country,
            progress=progress,
        )
    audit.rows = counts.read
    with database.read() as reading:
        rows = reading.execute(sa.select(quarantine.c.id, quarantine.c.reason)).all()
    named = [(row.id, row.reason if _line(row.id) else f"{row.id}: {row.reason}") for row in rows]
    audit.broken = sorted(named, key=lambda one: _line(one[0]))


def _line(name: str) -> int:
    number = name.removeprefix("line ")
    return int(number) if number.isdecimal() else 0


def _scan(audit: Audit, database: Database, findings: Path | None) -> None:
    """Look at the file with the rules; each finding is counted, written down, and forgotten."""
    from crm_steward.store.relation import open_relation

    with steps("Checking") as step, open_relation(database) as con:
        found = audit.tally.counting(_found(audit, con, step))
        if findings is not None:
            write_findings(findings, found)
        else:
            deque(found, maxlen=0)


def _found(
    audit: Audit, con: DuckDBPyConnection, step: Callable[[str, int, int], None]
) -> Iterator[Finding]:
    for number, rule in enumerate(audit.book.rules, start=1):
        step(rule.id, number, len(audit.book.rules))
        yield from rule.find(con, audit.at, leave_out=audit.left_out.append)


def _write_report(path: Path, audit: Audit) -> None:
    from crm_steward.cli.audit_words import in_words
    from crm_steward.report.audit import AuditResult, render_audit

    result = AuditResult(
        file=audit.file.name,
        rows=audit.rows,
        broken=[(_line(name), in_words(reason, audit.language)) for name, reason in audit.broken],
        mapping=audit.mapped,
        unmapped=audit.unmapped,
        tally=audit.tally,
        titles={
            rule.id: {"en": rule.title("en"), "fr": rule.title("fr")} for rule in audit.book.rules
        },
        generated_at=audit.at,
        left_out=[(one.reason, one.contacts) for one in audit.left_out],
    )
    with replacing(path) as stream:
        stream.write(render_audit(result, audit.language).encode(errors="replace"))


def _document(audit: Audit, report: Path, findings: Path | None) -> Mapping[str, Any]:
    counts = audit.counts
    return {
        "file": str(audit.file),
        "form": audit.account.form,
        "rows": audit.rows,
        "broken": [{"line": _line(name), "reason": reason} for name, reason in audit.broken],
        "mapping": [{"column": c, "field": f, "how": h} for c, f, h in audit.mapped],
        "unmapped": audit.unmapped,
        "language": audit.language,
        "country": audit.country,
        "findings": audit.tally.total,
        "rules": [
            {
                "rule": rule_id,
                "kind": audit.book.rule(rule_id).kind,
                "severity": audit.book.rule(rule_id).severity.label,
                "title": audit.book.rule(rule_id).title(audit.language),
                "findings": count,
            }
            for rule_id, count in counts.items()
        ],
        "not_examined": [asdict(one) for one in audit.left_out],
        "report": str(report),
        "findings_file": None if findings is None else str(findings),
    }
