"""The rules that the last scans ran with, as text: what an edit is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import rulebooks

REGISTER = "register.yaml"
"""The name under which the register of retention periods is kept beside the rules."""

_KEPT = 20


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
