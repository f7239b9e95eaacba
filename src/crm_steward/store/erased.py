"""What erasing a person did, or would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crm_steward.model import RecordRef


@dataclass(slots=True, kw_only=True)
class Erased:
    """What was erased, or would be.

    Args:
        run: The run, empty when nothing was done.
        refs: The person's records; in the CRMs they stand where they stood.
        live: Those of them that the CRMs still held when they were last read.
        rows: Table → rows that went or were blackened.
        withdrawn: Changes that waited in a plan and are not made any more.
        approved: Those of them that somebody had approved.
        given_up: Changes whose answer was still awaited.
        tombstones: Keyed hashes that were left.
        shared: Addresses that others hold, too: no tombstone was left for them.
        mentions: Records of others that name one of the person's addresses.
        in_rules: Whether a rule names the person.
    """

    run: str = ""
    refs: tuple[RecordRef, ...] = ()
    live: tuple[RecordRef, ...] = ()
    rows: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    approved: int = 0
    given_up: int = 0
    tombstones: int = 0
    shared: int = 0
    mentions: tuple[RecordRef, ...] = ()
    in_rules: bool = False

    @property
    def anything(self) -> bool:
        """Whether the database held anything of the person."""
        return bool(self.refs or self.rows or self.mentions or self.in_rules)
