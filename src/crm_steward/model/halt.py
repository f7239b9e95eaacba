"""A halt: writing is stopped, everywhere, to one connection or of one rule, until it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class Cause(StrEnum):
    """What stopped writing."""

    PERSON = "person"
    """A person did: `crm-steward pause`."""
    FILE = "file"
    """The stop file exists."""
    ROW = "in a row"
    """Too many changes in a row failed."""
    SHARE = "share"
    """Too large a share of the changes failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why something is not written at present, or was not.

    Args:
        connection: The connection nothing is written to; empty for all.
        rule: The rule of which nothing is written; empty for all.
        cause: What stopped it.
        reason: A person's own words (shown, never logged), the file, or the figures: `5`, `12/100`.
        by: Who stopped it.
        at: When.
        retry_at: From when one change is tried again; None where only a person resumes.
        trial: The key of the change that is tried now; empty where none is.
        ended_at: When it was resumed; None while it stands.
        ended_by: Who resumed it.
        ended_reason: Why, in their words.
        seq: Its number; given when it is stored.
    """

    connection: str = ""
    rule: str = ""
    cause: Cause = Cause.PERSON
    reason: str
    by: str
    at: datetime
    retry_at: datetime | None = None
    trial: str = ""
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_reason: str = ""
    seq: int = 0

    @property
    def automatic(self) -> bool:
        """Whether failed changes stopped it, so that it may end by itself."""
        return self.cause in (Cause.ROW, Cause.SHARE)

    def stops(self, connection: str, rule: str, key: str = "") -> bool:
        """Return whether a change must not be written.

        Args:
            connection: Where it would be written.
            rule: The rule that asks for it.
            key: Its key; the one under trial goes.
        """
        here = self.connection in ("", connection) and self.rule in ("", rule)
        return here and not (self.trial and key == self.trial)

    def due(self, now: datetime) -> bool:
        """Return whether one change may be tried at `now`."""
        return self.retry_at is not None and self.retry_at <= now

    def scope(self, language: str) -> str:
        """Say what is not written, in `language` ("en" or "fr")."""
        names = {"connection": self.connection, "rule": self.rule}
        kind = "+".join(name for name, value in names.items() if value) or "all"
        return _words(language)[kind].format(**names)

    def why(self, language: str) -> str:
        """Say why, since when and by whom."""
        figure, _, whole = self.reason.partition("/")
        return _words(language)[self.cause].format(
            at=_moment(self.at),
            by=self.by,
            reason=self.reason,
            figure=figure,
            whole=whole,
            retry=_moment(self.retry_at),
        )

    def sentence(self, language: str) -> str:
        """Say what is not written, and why."""
        colon = " : " if language == "fr" else ": "
        return f"{self.scope(language)}{colon}{self.why(language)}"

    def to_json(self) -> dict[str, str | None]:
        """Return what stops writing as JSON-ready values."""
        return {
            "connection": self.connection or None,
            "rule": self.rule or None,
            "cause": self.cause.value,
            "reason": self.reason,
            "by": self.by,
            "at": self.at.isoformat(),
            "retry_at": self.retry_at.isoformat() if self.retry_at else None,
        }

    def remedy(self, language: str) -> str:
        """Say how writing is resumed, in `language` ("en" or "fr")."""
        named = (("--connection", self.connection), ("--rule", self.rule))
        options = "".join(f" {option} {value}" for option, value in named if value)
        kind = "resume.refused" if self.automatic else "resume"
        return _words(language)["resume.file" if self.cause is Cause.FILE else kind].format(
            resume=f'crm-steward resume{options} --reason "…"',
            look=f"crm-steward journal --connection {self.connection}",
        )


def stopping(
    halts: tuple[Halt, ...], connection: str, rule: str, key: str = "", now: datetime | None = None
) -> Halt | None:
    """Return the first of `halts` that stops a change; one that is due for a trial stops no plan.

    Args:
        halts: Those that stand.
        connection: Where the change would be written.
        rule: The rule that asks for it.
        key: Its key.
        now: The time, where it is asked what may be begun; None where it is about to be written.
    """
    for halt in halts:
        if halt.stops(connection, rule, key) and not (now is not None and halt.due(now)):
            return halt
    return None


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else ""


def _words(language: str) -> Mapping[str, str]:
    return _FR if language == "fr" else _EN


_EN: Mapping[str, str] = MappingProxyType(
    {
        "all": "Nothing is written",
        "connection": "Nothing is written to {connection}",
        "rule": "Nothing of rule {rule} is written",
        "connection+rule": "Nothing of rule {rule} is written to {connection}",
        Cause.PERSON: "paused by {by} since {at} ({reason})",
        Cause.FILE: "the stop file {reason} exists",
        Cause.ROW: "since {at}, because {figure} changes in a row were refused or met an edited "
        "record; one is tried again from {retry}",
        Cause.SHARE: "since {at}, because {figure} of {whole} changes were refused or met an "
        "edited record; one is tried again from {retry}",
        "resume": "To resume: {resume}",
        "resume.file": "Remove the file to resume",
        "resume.refused": "See what was refused ({look}), put it right, then: {resume}",
    }
)
_FR: Mapping[str, str] = MappingProxyType(
    {
        "all": "Rien n'est écrit",
        "connection": "Rien n'est écrit dans {connection}",
        "rule": "Rien n'est écrit pour la règle {rule}",
        "connection+rule": "Rien n'est écrit pour la règle {rule} dans {connection}",
        Cause.PERSON: "en pause depuis le {at}, par {by} ({reason})",
        Cause.FILE: "le fichier d'arrêt {reason} existe",
        Cause.ROW: "depuis le {at}, car {figure} modifications de suite ont été refusées ou visaient "
        "une fiche modifiée entre-temps ; une seule sera essayée à partir du {retry}",
        Cause.SHARE: "depuis le {at}, car {figure} modifications sur {whole} ont été refusées ou "
        "visaient une fiche modifiée entre-temps ; une seule sera essayée à partir du {retry}",
        "resume": "Pour reprendre : {resume}",
        "resume.file": "Supprimez ce fichier pour reprendre",
        "resume.refused": "Voyez ce qui a été refusé ({look}), corrigez, puis : {resume}",
    }
)
