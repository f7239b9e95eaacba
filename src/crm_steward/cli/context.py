"""What commands share: the --config and --json options, opening settings, database, connectors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

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
    """Read the settings and start logging as they say."""
    from crm_steward.settings import load_settings

    return load_settings(config)


def console() -> Console:
    """Return a console on standard output; colours and progress only on a terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(document: Any) -> None:
    """Print `document` as JSON on standard output."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))
