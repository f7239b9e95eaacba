"""`crm-steward demo`: the whole loop on four emulated CRMs and a French spreadsheet."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import typer

from crm_steward.cli.context import JsonOption, console, open_rules, open_settings, print_json
from crm_steward.cli.demo_summary import Summary, files_of, print_summary, read_counts
from crm_steward.cli.exits import Exit

_MARKER = ".crm-steward-demo"
_SEED = 7
_ROWS = 500
"""Contacts of the spreadsheet."""
_SEARCH_LAG = 3.5
"""Seconds until the emulated HubSpot's search shows a change, like the real one's."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo_command)


def demo_command(
    into: Annotated[Path, typer.Option(help="Where the demo's files go; made anew.")] = Path(
        "demo"
    ),
    scale: Annotated[
        float, typer.Option(min=0.01, max=100, help="Times the usual number of contacts.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop on four emulated CRMs and a French spreadsheet; needs no account.

    Leaves the configuration, the rules, the databases, the plan and the weekly report in a folder,
    so that every command can be tried on them afterwards.
    """
    started = time.monotonic()
    demo = _Demo(_fresh(into), scale)
    demo.write_spreadsheet()
    with ExitStack() as stack:
        if as_json:  # what the commands print goes to a file, and one document to the terminal
            log = stack.enter_context((demo.folder / "log.txt").open("w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(log))
        crms = stack.enter_context(_emulated(demo))
        smtp = stack.enter_context(_mail_server(demo.folder / "mail"))
        demo.write_settings(crms, smtp)
        looped = time.monotonic()
        demo.loop()
        ended = time.monotonic()
    summary = demo.summary(seconds=ended - started, loop_seconds=ended - looped)
    if as_json:
        print_json(asdict(summary))
    else:
        print_summary(summary)
        _say_how_to_go_on(demo, crms)
    if summary.failed:
        console().print(f"[red]Not everything went well:[/red] {'; '.join(summary.failed)}")
        raise typer.Exit(Exit.PARTIAL)


def _fresh(folder: Path) -> Path:
    """Make `folder` empty; one that holds anything else than an earlier demo is left alone."""
    from crm_steward.model import InputError

    if folder.exists():
        if any(folder.iterdir()) and not (folder / _MARKER).exists():
            raise InputError(
                f"{folder} holds files that are not a demo's.", hint="Name another with --into."
            )
        shutil.rmtree(folder)
    (folder / "rules").mkdir(parents=True)
    (folder / _MARKER).touch()
    return folder


@dataclass(frozen=True, slots=True)
class _Crm:
    """An emulated CRM that listens.

    Args:
        kind: Which CRM.
        contacts: How many it has.
        connection: The settings of a connection to it.
    """

    kind: str
    contacts: int
    connection: dict[str, Any]


@dataclass(slots=True)
class _Demo:
    """The demo's folder, and the commands run on it."""

    folder: Path
    scale: float
    failed: list[str] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "crm-steward.yaml"

    def number(self, usual: int) -> int:
        """Return how many contacts a source has at this scale."""
        return max(round(usual * self.scale), 10)

    def write_spreadsheet(self) -> None:
        from crm_steward.model import utc_now
        from crm_steward.sandbox import population
        from crm_steward.sandbox.spreadsheet import write_french_csv

        people = population(self.number(_ROWS), _SEED, utc_now(), slice="file")
        write_french_csv(self.folder / "contacts.csv", people)

    def write_settings(self, crms: Mapping[str, _Crm], smtp_port: int) -> None:
        from crm_steward.cli.demo_files import MORE, RULES, SETTINGS
        from crm_steward.cli.sandbox import as_yaml

        connections = {
            name: {**crm.connection, "country": "FR", **MORE.get(crm.kind, {})}
            for name, crm in crms.items()
        }
        text = SETTINGS.replace("<smtp_port>", str(smtp_port))
        text = text.replace("<connections>", indent(as_yaml(connections), "  ").rstrip())
        self.config.touch(mode=0o600)
        self.config.write_text(text, "utf-8")
        (self.folder / "rules" / "our-rules.yaml").write_text(RULES, "utf-8")

    def loop(self) -> None:
        """Pull, scan, plan, apply, report; and look again at what it did."""
        self.run("pull", "Bring the contacts of all five into the mirror")
        self.run("scan", "Look at them with the shipped rules and ours")
        self.plan("What would be written, and what waits for a person")
        self.run("apply", "Write what the rules may fix by themselves", "--yes")
        time.sleep(_SEARCH_LAG)
        self.run("pull", "See what the CRMs say now (HubSpot's search takes a few seconds to know)")
        self.run("scan", "What is left")
        self.plan("The plan that waits for a decision")
        self.run("report", "The weekly report, by mail", "--send")
        for language in ("en", "fr"):
            options = ("--format", "html", "--language", language)
            self.quietly("report", *options, "--out", self.folder / f"report.{language}.html")

    def run(self, command: str, why: str, *options: str) -> None:
        """Run one command as a user would, showing how it is called."""
        out = console()
        out.print(f"\n[bold]{why}[/bold]")
        out.print(f"[dim]$ crm-steward {' '.join([command, *options])} -c {self.config}[/dim]")
        self.quietly(command, *options)

    def plan(self, why: str) -> None:
        """Make a plan; its diff goes to a file, how much of what to the terminal."""
        diff, plan = self.folder / "plan.txt", self.folder / "plan.json"
        with diff.open("w", encoding="utf-8") as file, redirect_stdout(file):
            self.quietly("plan", "--out", plan)
        out = console()
        out.print(f"\n[bold]{why}[/bold]")
        out.print(f"[dim]$ crm-steward plan --out {plan} -c {self.config}[/dim]")
        changes = json.loads(plan.read_text("utf-8"))["changes"]
        counts = Counter((one["rule"], one["automatic"]) for one in changes)
        for (rule, automatic), count in sorted(counts.items()):
            what = "by itself" if automatic else "waits for approval"
            out.print(f"{count:>5}  {rule:28}  {what}")
        out.print(f"record by record in {diff}")

    def quietly(self, command: str, *options: str | Path) -> None:
        """Run one command in this process."""
        from crm_steward.cli.app import app

        arguments = [command, *map(str, options), "--config", str(self.config)]
        code = app(arguments, standalone_mode=False)
        if code:
            self.failed.append(f"{command} ended with exit code {code}")

    def summary(self, *, seconds: float, loop_seconds: float) -> Summary:
        """Return what was found, what was changed, what waits, and where everything is."""
        from crm_steward.store.database import Database

        settings = open_settings(self.config)
        with Database.open(settings.database) as database:
            counts = read_counts(database)
        return Summary(
            **counts,
            rules=len(open_rules(settings).rules),
            files=files_of(self.folder),
            seconds=round(seconds, 1),
            loop_seconds=round(loop_seconds, 1),
            failed=tuple(self.failed),
        )


def _say_how_to_go_on(demo: _Demo, crms: Mapping[str, _Crm]) -> None:
    out, command = console(), _command()
    out.print("Go on from here: start the emulated CRMs again in another terminal,")
    for name, crm in crms.items():
        port = str(crm.connection["base_url"]).rpartition(":")[2]
        state = f"--contacts {crm.contacts} --state {demo.folder}/{name}.state"
        out.print(f"  {command} sandbox serve --kind {crm.kind} --port {port} {state} &")
    out.print("then look, approve and take back:")
    for then in ("findings --limit 5", "plan", "apply --approve stale-contact", "journal"):
        out.print(f"  {command} {then} -c {demo.config}")


def _command() -> str:
    """Return how a user of this terminal calls crm-steward."""
    here = Path(sys.executable).with_name("crm-steward")
    if shutil.which("crm-steward") or not here.exists():
        return "crm-steward"
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)


@contextmanager
def _emulated(demo: _Demo) -> Iterator[dict[str, _Crm]]:
    """Serve the emulated CRMs, each in a process of its own, as anybody can."""
    from crm_steward.cli.demo_files import CRMS

    with ExitStack() as stack:
        started = {
            name: stack.enter_context(_serving(demo, name, kind, usual))
            for name, (kind, usual) in CRMS.items()
        }
        crms = {}
        for name, process in started.items():
            ready = json.loads(process.stdout.readline() if process.stdout else "")
            crms[name] = _Crm(ready["kind"], ready["contacts"], ready["connection"])
            what = f"An emulated {ready['kind']} with {ready['contacts']:,} contacts"
            console().print(f"{what} at {ready['url']}")
        yield crms


@contextmanager
def _serving(demo: _Demo, name: str, kind: str, usual: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "crm_steward", "sandbox", "serve", "--kind", kind, "--json"]
    options = ["--port", "0", "--contacts", str(demo.number(usual)), "--seed", str(_SEED)]
    state = ["--state", str(demo.folder / f"{name}.state")]
    with subprocess.Popen(  # noqa: S603 -- our own command
        [*command, *options, *state], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def _mail_server(folder: Path) -> Iterator[int]:
    """Take mail on a port of this machine and keep it as files; gives the port."""
    from crm_steward.model import ConfigError, Problem

    try:
        from aiosmtpd.controller import Controller
    except ModuleNotFoundError as error:
        problem = Problem(
            "the demo needs a mail server.", hint="Install it: pip install 'crm-steward[demo]'"
        )
        raise ConfigError([problem]) from error
    folder.mkdir()

    class Keep:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
            name = envelope.rcpt_tos[0].replace("@", "_at_")
            (folder / f"{name}.eml").write_bytes(envelope.content)
            return "250 kept"

    with socket.create_server(("127.0.0.1", 0)) as probe:  # aiosmtpd cannot choose a port itself
        port = probe.getsockname()[1]
    controller = Controller(Keep(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()
