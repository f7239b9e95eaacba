"""`consent`: contacts that could be written to or called, and may not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from crm_steward.model import ConsentStatus
from crm_steward.rules.conditions import Test
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Wording, names_in
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

    facts: ClassVar[Mapping[str, str]] = {
        "channel": "The way of reaching the contact.",
        "problem": "What is wrong.",
        "status": "The status that binds; null when nothing is known.",
        "missing_proof": "What the proof lacks, in any order.",
    }

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
    def alone(self) -> bool:
        """A contradiction lies between two contacts."""
        return self.problem != "contradicted"

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

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report the problem, the status that binds and what the proof lacks."""
        proof = "coalesce(consent_email_missing_proof, '')" if self._proves else "''"
        evidence = {
            "channel": statement.bind(self.channel),
            "problem": statement.bind(self.problem),
            "status": self._status,
            "missing_proof": f"list_filter(string_split({proof}, ','), lambda part: part <> '')",
        }
        return (Report(evidence),)

    @property
    def _proves(self) -> bool:
        return self.problem == "unprovable"

    @property
    def reads(self) -> tuple[str, ...]:
        """The status of the channel."""
        return (self._status,)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say what is known of the channel, and what its proof lacks."""
        channel = words.known("channel", evidence.get("channel"), "email")
        status = words.known("consent", evidence.get("status"), "unknown")
        lacking = names_in(evidence.get("missing_proof"))
        if evidence.get("problem") == "contradicted":
            return words("says.consent.contradicted", channel=channel, status=status)
        if not lacking:
            return words("says.consent", channel=channel, status=status)
        listed = words.listed([words.known("proof", name, "how") for name in lacking])
        return words("says.consent.proof", channel=channel, status=status, missing=listed)
