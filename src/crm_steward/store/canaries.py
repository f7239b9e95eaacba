"""Canaries: how far new and edited rules have come with the few records they may touch at first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa

from crm_steward.model import Change, RecordRef, change_from_json
from crm_steward.store.database import Database, upsert
from crm_steward.store.lease import Lease
from crm_steward.store.lines import FRUITLESS, State
from crm_steward.store.setback import Noticed, moment_of
from crm_steward.store.tables import journal, meta

_CANARY = "canary:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """How far one rule has come.

    Args:
        rule: Its id.
        digest: What it was when it began; an edited rule begins anew.
        began: When this step began.
        step: How often the number of records was raised.
        seen: Key of a change → how it was found in the CRM afterwards.
        fault: How many of how many went wrong (`2/10`); empty while nothing did.
    """

    rule: str
    digest: str
    began: datetime
    step: int = 0
    seen: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    def grown(self, now: datetime) -> Canary:
        """Return the next step, which begins now."""
        return replace(self, began=now, step=self.step + 1, seen={}, fault="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """What a canary wrote, and how it ended.

    Args:
        key: The change's key.
        ref: The record.
        state: What its last line says.
        at: When that was.
        change: The change; None once its values are gone.
        undone: Whether it was taken back here since.
    """

    key: str
    ref: RecordRef
    state: State
    at: datetime
    change: Change | None
    undone: bool

    @property
    def took_effect(self) -> bool:
        """Whether it took effect, or may have."""
        return self.state not in FRUITLESS


class Canaries:
    """Reads and writes how far canaries have come.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, Canary]:
        """Return those of all rules that are not proven, by rule."""
        query = sa.select(meta.c.value).where(meta.c.key.startswith(_CANARY, autoescape=True))
        with self._database.read() as reading:
            held = [json.loads(text) for text in reading.execute(query).scalars()]
        found = (Canary(**{**one, "began": datetime.fromisoformat(one["began"])}) for one in held)
        return {one.rule: one for one in found}

    def save(self, canaries: Iterable[Canary], lease: Lease) -> None:
        """Write down how far some have come.

        Raises:
            BusyError: The lease was lost.
        """
        rows = [
            {
                "key": _CANARY + one.rule,
                "value": json.dumps({**asdict(one), "began": one.began.isoformat()}),
            }
            for one in canaries
        ]
        if rows:
            with self._database.write() as writing:
                lease.check(writing)
                writing.execute(upsert(self._database, meta, ["key"]), rows)

    def forget(self, rule: str) -> bool:
        """Let a rule begin anew, and return whether it had begun."""
        with self._database.write() as writing:
            gone = writing.execute(sa.delete(meta).where(meta.c.key == _CANARY + rule))
            return gone.rowcount > 0

    def wrote(self, canary: Canary, now: datetime) -> list[Wrote]:
        """Return what a canary wrote in its present step, in order; undoing is not writing.

        Args:
            canary: The canary.
            now: The time.
        """
        began = min(canary.began, now)
        mine = (journal.c.rule == canary.rule, journal.c.at >= began)
        query = sa.select(journal).where(*mine).order_by(journal.c.seq)
        ended: dict[str, Wrote] = {}
        intents: dict[int, str] = {}
        with self._database.read() as reading:
            noticed = Noticed.within(reading)
            for row in reading.execute(query).mappings():
                state = State(row["state"])
                at = moment_of(row["at"], row["seq"], now, noticed)
                if at < began:
                    continue
                if row["undoes"] is not None:
                    key = intents.get(row["undoes"])
                    if key in ended and state not in FRUITLESS:
                        ended[key] = replace(ended[key], undone=True)
                    continue
                before, change = ended.get(row["key"]), None
                if row["change"]:
                    change = change_from_json(row["change"])
                elif before is not None:
                    change = before.change
                if state is State.INTENT:
                    intents[row["seq"]] = row["key"]
                ended[row["key"]] = Wrote(
                    key=row["key"],
                    ref=RecordRef(row["connection"], row["id"]),
                    state=state,
                    at=at,
                    change=change,
                    undone=False,
                )
        return list(ended.values())
