"""What commands share: --config and --json, opening settings, rules, register and connections."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.failures import say

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.connect.spec import ConnectionSettings
    from crm_steward.model import StewardError
    from crm_steward.rules import Register, RuleBook
    from crm_steward.settings import Settings

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="CRM_STEWARD_CONFIG",
        help="The settings file.",
        show_default=True,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text.")
]
DEFAULT_CONFIG = Path("crm-steward.yaml")


def open_settings(config: Path) -> Settings:
    """Read the settings and start logging as they say.

    Raises:
        ConfigError: They are wrong.
    """
    from crm_steward.logs import setup_logging
    from crm_steward.settings import load_settings

    settings = load_settings(config)
    setup_logging(settings.log)
    return settings


def open_rules(settings: Settings) -> RuleBook:
    """Read the rules that the settings name.

    Raises:
        ConfigError: Some are wrong; holds every mistake of every file.
    """
    from crm_steward.daemon.rulebook import read_rules

    return read_rules(settings)


def open_register(settings: Settings, language: str | None = None) -> Register:
    """Read the register of processing activities that the settings name, or the shipped one.

    Raises:
        ConfigError: It is wrong; holds every mistake.
    """
    from crm_steward.rules import load_register, shipped_register

    path = settings.rules.register_file or shipped_register()
    return load_register(path, language or settings.language)


def this_user() -> str:
    """Return who runs the command; a container may give its user a number and no name."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def chosen(settings: Settings, names: Sequence[str] | None) -> dict[str, ConnectionSettings]:
    """Return the enabled connections, or those named.

    Raises:
        ConfigError: A named one does not exist, or there is none at all.
    """
    from crm_steward.model import ConfigError, Problem

    known = settings.connections
    missing = [name for name in names or () if name not in known]
    if missing:
        problems = []
        for name in missing:
            close = get_close_matches(name, known, n=1)
            guess = f" (did you mean '{close[0]}'?)" if close else ""
            hint = f"Configured: {', '.join(known) or 'none'}."
            problems.append(Problem(f"no connection '{name}'{guess}.", hint=hint))
        raise ConfigError(problems)
    if names:
        return {name: known[name] for name in names}
    enabled = {name: one for name, one in known.items() if one.enabled}
    if not enabled:
        raise ConfigError(
            [Problem("no connection is configured.", hint="Add one under `connections:`.")]
        )
    return enabled


class Failures:
    """Collects what failed for one connection while the others go on.

    A refused credential or request, an unreachable CRM, a file that is gone or a mapping that no
    longer fits concern one connection; anything else ends it all.
    """

    def __init__(self) -> None:
        self._errors: list[StewardError] = []

    @contextmanager
    def of(self, connection: str) -> Iterator[None]:
        """Say what the block raises, and go on."""
        from crm_steward.model import (
            AuthError,
            ConfigError,
            InputError,
            RecordRejectedError,
            RetryableError,
        )

        failed = (AuthError, ConfigError, InputError, RecordRejectedError, RetryableError)
        try:
            yield
        except failed as error:
            self._errors.append(error)
            say(error, about=connection)

    def end(self) -> None:
        """End the process with the gravest exit code if anything failed."""
        from crm_steward.cli.exits import Exit, gravest

        code = gravest(self._errors)
        if code is not Exit.OK:
            raise typer.Exit(code)


def console() -> Console:
    """Return a console on standard output; colours on a terminal only, wide lines elsewhere."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if known else 140)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on a terminal, or log now and then elsewhere.

    The function given takes what is done and the total.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    err = Console(stderr=True)
    if not err.is_terminal:
        yield _logged(title)
        return
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


_LOG_EVERY = 30.0
"""Seconds between two lines of the log about one command: what ends before writes none."""


def _logged(title: str) -> Callable[[int, int | None], None]:
    """Return what logs how far a command has come, when it takes long."""
    import structlog

    log, said = structlog.stdlib.get_logger(__name__), monotonic()

    def advance(done: int, total: int | None) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= _LOG_EVERY:
            said = now
            log.info(title, done=done, total=total)

    return advance


@contextmanager
def steps(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show which step runs, on a terminal; the function given takes its name, number and total."""
    with bar(title) as advance:

        def step(_name: str, number: int, total: int) -> None:
            advance(number - 1, total)

        yield step


def print_json(document: Any) -> None:
    """Print `document` as JSON on standard output."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))
