"""Canary: a new or edited rule touches a few records, which are looked at again before it goes on.

An answer shows that the CRM took a change, not that it was right. So the first records are left
alone for a day, then read back: what somebody changed back says that the rule is wrong. After that
it may touch ten times as many for a day, and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crm_steward.connect.protocol import Connector, Status
from crm_steward.model import RecordRef
from crm_steward.settings import Limits
from crm_steward.store.canaries import Canaries, Canary, Wrote
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import Lease
from crm_steward.writing.withheld import Why

GROWTH = 10
"""How many times more records each step may touch than the one before."""
_FEW = 2
"""One record that was refused, or that a person edited meanwhile, says nothing of the rule."""


@dataclass(frozen=True, slots=True)
class Flock:
    """How far all canaries have come, as a plan is made.

    Args:
        limits: How many records, and how long they are left alone.
        proven: Rule → digest under which it may touch as many as other limits let it.
        canaries: Rule → how far it has come.
        before: Rule → the records it touched in its present step.
        until: Rule → what its next step waits for: how many records, until when.
    """

    limits: Limits
    proven: Mapping[str, str]
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    before: Mapping[str, frozenset[RecordRef]] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, database: Database, limits: Limits, now: datetime) -> Flock:
        """Read it, as it stands now."""
        store = Canaries(database)
        canaries = store.all()
        before: dict[str, frozenset[RecordRef]] = {}
        until: dict[str, str] = {}
        for rule, canary in canaries.items():
            touched = [one for one in store.wrote(canary, now) if one.took_effect]
            before[rule] = frozenset(one.ref for one in touched)
            if touched:
                last = max(one.at for one in touched) + limits.canary_pause
                until[rule] = f"{len(before[rule])}, {last:%Y-%m-%d %H:%M} UTC"
        return cls(limits, Journal(database).proven(), canaries, before, until)

    def forbids(
        self, rule: str, digest: str, touched: AbstractSet[RecordRef], more: Collection[RecordRef]
    ) -> tuple[Why, str] | None:
        """Return why a rule must not touch more records yet, or None.

        Args:
            rule: Its id.
            digest: What it is now.
            touched: The records that the plan has it touch already.
            more: Those that it would touch, too.
        """
        if self.proven.get(rule) == digest:
            return None
        canary = self.canaries.get(rule)
        if canary is None or canary.digest != digest:
            before, allowed = _NOTHING, self.limits.canary
        elif canary.fault:
            return Why.CANARY_FAILED, canary.fault
        else:
            before, allowed = self.before[rule], _allowed(canary, self.limits)
        if len(before) + len(touched) + len(more) <= allowed:
            return None
        new = sum(ref not in touched and ref not in before for ref in more)
        if len(before) + len(touched - before) + new <= allowed:
            return None
        return (Why.CANARY_WAITS, self.until[rule]) if before else (Why.CANARY, str(allowed))


_NOTHING: frozenset[RecordRef] = frozenset()


def _allowed(canary: Canary, limits: Limits) -> int:
    allowed: int = limits.canary * GROWTH**canary.step
    return allowed


def begin(database: Database, digests: Mapping[str, str], lease: Lease, now: datetime) -> None:
    """Write down that rules are about to write which are new, or were edited since they did.

    Args:
        database: The store.
        digests: Rule → what it is.
        lease: The writer's.
        now: When.
    """
    proven, known = Journal(database).proven(), Canaries(database).all()
    fresh = [
        Canary(rule=rule, digest=digest, began=now)
        for rule, digest in digests.items()
        if proven.get(rule) != digest and (rule not in known or known[rule].digest != digest)
    ]
    Canaries(database).save(fresh, lease)


def read_back(
    database: Database,
    connection: str,
    connector: Connector,
    lease: Lease,
    *,
    limits: Limits,
    percent: float,
    settle_after: timedelta,
    now: datetime,
) -> None:
    """Look in one CRM for what canaries wrote long enough ago, and let those go on that did well.

    Args:
        database: The store.
        connection: Whose records are looked at.
        connector: The open connection.
        lease: The writer's.
        limits: How many records, and how long they are left alone.
        percent: The share of refused and edited records from which a rule does not go on.
        settle_after: How long a write may stay invisible to what settle reads.
        now: The time.

    Raises:
        RetryableError: The CRM cannot be reached; it is looked at the next time.
    """
    store, wait = Canaries(database), max(limits.canary_pause, settle_after)
    for canary in store.all().values():
        wrote = store.wrote(canary, now)
        seen = dict(canary.seen) | {one.key: Status.ABSENT.value for one in wrote if one.undone}
        due = [
            one
            for one in wrote
            if one.ref.connection == connection
            and one.state is State.VERIFIED
            and one.key not in seen
            and one.at + wait <= now
        ]
        changes = [one.change for one in due if one.change is not None]
        # What the journal no longer holds cannot be looked for: purged values are long settled.
        seen |= {one.key: Status.VERIFIED.value for one in due if one.change is None}
        for answer in connector.settle(changes) if changes else ():
            if answer.status is not Status.UNKNOWN:
                seen[answer.key] = answer.status.value
        judged = _judged(replace(canary, seen=seen), wrote, percent)
        if not judged.fault and _lived(judged, wrote, percent):
            _go_on(database, judged, lease, limits, now)
        elif judged != canary:
            store.save([judged], lease)


def _judged(canary: Canary, wrote: Iterable[Wrote], percent: float) -> Canary:
    """Say how many went wrong, if too many did."""
    ended = [one for one in wrote if one.state in _ENDED]
    undone = any(canary.seen.get(one.key) == Status.ABSENT.value for one in ended)
    # By records: what is refused for one of its fields is refused for all that travel with it.
    touched = {one.ref for one in ended}
    bad = {
        one.ref
        for one in ended
        if one.state is not State.VERIFIED or canary.seen.get(one.key, _FINE) != _FINE
    }
    many = len(bad) >= _FEW and len(bad) * 100 > percent * len(touched)
    return replace(canary, fault=f"{len(bad)}/{len(touched)}" if undone or many else "")


_FINE = Status.VERIFIED.value
_ENDED = frozenset({State.VERIFIED, State.REJECTED, State.CONFLICT})


def _lived(canary: Canary, wrote: Collection[Wrote], percent: float) -> bool:
    """Whether all that took effect was looked at, and little was refused."""
    effective = [one for one in wrote if one.took_effect]
    refused = sum(one.state is State.REJECTED for one in wrote)
    whole = bool(effective) and all(one.key in canary.seen for one in effective)
    return whole and refused * 100 <= percent * (len(effective) + refused)


def _go_on(database: Database, canary: Canary, lease: Lease, limits: Limits, now: datetime) -> None:
    """Let a rule touch more records, or as many as the other limits let it."""
    store, grown = Canaries(database), canary.grown(now)
    at_once = limits.canary_pause == timedelta(0)
    if at_once or _allowed(grown, limits) >= limits.max_changes_per_day:
        Journal(database).prove({canary.rule: canary.digest}, lease)
        store.forget(canary.rule)
    else:
        store.save([grown], lease)
