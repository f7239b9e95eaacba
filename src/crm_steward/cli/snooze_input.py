"""What a person types at `crm-steward snooze`, read: which findings, until when, why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, tzinfo

import typer

_SHORTEST = 8
_LONGEST_REASON = 500
_YEARS = 2


def check(fingerprints: Sequence[str] | None, rule: str | None, ref: str | None) -> None:
    """Refuse a command line that does not say, in one way, which findings are meant."""
    if bool(fingerprints) == bool(rule):
        raise typer.BadParameter(
            "name findings by their fingerprints, or --rule, and not both. See: crm-steward findings"
        )
    if ref and not rule:
        raise typer.BadParameter("it narrows down --rule, which is missing.", param_hint="--ref")


def reason_in(reason: str | None) -> str:
    """Return the reason on one line."""
    why = " ".join((reason or "").split())
    if not why:
        raise typer.BadParameter("say why: in two months nobody remembers.", param_hint="--reason")
    if len(why) > _LONGEST_REASON:
        raise typer.BadParameter(
            f"{len(why)} characters are too many (at most {_LONGEST_REASON}).",
            param_hint="--reason",
        )
    return why


def moment_in(written: str | None, now: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which the day that is `written` begins in `zone`."""
    from crm_steward.rules.durations import Duration

    if not written:
        raise typer.BadParameter("say until when: 2027-01-15 or '6 weeks'.", param_hint="--until")
    today = now.astimezone(zone)
    try:
        day = Duration.parse(written).after(today).date()
    except ArithmeticError:  # longer than 200 years
        day = date.max
    except ValueError:
        day = _day(written)
    latest = Duration(_YEARS, "year").after(today).date()
    if day <= today.date():
        raise typer.BadParameter(
            f"{day} is not in the future; a snooze ends when a day begins, tomorrow at the earliest.",
            param_hint="--until",
        )
    if day > latest:
        raise typer.BadParameter(
            f"'{written}' is more than {_YEARS} years ahead (at most {latest}). For an exception "
            "that lasts, change the rule.",
            param_hint="--until",
        )
    return datetime.combine(day, time(), tzinfo=zone)


def _day(written: str) -> date:
    """Read `2027-01-15`."""
    try:
        return datetime.strptime(written.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 -- a day has no zone
    except ValueError:
        raise typer.BadParameter(
            f"'{written}' is neither a day nor a length of time; write 2027-01-15 or '6 weeks'.",
            param_hint="--until",
        ) from None


def digits_in(typed: str) -> str:
    """Return what was typed of a fingerprint, when it is enough of one."""
    digits = typed.strip().lower()
    if len(digits) < _SHORTEST or set(digits) - set("0123456789abcdef"):
        raise typer.BadParameter(
            f"'{typed}' is not a finding; write at least {_SHORTEST} digits of its fingerprint, as "
            "crm-steward findings shows it."
        )
    return digits


def only_one(typed: str, marks: Sequence[str], what: str) -> str:
    """Return the only fingerprint that was meant."""
    if not marks:
        raise typer.BadParameter(f"there is no {what} '{typed}'.")
    if len(marks) > 1:
        raise typer.BadParameter(f"several fingerprints begin with '{typed}'; write more digits.")
    return marks[0]
