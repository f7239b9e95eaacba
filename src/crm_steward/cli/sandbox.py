"""`crm-steward sandbox serve`: an emulated CRM to try things on, without an account."""

from __future__ import annotations

import io
import json
import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crm_steward.cli.context import JsonOption
from crm_steward.model import ConfigError, InputError, Problem

if TYPE_CHECKING:
    from crm_steward.sandbox import Emulator

sandbox = typer.Typer(
    help="An emulated CRM on this machine, with invented people, to try things on.",
    no_args_is_help=True,
)


@sandbox.command()
def serve(  # noqa: PLR0917 -- typer reads the options from the signature
    kind: Annotated[str, typer.Option(help="Which CRM: see `crm-steward connectors`.")] = "hubspot",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8765,
    contacts: Annotated[int, typer.Option(min=0, max=5_000_000, help="How many people.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 7,
    faults: Annotated[
        Path | None, typer.Option(help="YAML or JSON: what goes wrong, at which call.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Keeps the account here, across restarts and crashes.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve an emulated CRM on 127.0.0.1 until Ctrl-C or SIGTERM.

    It answers as the vendor documents, limits and errors included, and refuses the rest with 501.
    Its control door is at `/_sandbox/state`, `/_sandbox/log`, `/_sandbox/faults`,
    `/_sandbox/clock` and `/_sandbox/by-hand`.
    """
    from crm_steward.sandbox import load_faults
    from crm_steward.sandbox import serve as served

    script = load_faults(faults) if faults else []
    emulator = _emulator(kind, contacts=contacts, seed=seed, state=state)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with served(emulator, port=port, faults=script, state=state) as server:
            ready = {"kind": kind, "url": server.url, "contacts": contacts, "seed": seed}
            ready["connection"] = {"kind": kind, **emulator.connection(server.url)}
            _announce(ready, as_json=as_json)
            stop.wait()
    except OSError as error:
        raise ConfigError(
            [
                Problem(
                    f"port {port} cannot be used ({error.strerror}).", hint="Give another --port."
                )
            ]
        ) from error


def _emulator(kind: str, *, contacts: int, seed: int, state: Path | None) -> Emulator:
    from importlib import import_module

    from crm_steward.connect.discovery import specs
    from crm_steward.sandbox.statefile import StateFile

    known = {name: spec.sandbox for name, spec in specs().items() if spec.sandbox}
    if kind not in known:
        problem = Problem(
            f"there is no sandbox of kind '{kind}'.", hint=f"Known: {', '.join(known)}."
        )
        raise ConfigError([problem])
    module, _, name = known[kind].partition(":")
    try:
        born = StateFile.born(state) if state else None
    except (OSError, ValueError) as error:
        raise InputError(f"{state}: this is not a sandbox state.") from error
    made: Emulator = getattr(import_module(module), name)(
        contacts=contacts, seed=seed, born=datetime.fromisoformat(born) if born else None
    )
    return made


def _announce(ready: dict[str, Any], *, as_json: bool) -> None:
    """Print where it listens: one line of JSON, or text."""
    if as_json:
        typer.echo(json.dumps(ready))
        return
    typer.echo(f"Emulated {ready['kind']} with {ready['contacts']} contacts at {ready['url']}")
    typer.echo("A connection to it needs:")
    typer.echo("".join(f"  {line}\n" for line in as_yaml(ready["connection"]).splitlines()))
    typer.echo(f"Control door: {ready['url']}/_sandbox/state   Ctrl-C stops it.")


def as_yaml(values: dict[str, Any]) -> str:
    """Return settings as YAML; a key of many lines keeps them."""
    from ruamel.yaml import YAML

    yaml, text = YAML(), io.StringIO()
    yaml.width = 10_000
    yaml.dump(values, text)
    return text.getvalue()


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(sandbox, name="sandbox")
