"""What the digest says of records, and of the groups of them that are one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_steward.matching.explaining import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One record as the report may name it.

    Args:
        connection: Its connection.
        id: Its id in the CRM.
        name: What people call it; empty when the settings keep names out of the report.
        url: Link to it in the CRM, or None.
    """

    connection: str
    id: str
    name: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The weakest link of a group, as the scan saw it: `prior`, `steps` and `others` make up `bits`.

    Args:
        level: The strongest level that the two qualify for.
        probability: How likely it is that they are one person.
        bits: log2 of the odds that they are.
        against: The likeliest other thing they may be.
        prior: Bits before anything is compared.
        steps: What each comparison says; empty where that is not known.
        others: What is taken because they may be yet other things.
    """

    level: str
    probability: float
    bits: float = 0.0
    against: str = ""
    prior: float = 0.0
    steps: tuple[Part, ...] = ()
    others: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of duplicates that waits for a person.

    Args:
        finding: Its fingerprint.
        size: How many records.
        probability: That the two least likely of them are one person.
        customer: Whether one of them is a customer.
        acted: Whether one of them did something lately.
        chained: Whether some of them are linked by others only.
        people: The first few, those of the weakest link before others.
        held: Field → per record of `people` 0 where it holds nothing, its own number (from 1) where
            it is the first to hold this, else the number of the record that holds the same.
        owners: The name or id of the owner of each of `people`; empty for nobody.
        link: Its weakest link; None when one of the two is gone.
        edited: Whether one of its records changed since the scan that found it.
    """

    finding: str
    size: int
    probability: float
    customer: bool = False
    acted: bool = False
    chained: bool = False
    people: tuple[Person, ...]
    held: Mapping[str, tuple[int, ...]]
    owners: tuple[str, ...]
    link: Link | None
    edited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Duplicates: as the last scan found them, without what was decided, merged or removed since.

    Args:
        review: Groups at which a person looks first.
        groups: Those of them that it is worth most to put right, most first.
        sure: Groups of which every two records are sure to be one person.
        proposed: How many of these the open plan would merge.
    """

    review: int = 0
    groups: tuple[Group, ...] = ()
    sure: int = 0
    proposed: int = 0
