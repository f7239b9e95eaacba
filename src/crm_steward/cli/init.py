"""`crm-steward init`: write settings and rules to begin with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crm_steward.cli.context import JsonOption, console, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crm_steward.connect.spec import ConnectorSpec

_SETTINGS = """\
# Settings of crm-steward. Everything that is left out has a sensible default; every setting can be
# overridden by an environment variable (CRM_STEWARD_REPORT__DAY=tuesday) or by a secret file.
# Check it: crm-steward check
version: 1
language: {language}                        # of reports and tasks: en or fr
timezone: {timezone}
database: sqlite:///crm-steward.db  # or postgresql+psycopg://steward@db.example.com/steward

connections:
  {name}:
    kind: {kind}
    pull_every: 30 minutes
    # country: FR                     # assumed for phone numbers where a contact has no country
{example}
rules:
  packs: [baseline, format, consent-eu, duplicates]
  # Further ones: completeness, consent-fr, consent-de, consent-uk, casl (Canada), retention-fr,
  # freetext, segments. Switch them on one at a time.
  paths: [rules]                      # your own, beside this file

# The weekly report. Take away the marks, and keep the password in secrets/mail__password.
# mail:
#   host: smtp.example.com
#   username: steward@example.com
#   sender: CRM Steward <steward@example.com>
# report:
#   recipients: [crm.manager@example.com]
#   day: monday
#   at: "07:30"

# What may be written, at most. A new or edited rule first touches `canary` records.
limits:
  max_changes_per_run: 200
  max_changes_per_day: 1000
  max_percent_per_day: 5
  canary: 10

service:
  listen: 127.0.0.1:9464              # /healthz, /readyz, /metrics
  scan_every: 6 hours
  apply_automatic: false              # true: changes of rules in mode `apply` need no command
"""

_RULES = """\
# Your own rules; the shipped packs run besides. Check them: crm-steward rules lint
version: 1
rules:
  - id: customers-without-company
    about:
      en: Business customers without a company name
      fr: Clients professionnels sans nom de société
    severity: low
    where: {all: [{field: stage, equals: customer}, {field: kind, equals: b2b}]}
    check: {kind: required, fields: [company]}
    mode: report                      # report, propose (a person approves) or apply
    if_unable: skip                   # where the CRM lacks a field, such as an unmapped `kind`
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init_command)


def init_command(
    folder: Annotated[Path, typer.Argument(help="Where to write.", metavar="[DIR]")] = Path(),
    *,
    kind: Annotated[
        str | None,
        typer.Option("--kind", "-k", help="Which CRM; `crm-steward connectors` lists them."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call the connection.", show_default="KIND")
    ] = None,
    language: Annotated[str, typer.Option("--language", "-l", help="en or fr.")] = "en",
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="Such as Europe/Paris.", show_default="this machine's"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write settings and rules to begin with, and say how to give access.

    Asks for what is not given, on a terminal only. Files that exist are never overwritten. A
    credential is asked for without showing it and kept in the folder `secrets`, apart from the
    settings. All files can be read by you alone.
    """
    from crm_steward.connect.discovery import spec_of, specs

    asking = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if kind is None and asking:
        kind = typer.prompt(f"Which CRM? ({', '.join(specs())})")
    if kind is None:
        raise typer.BadParameter(f"give one of: {', '.join(specs())}", param_hint="--kind")
    spec = spec_of(kind)
    name = name or kind
    values = {
        "language": language,
        "timezone": timezone or _this_zone(),
        "name": name,
        "kind": kind,
        "example": "".join(f"    {line}\n" for line in spec.example.splitlines()),
    }
    files = {
        folder / "crm-steward.yaml": _SETTINGS.format(**values),
        folder / "rules" / "own.yaml": _RULES,
    }
    _refuse_existing(files)
    _refuse_wrong(values)
    secrets = _ask_secrets(spec, name) if asking else {}
    files |= {folder / "secrets" / file: text for file, text in secrets.items()}
    for path, text in files.items():
        _write(path, text)
    if spec.secrets:
        (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    missing = {
        f"connections__{name}__{field}": _variable(name, field)
        for field in spec.secrets
        if folder / "secrets" / f"connections__{name}__{field}" not in files
    }
    access = [step.replace("NAME", name) for step in spec.access]
    if as_json:
        document = {"files": [str(path) for path in files], "access": access, "secrets": missing}
        print_json(document)
        return
    _tell(folder, spec.title, list(files), access, missing)


def _variable(name: str, field: str) -> str:
    return f"CRM_STEWARD_CONNECTIONS__{name.replace('-', '_').upper()}__{field.upper()}"


def _this_zone() -> str:
    """Return the machine's time zone by name, or UTC where it has none."""
    from zoneinfo import available_timezones

    name = os.environ.get("TZ") or os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"


def _refuse_existing(files: Mapping[Path, str]) -> None:
    from crm_steward.model import ConfigError, Problem

    there = [path for path in files if path.exists()]
    if there:
        hint = "Nothing was written: choose another folder, or move it away."
        raise ConfigError([Problem("this exists already.", where=str(p), hint=hint) for p in there])


def _refuse_wrong(values: Mapping[str, str]) -> None:
    """Refuse a name, language or time zone that the settings would refuse, before writing."""
    from pydantic import ValidationError

    from crm_steward.model import ConfigError, Problem
    from crm_steward.settings import Settings, connection_name_problem

    problems = []
    if why := connection_name_problem(values["name"]):
        problems.append(Problem(f"--name {why}."))
    for option in ("language", "timezone"):
        try:
            Settings.model_validate({option: values[option]})
        except ValidationError as error:
            said = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
            problems.append(Problem(f"--{option}: {said.removeprefix('Input ')}."))
    if problems:
        raise ConfigError(problems)


def _ask_secrets(spec: ConnectorSpec, name: str) -> dict[str, str]:
    """Ask for the credentials the kind needs; Enter leaves one for later."""
    given = {}
    for field in spec.secrets:
        text = typer.prompt(f"{field} (not shown; Enter: later)", default="", hide_input=True)
        if text.strip():
            given[f"connections__{name}__{field}"] = text.strip() + "\n"
    return given


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else may read, whatever the umask; never over another."""
    from crm_steward.model import ConfigError, Problem

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        problem = Problem(f"cannot be written: {said}.", where=str(path))
        raise ConfigError([problem]) from error


def _tell(
    folder: Path, title: str, files: list[Path], access: list[str], missing: Mapping[str, str]
) -> None:
    from rich.markup import escape

    out = console()
    for path in files:
        out.print(f"[green]✓[/] {escape(str(path))}")
    out.print(f"\n[bold]To give access to {title}[/]")
    for number, step in enumerate(access, start=1):
        out.print(f"  {number}. {escape(step)}")
    for file, variable in missing.items():
        out.print(
            f"\nGive the {file.rpartition('__')[2]} as the file "
            f"{escape(str(folder / 'secrets'))}/{file}, or as {variable}."
        )
    go = "" if folder == Path() else f"cd {escape(str(folder))} && "
    out.print(f"\nThen: [bold]{go}crm-steward check[/]")
