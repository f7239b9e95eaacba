"""Steps of which none may keep another from being taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crm_steward.model import StewardError


def in_turn(steps: Iterable[Callable[[], object]]) -> None:
    """Take every step, whatever becomes of the others.

    Raises:
        Exception: At the end, what a step raised: a bug before a trouble that is known, else the
            first.
    """
    errors: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 -- it is raised below
            errors.append(error)
    if errors:
        raise min(errors, key=lambda error: isinstance(error, StewardError))
