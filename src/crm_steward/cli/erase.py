"""`crm-steward erase`: forget a person, and notice when they are back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
from crm_steward.cli.whom import EmailsOption, PhonesOption, RecordsOption, sought

if TYPE_CHECKING:
    from crm_steward.report.words import Words
    from crm_steward.settings import Settings
    from crm_steward.store.database import Database
    from crm_steward.store.erased import Erased
    from crm_steward.store.subject import Sought

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase")(erase_command)


def erase_command(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    email: EmailsOption = None,
    phone: PhonesOption = None,
    record: RecordsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would go, and ask nothing.")
    ] = False,
    give_up: Annotated[
        bool,
        typer.Option(
            "--give-up",
            help="Erase also what still waits for the CRM's answer, which nobody then gets.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person from everything kept here: mirror, findings, plans, journal values, decisions.

    All their records count, in every connection, also those merged into them. It shows what would
    go and asks; without a terminal, or with --json, it needs --yes. Changes that wait for them are
    withdrawn. **The CRMs are not touched**: delete the person there first. What stays is a keyed
    hash, so that it is noticed when they are back; of the journal stays that something was done.

    Ends with 0 when nothing of them is left, with 1 when a record of somebody else or a rule still
    names them, with 8 when the CRM's answer to a change is still awaited; nothing is erased then.
    """
    from crm_steward.model import utc_now
    from crm_steward.report.words import Words
    from crm_steward.settings import key_of
    from crm_steward.store.database import Database
    from crm_steward.store.erasing import look
    from crm_steward.store.tombstones import Tombstones

    who = sought(email, phone, record)
    settings = open_settings(config)
    words = Words(settings.language, settings.timezone)
    with Database.open(settings.database) as database:
        if not yes:
            found = look(database, who, Tombstones(database, key_of(settings)), now=utc_now())
            if not as_json:
                _print(found, words, done=False)
            if dry_run or as_json or not _agreed(words):
                if as_json:
                    print_json({"erased": False, **as_document(found)})
                return
        erased = _erase(database, settings, who, give_up=give_up)
    if as_json:
        print_json({"erased": True, **as_document(erased)})
    else:
        _print(erased, words, done=True)
    if erased.mentions or erased.in_rules:
        from crm_steward.cli.exits import Exit

        raise typer.Exit(Exit.PARTIAL)


def _agreed(words: Words) -> bool:
    import sys

    if not sys.stdin.isatty():
        said = words.either(
            "Nothing was erased. To erase: --yes", "Rien n'a été effacé. Pour effacer : --yes"
        )
        console().print(said, markup=False)
        return False
    question = words.either(
        "Erase it all? It cannot be taken back", "Tout effacer ? C'est définitif"
    )
    return typer.confirm(question)


def _erase(database: Database, settings: Settings, who: Sought, *, give_up: bool) -> Erased:
    from crm_steward.model import utc_now
    from crm_steward.settings import key_of
    from crm_steward.store.erasing import erase
    from crm_steward.store.erasures import keep_erasures
    from crm_steward.store.lease import hold
    from crm_steward.store.runs import Runs
    from crm_steward.store.tombstones import Tombstones

    runs, now = Runs(database), utc_now()
    with hold(database) as lease:
        run = runs.start("erase", now=now)
        with runs.during(run, clock=utc_now):
            stones = Tombstones(database, key_of(settings))
            erased = erase(database, who, stones, run=run, now=now, lease=lease, give_up=give_up)
        counts = {"rows": dict(erased.rows), "records": len(erased.refs)}
        runs.finish(run, {**counts, "withdrawn": erased.withdrawn}, now=utc_now())
    keep_erasures(database)
    return erased


def as_document(erased: Erased) -> dict[str, Any]:
    """Return what was, or would be, erased as JSON-ready values."""
    return {
        "run": erased.run,
        "records": [str(ref) for ref in erased.refs],
        "still_in_crm": [str(ref) for ref in erased.live],
        "rows": dict(sorted(erased.rows.items())),
        "withdrawn": erased.withdrawn,
        "withdrawn_approved": erased.approved,
        "given_up": erased.given_up,
        "tombstones": erased.tombstones,
        "shared_addresses": erased.shared,
        "named_elsewhere": [str(ref) for ref in erased.mentions],
        "named_in_rules": erased.in_rules,
    }


def _print(erased: Erased, words: Words, *, done: bool) -> None:
    out = console()
    if not erased.anything:
        said = words.either(
            "Nothing is kept of this person.", "Rien n'est conservé de cette personne."
        )
        out.print(said, markup=False)
    for line in _lines(erased, words, done=done):
        out.print(line, markup=False)


def _lines(erased: Erased, words: Words, *, done: bool) -> list[str]:
    """Say what goes, what stays, and what is left to people."""
    lines = []
    if erased.refs:
        named = ", ".join(plain(ref) for ref in erased.refs[:_SHOWN])
        lines.append(words.either("Records: {r}", "Fiches : {r}", r=named))
    for table, n in sorted(erased.rows.items()):
        lines.append(f"  {table}: {words.number(n)}")
    if erased.withdrawn:
        lines.append(
            words.either(
                "Changes withdrawn that waited: {n}, approved: {a}",
                "Modifications en attente retirées : {n}, dont approuvées : {a}",
                n=words.number(erased.withdrawn),
                a=words.number(erased.approved),
            )
        )
    if erased.live:
        named = ", ".join(plain(ref) for ref in erased.live[:_SHOWN])
        lines.append(
            words.either(
                "Still in the CRM when last read; delete them there, or the next full read reports "
                "them as back: {r}",
                "Encore dans le CRM à la dernière lecture ; supprimez-les là-bas, sinon la prochaine "
                "lecture complète les signalera comme revenues : {r}",
                r=named,
            )
        )
    if erased.mentions:
        named = ", ".join(plain(ref) for ref in erased.mentions[:_SHOWN])
        lines.append(
            words.either(
                "Records of others name an address of this person; edit them in the CRM: {r}",
                "Des fiches d'autres personnes citent une adresse de celle-ci ; corrigez-les dans le "
                "CRM : {r}",
                r=named,
            )
        )
    if erased.in_rules:
        lines.append(
            words.either(
                "A rule file names this person; edit it, and scan.",
                "Un fichier de règles cite cette personne ; corrigez-le, puis lancez une analyse.",
            )
        )
    if done:
        lines.append(
            words.either(
                "Erased. Keyed hashes left to notice a return: {n}",
                "Effacé. Empreintes à clé laissées pour remarquer un retour : {n}",
                n=words.number(erased.tombstones),
            )
        )
    return lines
