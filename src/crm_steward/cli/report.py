"""`crm-steward report`: the weekly report, on the terminal, in a file, in the browser or by mail."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    console,
    open_rules,
    open_settings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm_steward.report import Deliveries, Digest, OwnerDigest, Week
    from crm_steward.rules import RuleBook
    from crm_steward.settings import Mail, Recipient, Settings
    from crm_steward.store.database import Database
    from crm_steward.store.outbox import Letter


class Format(StrEnum):
    """How the report is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


_MEND = "Mend the address, or what the mail server says; then: crm-steward report --send --again"


class Language(StrEnum):
    """The languages of the report."""

    EN = "en"
    FR = "fr"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report_command)


def report_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    week: Annotated[
        str | None, typer.Option(help="An ISO week like 2026-W47; default: the current one.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Only this recipient (with --send), and in their language."),
    ] = None,
    language: Annotated[
        Language | None, typer.Option(help="Default: the recipient's, or that of the settings.")
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(help="The digest of this owner's records; their address as the CRM has it."),
    ] = None,
    privacy: Annotated[
        bool, typer.Option("--privacy", help="The digest of data protection instead.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file instead of the terminal.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Mail it: once per week and recipient, ever.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="With --send: also what was given up, and what may have left before an older copy "
            "was restored.",
        ),
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Open the mail in your browser; nothing is sent.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show or mail the weekly report.

    Without options it is printed as text. `--preview` shows the mail as your recipients will see it;
    `--send` mails this week's report, and its digests, to everybody who has not had theirs
    yet; after an older copy of the database was restored, which does not know whether they have left,
    that takes `--again` as well, and so does a mail that was given up, once its cause is mended. `--format csv` is a table of all figures, `--format xlsx` the lists
    behind them.
    """
    from crm_steward.model import utc_now
    from crm_steward.report import collect
    from crm_steward.store.database import Database

    chosen = _week(week)
    form = Format.JSON if as_json else form
    if form is Format.XLSX and (out is None or owner is not None or preview):
        raise typer.BadParameter("a workbook of the whole report is written with --out FILE.xlsx.")
    settings = open_settings(config)
    book = open_rules(settings)
    recipients = _recipients(settings, to, language)
    named = recipients[0].language if to else None
    spoken = (language.value if language else named) or settings.language
    with Database.open(settings.database) as database:
        if send:
            if week is not None or owner is not None or privacy:
                raise typer.BadParameter(
                    "--send mails the current week's report, and the digests that the settings name."
                )
            _send(database, settings, book, recipients, digests=to is None, again=again)
            return
        if owner is not None:
            theirs = _of_owner(database, settings, book, owner, chosen)
            _show(theirs, form, spoken, out, preview=preview)
            return
        digest = collect(database, settings, book, week=chosen, now=utc_now())
        if form is Format.XLSX:
            _write(_workbook(database, settings, book, digest, spoken), out)
            return
    _show(digest, form, spoken, out, preview=preview, privacy=privacy)


def _week(text: str | None) -> Week | None:
    from crm_steward.report.weeks import Week

    try:
        return None if text is None else Week.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--week") from error


def _recipients(
    settings: Settings, to: str | None, language: Language | None
) -> tuple[Recipient, ...]:
    """Return everybody, or the one named by --to, in the language asked for."""
    from pydantic import ValidationError

    from crm_steward.settings import Recipient

    everybody = settings.report.recipients
    if to is not None:
        known = [one for one in everybody if one.address.casefold() == to.strip().casefold()]
        try:
            everybody = tuple(known[:1]) or (Recipient(address=to),)
        except ValidationError as error:
            raise typer.BadParameter("it is not an e-mail address.", param_hint="--to") from error
    if language is None:
        return everybody
    return tuple(one.model_copy(update={"language": language.value}) for one in everybody)


def _of_owner(
    database: Database, settings: Settings, book: RuleBook, address: str, week: Week | None
) -> OwnerDigest:
    """Read the digest of one owner's records."""
    from crm_steward.model import InputError, utc_now
    from crm_steward.report.owners import collect_owner

    digest = collect_owner(database, settings, book, address, week=week, now=utc_now())
    if digest is None:
        said = "No CRM names an owner with this address."
        hint = "Owners are learnt at a pull; `crm-steward check` says how many each connection has."
        raise InputError(said, hint=hint)
    return digest


def _show(
    digest: Digest | OwnerDigest,
    form: Format,
    language: str,
    out: Path | None,
    *,
    preview: bool,
    privacy: bool = False,
) -> None:
    """Write a digest as asked for, or open it in the browser."""
    import tempfile
    import webbrowser

    if not preview:
        _write(_as(digest, form, language, privacy=privacy).encode(), out)
        return
    page = out
    if page is None:
        page = Path(tempfile.mkdtemp(prefix="crm-steward-")) / f"report-{digest.week}.html"
    _write(_as(digest, Format.HTML, language, privacy=privacy).encode(), page)
    webbrowser.open(page.resolve().as_uri())


def _as(digest: Digest | OwnerDigest, form: Format, language: str, *, privacy: bool) -> str:
    import json

    from crm_steward.report import (
        Digest,
        as_document,
        as_table,
        render,
        render_officer,
        render_owner,
    )

    if form is Format.JSON:
        return json.dumps(as_document(digest, privacy=privacy), ensure_ascii=False, indent=2) + "\n"
    if form is Format.CSV:
        return as_table(digest, privacy=privacy)
    if isinstance(digest, Digest):
        mail = render_officer(digest, language) if privacy else render(digest, language)
    else:
        mail = render_owner(digest, language)
    return mail.alone if form is Format.HTML else mail.text


def _workbook(
    database: Database, settings: Settings, book: RuleBook, digest: Digest, language: str
) -> bytes:
    from crm_steward.report.workbook import workbook

    return workbook(database, settings, book, digest, language)


def _write(content: bytes, out: Path | None) -> None:
    from crm_steward.model import InputError

    if out is None:
        typer.echo(content, nl=False)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise InputError(f"{out} cannot be written: {said}.") from error
    console().print(f"Report written to {out}", markup=False)


def _send(
    database: Database,
    settings: Settings,
    book: RuleBook,
    recipients: tuple[Recipient, ...],
    *,
    digests: bool,
    again: bool,
) -> None:
    """Queue what is missing, send what is due, and say what became of it."""
    from crm_steward.cli.apply import finishing
    from crm_steward.model import ConfigError, Problem, utc_now
    from crm_steward.report import deliver, may_have_left, notice_copy, queue, queue_digests
    from crm_steward.report.lost import given_up
    from crm_steward.store.outbox import Outbox

    others_wanted = digests and (settings.report.privacy or settings.report.owners != "off")
    if not (recipients or others_wanted):
        hint = "Add some under `report.recipients`, or name one with --to."
        raise ConfigError([Problem("nobody receives the report.", hint=hint)])
    notice_copy(database, utc_now)
    unsure = not again and may_have_left(database, settings, utc_now())
    queued = [] if unsure else queue(database, settings, book, recipients, utc_now())
    others = queue_digests(database, settings, book, utc_now()) if digests and not unsure else []
    if settings.mail is None:  # queue has refused already
        return
    lost = given_up(database, settings, None if digests else recipients, utc_now())
    Outbox(database).hasten(utc_now())
    if again:
        Outbox(database).revive(lost, utc_now())
    with finishing("mail") as stop:
        done = deliver(database, settings.mail, utc_now, stop=stop)
    out = console()
    if done.sent:
        out.print(f"Report sent to {done.sent} of {len(recipients) + len(others)} recipients.")
    elif unsure:
        out.print(
            "This week's report may have left before an older copy of the database was restored; "
            "nothing was sent. To send it all the same: crm-steward report --send --again"
        )
    elif not (queued or others or done.problems or done.left or lost):
        out.print("Everybody has this week's report already; nothing was sent.")
    _complain(settings.mail, done, () if again or done.sent else lost)


def _complain(mail: Mail, done: Deliveries, lost: Sequence[Letter]) -> None:
    """Say what was not sent now, or else what was given up before.

    Raises:
        MailError: There is something.
        Exit: Somebody pressed Ctrl-C; whatever else there is to say is said.
    """
    from crm_steward.cli.exits import Exit
    from crm_steward.model import MailError

    if done.left:
        for problem in done.problems:
            typer.echo(f"crm-steward: not sent: {problem}.", err=True)
        said = "stopped; what was not sent waits in the outbox: the service sends it, or --send."
        typer.echo(f"crm-steward: {said}", err=True)
        raise typer.Exit(Exit.INTERRUPTED)
    if done.problems:
        hint = "It stays in the outbox and is tried again." if done.postponed else _MEND
        why = "; ".join(done.problems)
        said = f"The report was not sent by {mail.host}:{mail.port}: {why}."
        raise MailError(said, hint=hint)
    if lost:
        why = "; ".join(dict.fromkeys(one.error for one in lost))
        raise MailError(f"Nothing was sent; given up this week: {len(lost)} ({why}).", hint=_MEND)
