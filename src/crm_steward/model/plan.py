"""A plan: what would be written, in order, exactly; what is approved is what runs."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_steward.model.change import (
    Change,
    LiftSuppression,
    change_from_json,
    change_key,
    change_to_json,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One change and why it is proposed.

    Args:
        change: What would be written.
        rule: The rule that asks for it.
        finding: The fingerprint of the finding behind it.
        why: One sentence for the person who approves, in their language.
        automatic: The rule's mode is `apply`: it needs no approval.
        detail: What more a person should know who approves it, such as why this record survives.
    """

    change: Change
    rule: str
    finding: str
    why: str = ""
    automatic: bool = False
    detail: str = ""
    _key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """The change's idempotency key."""
        if not self._key:
            # Once, and only where it is asked for: most of what a large base asks for exceeds limits.
            object.__setattr__(self, "_key", change_key(self.change))
        return self._key

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        change = change_to_json(self.change)
        if not self._key:
            object.__setattr__(self, "_key", change_key(self.change, change))
        return {
            "key": self.key,
            "rule": self.rule,
            "finding": self.finding,
            "why": self.why,
            "automatic": self.automatic,
            **({"detail": self.detail} if self.detail else {}),
            "reversibility": str(self.change.reversibility),
            "change": change,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlannedChange:
        """Read back what `to_json` wrote."""
        return cls(
            change=change_from_json(content["change"]),
            rule=content["rule"],
            finding=content["finding"],
            why=content["why"],
            automatic=content["automatic"],
            detail=content.get("detail", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Changes in order, free of conflicts, bound to the mirror they were made from.

    Args:
        changes: What would be written.
        created_at: When it was made.
        expires_at: After that it is refused.
        mirror: The state of the mirror it was made from.
        rules: The digest of the rules it was made with.
        digests: Rule → digest of each rule that asks for a change: a new one is first tried on few
            records.
        aged: Rules whose changes rest on what day it is: they wait while the clock is wrong.
    """

    changes: tuple[PlannedChange, ...]
    created_at: datetime
    expires_at: datetime
    mirror: str
    rules: str
    digests: Mapping[str, str] = field(default_factory=dict)
    aged: tuple[str, ...] = ()
    _hash: str = field(default="", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what loosens: no plan holds it, however it was made.

        Raises:
            ValueError: It holds the lifting of a suppression.
        """
        if any(isinstance(planned.change, LiftSuppression) for planned in self.changes):
            raise ValueError("no plan lifts a suppression")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values, with its `hash`."""
        changes = [planned.to_json() for planned in self.changes]
        return {"hash": self.hash, **self._head(), "changes": changes}

    def to_text(self) -> str:
        """Return what `to_json` returns as JSON text, keys sorted; its hash is made on the way."""
        pieces = list(self._hashed(self._changes()))
        pieces.append(_canonical({**self._head(), "hash": self.hash})[1:])
        return "".join(pieces)

    @classmethod
    def from_text(cls, text: str) -> Plan:
        """Read back what `to_text` wrote, change by change: as a whole it takes much memory.

        Raises:
            ValueError: It is no JSON.
            KeyError: Something is missing.
        """
        if not text.startswith(_FIRST):  # written otherwise, by somebody else
            return cls.from_json(json.loads(text))
        changes: list[PlannedChange] = []
        at = len(_FIRST)
        while not text.startswith("]", at):
            content, at = _DECODE(text, at)
            changes.append(PlannedChange.from_json(content))
            at += len(_BETWEEN) if text.startswith(_BETWEEN, at) else 0
        at += len(_LAST)
        plan = cls._with(changes, json.loads("{" + text[at:]))
        # The hash of what was read, letter by letter: making the text anew would take as long again.
        digest = hashlib.sha256()
        for start in range(0, at, _PIECE):
            digest.update(text[start : min(start + _PIECE, at)].encode())
        plan._keep(digest)  # noqa: SLF001 -- its own
        return plan

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Plan:
        """Read back what `to_json` wrote; the caller compares the hash."""
        return cls._with(map(PlannedChange.from_json, content["changes"]), content)

    @classmethod
    def _with(cls, changes: Iterable[PlannedChange], content: Mapping[str, Any]) -> Plan:
        return cls(
            changes=tuple(changes),
            created_at=datetime.fromisoformat(content["created_at"]),
            expires_at=datetime.fromisoformat(content["expires_at"]),
            mirror=content["mirror"],
            rules=content["rules"],
            digests=content["digests"],
            aged=tuple(content.get("timed", ())),
        )

    @property
    def hash(self) -> str:
        """The plan's name: 16 hexadecimal digits made of all it holds."""
        if not self._hash:
            # Piece by piece, as the whole may be large.
            deque(self._hashed(self._changes()), maxlen=0)
        return self._hash

    def _hashed(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield `pieces`, and keep the hash that they and the head make: it is worked out once."""
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece.encode())
            yield piece
        self._keep(digest)

    def _keep(self, changes: hashlib._Hash) -> None:
        """Keep the hash of the plan, given that of its changes as text."""
        changes.update(_canonical(self._head())[1:].encode())
        object.__setattr__(self, "_hash", changes.hexdigest()[:16])

    def _changes(self) -> Iterator[str]:
        """Yield the beginning of the plan as canonical JSON: no other key comes before `changes`."""
        yield _FIRST
        for start in range(0, len(self.changes), _TOGETHER):
            together = self.changes[start : start + _TOGETHER]
            text = _canonical([planned.to_json() for planned in together])
            yield f"{_BETWEEN if start else ''}{text[1:-1]}"
        yield _LAST

    def _head(self) -> dict[str, Any]:
        return {
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "mirror": self.mirror,
            "rules": self.rules,
            "digests": dict(self.digests),
            # Left out where there are none, as plans that were stored before know no such key.
            **({"timed": list(self.aged)} if self.aged else {}),
        }


_TOGETHER = 500
"""Changes that are made into text at once: to begin takes as long as a change."""
_PIECE = 1 << 20
_FIRST, _BETWEEN, _LAST = '{"changes": [', ", ", "], "
_DECODE = json.JSONDecoder().raw_decode
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
