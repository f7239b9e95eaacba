"""`crm-steward duplicates`: what people say about groups of records that may be one person."""

from __future__ import annotations

import typer

from crm_steward.cli import decisions


def register(app: typer.Typer) -> None:
    """Add the commands."""
    duplicates = typer.Typer(
        name="duplicates",
        help="Say which records are one person, and which are not.",
        no_args_is_help=True,
    )
    decisions.register(duplicates)
    app.add_typer(duplicates)
