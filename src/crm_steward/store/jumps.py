"""Jumps: rules that suddenly find far more than they used to only report until a person accepts it.

A source that changed its fields, a slip in another rule's file, an import gone wrong: each makes a
rule match what it never matched, and acting on it would spread the mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from statistics import median

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.runs import Run, Runs
from crm_steward.store.tables import contacts, findings, meta

RUNS = 4
"""How many scans of all contacts are the rule's history; one that has fewer is new."""
TIMES = 3
"""How many times more than usual is a jump …"""
PERCENT = 1
"""… if it is also more than this share of all contacts …"""
FEW = 10
"""… and more than a canary may touch: a handful in a small base is no slip."""

_JUMP = "jump:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """One rule that found far more than usual.

    Args:
        rule: Its id.
        found: How much.
        usual: The median of its last scans before.
        at: Since when; once it is accepted, when it was.
        accepted: Whether a person said that it is right.
    """

    rule: str
    found: int
    usual: float
    at: datetime
    accepted: bool = False

    @property
    def figures(self) -> str:
        """How much, and how much was usual."""
        return f"{self.found} / {self.usual:g}"


class Jumps:
    """Notices and keeps jumps.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> dict[str, Jump]:
        """Return the jumps that nobody accepted, by rule."""
        return {rule: jump for rule, jump in self._known().items() if not jump.accepted}

    def watch(self, now: datetime) -> list[Jump]:
        """Compare what stands with what used to, and return the jumps that are new.

        One whose findings came back to what is usual is forgotten: its cause is gone.
        """
        found, base = self._found()
        past, known = self._past(), self._known()
        fresh: list[Jump] = []
        for rule, number in found.items():
            before = known.get(rule)
            if before is not None and not before.accepted:
                if not _jumps(number, before.usual, base):
                    self._forget(rule)
                continue
            usual = _usual(rule, past, before)
            if usual is not None and _jumps(number, usual, base):
                fresh.append(Jump(rule=rule, found=number, usual=usual, at=now))
        self._save(fresh)
        return fresh

    def accept(self, rule: str, now: datetime) -> bool:
        """Let a rule act on what it found, and return whether it had jumped."""
        jump = self.standing().get(rule)
        if jump is not None:
            self._save([replace(jump, accepted=True, at=now)])
        return jump is not None

    def _known(self) -> dict[str, Jump]:
        with self._database.read() as reading:
            return jumps_within(reading)

    def _save(self, jumps: Iterable[Jump]) -> None:
        rows = [
            {
                "key": _JUMP + one.rule,
                "value": json.dumps({**asdict(one), "at": one.at.isoformat()}),
            }
            for one in jumps
        ]
        if rows:
            with self._database.write() as writing:
                writing.execute(upsert(self._database, meta, ["key"]), rows)

    def _forget(self, rule: str) -> None:
        with self._database.write() as writing:
            writing.execute(sa.delete(meta).where(meta.c.key == _JUMP + rule))

    def _found(self) -> tuple[dict[str, int], int]:
        """Return how many findings of each rule stand, and how many contacts there are."""
        standing = (
            sa.select(findings.c.rule, sa.func.count())
            .where(findings.c.state == "open")
            .group_by(findings.c.rule)
        )
        live = sa.select(sa.func.count()).where(contacts.c.gone_at.is_(None))
        with self._database.read() as reading:
            found = {str(rule): int(count) for rule, count in reading.execute(standing)}
            return found, reading.execute(live).scalar_one()

    def _past(self) -> list[Run]:
        """Return the scans of all contacts before what stands now, newest first."""
        runs = Runs(self._database)
        whole = [run for run in runs.latest("scan") if run.status == "done"]
        changed = next(iter(runs.latest("scan-changed", limit=1)), None)
        later = changed is not None and bool(whole) and changed.started_at > whole[0].started_at
        return whole if later else whole[1:]


def jumps_within(reading: sa.Connection) -> dict[str, Jump]:
    """Return the jumps that are kept, accepted or not, by rule, inside the caller's transaction."""
    query = sa.select(meta.c.value).where(meta.c.key.startswith(_JUMP, autoescape=True))
    held = [json.loads(text) for text in reading.execute(query.order_by(meta.c.key)).scalars()]
    found = (Jump(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in held)
    return {one.rule: one for one in found}


def _usual(rule: str, past: Iterable[Run], before: Jump | None) -> float | None:
    """Return how much a rule usually finds; None while it is new.

    What a person accepted is usual, until as many scans have been as history takes.
    """
    asked = [run for run in past if rule in run.counts.get("by_rule", {})][:RUNS]
    if len(asked) < RUNS:
        return None
    usual = float(median(run.counts["by_rule"][rule] for run in asked))
    if before is not None and any(run.started_at <= before.at for run in asked):
        return max(usual, before.found)
    return usual


def _jumps(number: int, usual: float, base: int) -> bool:
    return number > max(TIMES * usual, FEW) and number * 100 > PERCENT * base
