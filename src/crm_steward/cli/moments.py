"""Moments as they are typed: a day or a time, in UTC unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import typer


def moment_of(text: str | None, option: str) -> datetime | None:
    """Return the moment that was typed for `option`; None for nothing.

    Raises:
        typer.BadParameter: It is none.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        said = f"'{text}' is no date or time; write 2026-01-31 or 2026-01-31T09:30:00Z"
        raise typer.BadParameter(said, param_hint=option) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
