"""`crm-steward journal verify`, `export`, `evidence` and `purge`: is it whole, and what does it keep?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crm_steward.cli.changes import plain
from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_settings,
    print_json,
)
from crm_steward.cli.journal_lines import (
    ConnectionOption,
    KindOption,
    OutcomeOption,
    RecordOption,
    RuleOption,
    RunOption,
    SinceOption,
    UntilOption,
    as_document,
    csv_lines,
    jsonl,
    wanted,
    without_values,
)

if TYPE_CHECKING:
    from crm_steward.store.verifying import Verdict

_WRITERS = {"jsonl": jsonl, "csv": csv_lines}


def register(journal: typer.Typer) -> None:
    """Add the commands."""
    journal.command("verify")(verify_command)
    journal.command("export")(export_command)
    journal.command("evidence")(evidence_command)
    journal.command("purge")(purge_command)


def verify_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    head: Annotated[
        str | None,
        typer.Option(help="A hash noted earlier, or its beginning: it should still be there."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell whether the journal is what was written, and which line is the first that is not.

    Ends with 0 when all fits, with 11 when a line was altered, removed or put between, or when the
    hash given with --head is missing. Note the hash that it prints, away from this machine: a chain
    does not show by itself that its end was cut off.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.store.database import Database
    from crm_steward.store.verifying import verify

    settings = open_settings(config)
    with Database.open(settings.database) as database:
        verdict = verify(database, head)
    if as_json:
        print_json(_as_document(verdict))
    else:
        _print(verdict)
    if not verdict.sound:
        raise typer.Exit(Exit.ALTERED)


def _as_document(verdict: Verdict) -> dict[str, Any]:
    fault = verdict.fault
    return {
        **asdict(verdict),
        "sound": verdict.sound,
        "fault": fault and {"seq": fault.seq, "at": fault.at.isoformat(), "what": fault.what},
    }


def _print(verdict: Verdict) -> None:
    out = console()
    out.print(
        f"{verdict.lines} lines fit, {verdict.purged} of them purged; "
        f"{verdict.evidence} suppressions are proven.",
        markup=False,
    )
    out.print(f"Last hash: {verdict.head}", markup=False)
    if fault := verdict.fault:
        said = f"Line {fault.seq} of {fault.at:%Y-%m-%d %H:%M:%S} UTC does not fit: {fault.what}."
        out.print(said, style="red", markup=False)
    if not verdict.expected:
        said = (
            "The hash given with --head is missing: lines were removed, or it is another journal's."
        )
        out.print(said, style="red", markup=False)


def export_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    ref: RecordOption = None,
    rule: RuleOption = None,
    run: RunOption = None,
    connection: ConnectionOption = None,
    kind: KindOption = None,
    outcome: OutcomeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="How each line is written.")
    ] = "jsonl",
    bare: Annotated[
        bool,
        typer.Option("--without-values", help="Leave out the values, and the CRM's own words."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file, whole or not at all.")
    ] = None,
) -> None:
    """Write every line that fits, oldest first, as JSON lines or as CSV.

    It holds personal data unless --without-values is given. Cells of the CSV that a spreadsheet
    program could take for a formula begin with an apostrophe.
    """
    from crm_steward.cli.exports import replacing
    from crm_steward.store.database import Database
    from crm_steward.store.journal import Journal

    only = wanted(
        ref=ref,
        rule=rule,
        run=run,
        connection=connection,
        kind=kind,
        outcome=outcome,
        since=since,
        until=until,
    )
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        documents = map(as_document, Journal(database).each(only))
        lines = _WRITERS[form](map(without_values, documents) if bare else documents)
        if output is None:
            for line in lines:
                typer.echo(line)
            return
        with replacing(output) as stream:
            stream.writelines(line.encode() + b"\n" for line in lines)


def evidence_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    ref: RecordOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the suppressions that took effect, newest first: that somebody's no was heeded, and when.

    One that was lifted as a mistake is listed with who lifted it and why.

    They are kept for `journal.keep_consent_evidence` of the settings, longer than the journal's
    values, and hold the address. Of somebody who was erased only a keyed hash of it is left.
    """
    from crm_steward.model import RecordRef
    from crm_steward.store.database import Database
    from crm_steward.store.evidence import evidence

    try:
        record = None if ref is None else RecordRef.parse(ref)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--record") from error
    settings = open_settings(config)
    with Database.open(settings.database) as database:
        found = evidence(database, record)
    if as_json:
        print_json(found)
        return
    for one in found:
        console().print(_evidence_line(one), markup=False)
    if not found:
        console().print("No suppression is kept.")


def _evidence_line(one: Mapping[str, Any]) -> str:
    lifted = one["what"] == "lifted"
    by = f", {'lifted' if lifted else 'approved'} by {plain(one['by'])}" if one["by"] else ""
    by += f": {plain(one['reason'])}" if lifted and one["reason"] else ""
    whom = plain(one["address"]) if one["address"] else "(erased)"
    return (
        f"{one['at'][:19]}  {one['channel']}  {plain(one['ref'])}  {whom}  {plain(one['rule'])}{by}"
    )


def purge_command(*, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Forget what the settings no longer keep; the service does so every day.

    Values in the journal, changes in used plans and the text of sent reports after
    `journal.keep_values`, evidence of suppressions after `journal.keep_consent_evidence`.
    """
    from crm_steward.model import utc_now
    from crm_steward.store.database import Database
    from crm_steward.store.lease import hold
    from crm_steward.store.purging import purge

    settings, now = open_settings(config), utc_now()
    with Database.open(settings.database) as database, hold(database) as lease:
        purged = purge(
            database,
            values_before=now - settings.journal.keep_values,
            evidence_before=now - settings.journal.keep_consent_evidence,
            now=now,
            lease=lease,
        )
    if as_json:
        print_json(asdict(purged))
        return
    console().print(
        f"Purged: values of {purged.lines} lines, changes of {purged.plans} plans, text of "
        f"{purged.mails} reports, {purged.evidence} pieces of evidence.",
        markup=False,
    )
