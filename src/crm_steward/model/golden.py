"""The golden record: the best value of each field over a group, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from crm_steward.model.contact import RecordRef, Value


class Chosen(StrEnum):
    """How a value of a golden record was chosen; as in rules, where a rule can ask for it."""

    SURVIVOR = "survivor"
    """The survivor's own."""
    FILLED = "filled"
    """The survivor had none: the record that changed last and has one."""
    MOST_RECENT = "most recent"
    OLDEST = "oldest"
    LONGEST = "longest"
    MOST_FREQUENT = "most frequent"
    UNION = "union"
    STRICTEST = "strictest"
    """The consent that refuses most; of consents nothing else is ever chosen."""
    CRM = "crm"
    """The CRM's own merge decides, and this is what it does."""


@dataclass(frozen=True, slots=True)
class GoldenValue:
    """What the survivor of a merge holds in one field afterwards.

    Args:
        value: The value; None where nobody had one.
        chosen: How it was chosen.
        sources: The records that hold it, in order; of a union those that add to it.
        lost: Records whose own address or number is in no field of the survivor's afterwards.
    """

    value: Value
    chosen: Chosen
    sources: tuple[RecordRef, ...] = ()
    lost: tuple[RecordRef, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        lost = {"lost": [str(ref) for ref in self.lost]} if self.lost else {}
        sources = [str(ref) for ref in self.sources]
        return {"value": self.value, "chosen": self.chosen.value, "from": sources, **lost}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read back what `to_json` wrote."""
        return cls(
            value=content["value"],
            chosen=Chosen(content["chosen"]),
            sources=tuple(map(RecordRef.parse, content["from"])),
            lost=tuple(map(RecordRef.parse, content.get("lost", ()))),
        )
