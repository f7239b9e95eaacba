"""Periods of the register, as rules refer to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from crm_steward.rules.durations import Duration


def _known(period: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("periods")
    if known is not None and period not in known:
        values = {"value": period, "known": tuple(known)}
        raise PydanticCustomError("unknown_period", "unknown period", values)
    return period


PeriodId = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_known)]
"""The id of a period of the register; any, where the register is not known."""


def length_of(period: str | None, info: ValidationInfo) -> Duration | None:
    """Return how long `period` is; None without one, or where the register is not known."""
    known = (info.context or {}).get("periods")
    if period is None or known is None:
        return None
    length: Duration = known[period].length
    return length
