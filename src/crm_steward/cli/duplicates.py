"""`crm-steward duplicates`: groups of records that may be one person: which, why, and how sure."""

from __future__ import annotations

import typer

from crm_steward.cli import (
    decisions,
    duplicates_evaluate,
    duplicates_explain,
    duplicates_list,
    duplicates_weights,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    duplicates = typer.Typer(
        name="duplicates",
        help="See why records are taken for one person, say which are and which are not.",
        no_args_is_help=True,
    )
    duplicates_list.register(duplicates)
    decisions.register(duplicates)
    duplicates_explain.register(duplicates)
    duplicates_evaluate.register(duplicates)
    duplicates_weights.register(duplicates)
    app.add_typer(duplicates)
