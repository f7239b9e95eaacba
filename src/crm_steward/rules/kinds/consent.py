"""`consent`: contacts that could be written to or called, and may not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from crm_steward.model import ConsentStatus, RecordRef
from crm_steward.rules.conditions import Test
from crm_steward.rules.kinds.base import Hit, RowCheck
from crm_steward.rules.sql import Statement, filled

_REACHED_BY = {
    "email": ("email",),
    "sms": ("mobile",),
    "phone": ("phone", "mobile"),
    "post": ("street",),
}
_NOTHING_SAID = (ConsentStatus.NONE, ConsentStatus.UNKNOWN, ConsentStatus.IMPLIED_EXPIRED)
_REFUSED = (ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED, ConsentStatus.COMPLAINT)


def _labels(statuses: tuple[ConsentStatus, ...]) -> str:
    return ", ".join(f"'{status.label}'" for status in statuses)


class ConsentCheck(RowCheck):
    """Finds contacts whose consent is missing, cannot be shown, was withdrawn or is contradicted.

    Only contacts that the channel can reach are looked at: no e-mail, nothing to consent to.

        check: {kind: consent, channel: email, problem: missing}
    """

    kind: Literal["consent"]
    """Contacts that could be written to or called, and may not be."""
    channel: Literal["email", "sms", "phone", "post"]
    """The way of reaching them."""
    problem: Literal["missing", "unprovable", "withdrawn", "contradicted"]
    """missing: nothing says they agreed. unprovable: they agreed, but who, when, how, to which
    wording and from where cannot all be shown (e-mail only). withdrawn: they said no.
    contradicted: they said no on another record with the same e-mail (e-mail only)."""

    @field_validator("problem")
    @classmethod
    def _known_for_channel(cls, problem: str, info: ValidationInfo) -> str:
        by_email_only = problem in {"unprovable", "contradicted"}
        if by_email_only and info.data.get("channel", "email") != "email":
            raise PydanticCustomError("email_only", "e-mail only", {"problem": problem})
        return problem

    @property
    def _status(self) -> str:
        return f"consent_{self.channel}"

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return that the channel reaches the contact, and the problem."""
        fields = _REACHED_BY[self.channel]
        reachable = " OR ".join(filled(name, statement) for name in fields)
        words = f"{self.channel} consent {self.problem}"
        return (
            Test(f"{' or '.join(fields)} set", f"({reachable})", self._reached),
            Test(words, f"coalesce({self._problem_sql()}, false)", lambda _: self._status),
        )

    def _reached(self, _statement: Statement) -> str:
        return f"concat_ws(' · ', {', '.join(_REACHED_BY[self.channel])})"

    def _problem_sql(self) -> str:
        status = self._status
        match self.problem:
            case "missing":
                return f"({status} IS NULL OR {status} IN ({_labels(_NOTHING_SAID)}))"
            case "unprovable":
                granted = ConsentStatus.GRANTED.label
                return f"({status} = '{granted}' AND consent_email_missing_proof <> '')"
            case "withdrawn":
                return f"({status} IN ({_labels(_REFUSED)}))"
            case "contradicted":
                return (
                    f"(({status} IS NULL OR {status} NOT IN ({_labels(_REFUSED)})) AND email_key IN "
                    f"(SELECT email_key FROM contacts WHERE {status} IN ({_labels(_REFUSED)})))"
                )

    def columns(self, statement: Statement) -> Mapping[str, str]:  # noqa: ARG002 -- it binds nothing
        """Return what is known."""
        proof = "consent_email_missing_proof" if self.problem == "unprovable" else "NULL"
        return {"status": self._status, "missing_proof": proof}

    def hits(self, ref: RecordRef, row: Mapping[str, Any]) -> Iterator[Hit]:
        """Report the problem, the status that binds and what the proof lacks."""
        missing = [part for part in (row["missing_proof"] or "").split(",") if part]
        evidence = {
            "channel": self.channel,
            "problem": self.problem,
            "status": row["status"],
            "missing_proof": missing,
        }
        yield Hit((ref,), evidence)
