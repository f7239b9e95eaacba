"""The rules that the last scans ran with, as text, and whether those on disk can be used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import meta, rulebooks

REGISTER = "register.yaml"
"""The name under which the register of retention periods is kept beside the rules."""

_KEPT = 20
_BROKEN = "rules_broken"


@dataclass(frozen=True, slots=True)
class Broken:
    """Rules on disk that cannot be used, so that the last good ones run on.

    Args:
        since: Since when.
        problems: What is wrong, each with its place.
    """

    since: datetime
    problems: tuple[str, ...]


def broken_rules(reading: sa.Connection) -> Broken | None:
    """Return what is wrong with the rules on disk; None when they are the ones that run."""
    query = sa.select(meta.c.value).where(meta.c.key == _BROKEN)
    kept = reading.execute(query).scalar_one_or_none()
    if kept is None:
        return None
    content = json.loads(kept)
    return Broken(datetime.fromisoformat(content["since"]), tuple(content["problems"]))


class Rulebooks:
    """Keeps the rule files of the last scans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, digest: str, files: Mapping[str, str], *, now: datetime) -> None:
        """Keep the files of the rules that ran; the same rules again only move to the front.

        Args:
            digest: The rules', which says whether they are others.
            files: File name → text.
            now: When they ran.
        """
        row = {"digest": digest, "files": dict(files), "ran_at": now}
        last = sa.select(rulebooks.c.digest).order_by(rulebooks.c.ran_at.desc()).limit(_KEPT)
        with self._database.write() as writing:
            writing.execute(upsert(self._database, rulebooks, ["digest"]), [row])
            kept = [digest for (digest,) in writing.execute(last)]
            writing.execute(sa.delete(rulebooks).where(rulebooks.c.digest.not_in(kept)))

    def last(self) -> dict[str, str] | None:
        """Return the rule files of the last scan: file name → text; None before the first."""
        query = sa.select(rulebooks.c.files).order_by(rulebooks.c.ran_at.desc()).limit(1)
        with self._database.read() as reading:
            found = reading.execute(query).scalar_one_or_none()
        return None if found is None else dict(found)

    def note(self, problems: Sequence[str], *, now: datetime) -> None:
        """Note that the rules on disk cannot be used, or, without problems, that they can."""
        with self._database.read() as reading:
            before = broken_rules(reading)
        if (before.problems if before else ()) == tuple(problems):
            return
        with self._database.write() as writing:
            if not problems:
                writing.execute(sa.delete(meta).where(meta.c.key == _BROKEN))
                return
            since = before.since if before else now
            value = json.dumps({"since": since.isoformat(), "problems": list(problems)})
            row = {"key": _BROKEN, "value": value}
            writing.execute(upsert(self._database, meta, ["key"]), [row])
