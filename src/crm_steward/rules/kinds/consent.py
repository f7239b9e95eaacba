"""`consent`: contacts that could be written to or called, and may not be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import ConsentStatus
from crm_steward.rules.clocks import ActField
from crm_steward.rules.conditions import Test
from crm_steward.rules.consents import (
    REFUSED,
    confirmed,
    grounded,
    label,
    lacking,
    listed,
    own,
    rank,
    refusals,
)
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.base import (
    Evidence,
    Query,
    Report,
    RowCheck,
    Scope,
    Wording,
    moment_of,
    names_in,
)
from crm_steward.rules.operators import moment
from crm_steward.rules.periods import PeriodName
from crm_steward.rules.sql import Statement, filled, iso, json_object

_REACHED_BY = {
    "email": ("email",),
    "sms": ("mobile",),
    "phone": ("phone", "mobile"),
    "post": ("street",),
}
_NOTHING_SAID = (ConsentStatus.NONE, ConsentStatus.UNKNOWN, ConsentStatus.IMPLIED_EXPIRED)
_FINAL = (ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED)
_ACROSS = frozenset({"contradicted", "ignored"})
"""What other records say counts too."""
_LAPSING = frozenset({"expiring", "expired"})
_TIMED = _LAPSING | {"unused"}
"""Nothing can be told without a length."""
_OF_STATUS = {
    **dict.fromkeys(("unprovable", "no_double_opt_in", "unused"), ConsentStatus.GRANTED),
    **dict.fromkeys(("expiring", "expired"), ConsentStatus.IMPLIED),
}
"""Problem → the status it can befall."""
_EMAIL_ONLY = frozenset({"no_double_opt_in", "unused", "bounced", "ignored"})
_ONLY_WITH = {
    "basis": _LAPSING,
    "clock": _LAPSING,
    "warn": frozenset({"expiring"}),
    "period": _TIMED,
    "after": _TIMED | _ACROSS,
}


class ConsentCheck(RowCheck):
    """Finds contacts whose consent is missing, cannot be shown, ends, was refused or contradicted.

    Only contacts that the channel can reach are looked at: no e-mail, nothing to consent to.

        check: {kind: consent, channel: email, problem: missing}
    """

    about: ClassVar[tuple[str, str]] = (
        "Contacts that could be written to or called, and may not be",
        "Contacts joignables que l'on n'a pas le droit de solliciter",
    )
    facts: ClassVar[Mapping[str, str]] = {
        "channel": "The way of reaching the contact.",
        "purpose": "The purpose asked about; null for the channel as a whole.",
        "problem": "What is wrong.",
        "status": "The status that binds on this record; null when nothing is known.",
        "missing_proof": "What the proof lacks, in any order; null where nobody asked.",
        "strictest": "The strictest status of the same address on any record.",
        "addresses": "Which of the record's addresses were refused, counted from 1.",
        "where": "The other records that say no, as connection:id.",
        "others": "How many other records say no.",
        "since": "The date it counts from: agreement, last use, or refusal.",
        "mailed_at": "The last mailing after the refusal.",
        "limit": "The length it was measured by.",
    }

    kind: Literal["consent"]
    """Contacts that could be written to or called, and may not be."""
    channel: Literal["email", "sms", "phone", "post"]
    """The way of reaching them."""
    problem: Literal[
        "missing",
        "unprovable",
        "no_double_opt_in",
        "unused",
        "expiring",
        "expired",
        "withdrawn",
        "complained",
        "bounced",
        "contradicted",
        "ignored",
    ]
    """missing: nothing says they agreed. unprovable: they agreed, but who, when, how, to which
    wording and from where cannot all be shown. no_double_opt_in: they agreed, without confirming it
    by a second message (e-mail only). unused: they agreed, and neither that nor the last mailing is
    recent (e-mail only). expiring, expired: their consent is implied by a purchase or an inquiry,
    and ends soon, or has ended. withdrawn: they said no. complained: they reported a message as
    spam. bounced: the address does not exist any more (e-mail only). contradicted: they said no on
    another record with one of their addresses, in any connection (not post). ignored: they said no
    here or there, and were mailed since (e-mail only)."""
    purpose: Annotated[str, Field(min_length=1, max_length=200)] | SkipJsonSchema[None] = None
    """Only consent to this purpose, as the connections name it, or to the channel as a whole.
    Without it, what binds the channel counts."""
    basis: Literal["purchase", "inquiry"] | SkipJsonSchema[None] = None
    """expiring, expired: only consent implied by a purchase or contract, or by an inquiry."""
    clock: ActField | SkipJsonSchema[None] = None
    """expiring, expired: the date of the purchase or inquiry; without it, the consent's own date."""
    warn: Duration = Duration(60, "day")
    """expiring: how long before the end."""
    period: PeriodName | SkipJsonSchema[None] = None
    """The id of a period of the register, whose length counts."""
    after: Duration | SkipJsonSchema[None] = Field(None, validate_default=True)
    """The length, where no period of the register gives it, for example 24 months. contradicted,
    ignored: only when the refusal is at least this old."""

    @field_validator("problem")
    @classmethod
    def _known_for_channel(cls, problem: str, info: ValidationInfo) -> str:
        channel = info.data.get("channel", "email")
        if problem in _EMAIL_ONLY and channel != "email":
            raise PydanticCustomError("email_only", "e-mail only", {"problem": problem})
        if problem in _ACROSS and channel == "post":
            raise PydanticCustomError("not_for_post", "not post", {"problem": problem})
        return problem

    @field_validator("basis", "clock", "warn", "period")
    @classmethod
    def _goes_with(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = _ONLY_WITH[str(info.field_name)]
        problem = info.data.get("problem")
        if value is not None and problem not in {None, *allowed}:
            raise _unfit(str(info.field_name))
        return value

    @field_validator("after")
    @classmethod
    def _one_length(cls, after: Duration | None, info: ValidationInfo) -> Duration | None:
        problem, period = info.data.get("problem"), info.data.get("period")
        if problem is None or "period" not in info.data:
            return after
        if after and problem not in _ONLY_WITH["after"]:
            raise _unfit("after")
        if problem in _TIMED and (after is None) is (period is None):
            raise PydanticCustomError("length_once", "once", {"problem": problem})
        return after

    @property
    def alone(self) -> bool:
        """What other records say counts for some problems."""
        return self.problem not in _ACROSS

    @property
    def limit(self) -> Duration:
        """The length that problems with one are measured by."""
        # What needs a length has one of the two: `_one_length` sees to it.
        return self.period.found.length if self.period else cast("Duration", self.after)

    @property
    def reads(self) -> tuple[str, ...]:
        """What alone makes the channel reach anybody, its status, the last mailing where it counts."""
        reached = _REACHED_BY[self.channel]
        mailed = ("last_mailed_at",) if self.problem in {"unused", "ignored"} else ()
        return (*(reached if len(reached) == 1 else ()), f"consent_{self.channel}", *mailed)

    # What is asked.

    def _status(self, statement: Statement) -> str:
        """Return SQL for the status that binds on the record itself."""
        if self.purpose is None:
            return f"consent_{self.channel}"
        ranks = f"list_transform({self._own(statement)}, lambda said: {rank('said.status')})"
        return f"{label(f'list_max({ranks})')}"

    def _own(self, statement: Statement, *statuses: ConsentStatus) -> str:
        """Return SQL for what the record says, a list; only of `statuses` where some are given."""
        said = own(self.channel, self.purpose, statement)
        if not statuses:
            return said
        return f"list_filter({said}, lambda said: said.status IN ({listed(statuses)}))"

    def _is(self, statement: Statement, *statuses: ConsentStatus) -> str:
        return f"coalesce({self._status(statement)} IN ({listed(statuses)}), false)"

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return that the channel reaches the contact, the status it takes, and the problem."""
        fields = " or ".join(_REACHED_BY[self.channel])
        tests = [Test(f"{fields} set", self._reachable(statement), self._reached)]
        if (status := _OF_STATUS.get(self.problem)) is not None:
            words = f"{self.channel} consent {status.label}"
            tests.append(Test(words, self._is(statement, status), self._status))
        words = f"{self.channel} consent {self.problem}"
        return (*tests, Test(words, self._problem_sql(statement), self._status))

    def _reachable(self, statement: Statement) -> str:
        fields = _REACHED_BY[self.channel]
        return f"({' OR '.join(filled(name, statement) for name in fields)})"

    def _reached(self, _statement: Statement) -> str:
        return f"concat_ws(' · ', {', '.join(_REACHED_BY[self.channel])})"

    def _problem_sql(self, statement: Statement) -> str:
        """Return SQL for the problem: true or false; cheap parts stand for themselves, and first."""
        match self.problem:
            case "contradicted" | "ignored":
                return self._in_refusals(statement)
            case "unprovable":
                return f"coalesce(len({self._lacking(statement)}) > 0, false)"
            case "no_double_opt_in":
                return f"(NOT {self._confirmed(statement)})"
            case "expiring" | "expired" | "unused":
                return f"coalesce({self._too_old(statement)}, false)"
            case _:
                return self._told(statement)

    def _told(self, statement: Statement) -> str:
        """Return SQL for the problems that a status tells."""
        match self.problem:
            case "complained":
                final = self._is(statement, *_FINAL)
                return f"(NOT {final} AND {self._says(statement, ConsentStatus.COMPLAINT)})"
            case "bounced":
                says = self._says(statement, ConsentStatus.HARD_BOUNCE)
                return f"(coalesce(email_status = 'bounced', false) OR {says})"
            case "withdrawn":
                return self._is(statement, *REFUSED)
            case _:
                nothing = self._is(statement, *_NOTHING_SAID)
                return f"({self._status(statement)} IS NULL OR {nothing})"

    def _says(self, statement: Statement, status: ConsentStatus) -> str:
        """Return SQL for whether the record says so anywhere; most lists need not be read for it."""
        said = self._own(statement, status)
        return (
            f"CASE WHEN contains(consents, '\"{status.label}\"') "
            f"THEN coalesce(len({said}) > 0, false) ELSE false END"
        )

    @property
    def _kept(self) -> bool:
        """Whether the mirror keeps the parts of the consent that binds in columns."""
        return self.purpose is None and self.channel in {"email", "phone"}

    def _confirmed(self, statement: Statement) -> str:
        if self._kept:
            return confirmed(f"consent_{self.channel}_how")
        said = self._own(statement, ConsentStatus.GRANTED)
        return f"(len(list_filter({said}, lambda said: {confirmed('said.how')})) > 0)"

    def _too_old(self, statement: Statement) -> str:
        since, ago = self._since(statement), self._ago(statement)
        if self.problem != "expiring":
            return f"{since} < {ago}"
        soon = statement.bind_time(self.limit.before(self.warn.after(statement.now)))
        return f"({since} >= {ago} AND {since} < {soon})"

    def _in_refusals(self, statement: Statement) -> str:
        found = refusals(self.channel, self.purpose, statement)
        joined = f"contacts AS asked JOIN ({found}) USING (connection, id)"
        return (
            f"(connection, id) IN (SELECT (connection, id) FROM {joined} "
            f"WHERE {self._across(statement)})"
        )

    def _across(self, statement: Statement) -> str:
        """Return SQL, of a contact joined with `refusals`, for whether they matter."""
        if self.problem == "ignored":
            last = f"no_at + {self.after.sql}" if self.after else "no_at"
            return f"coalesce(last_mailed_at > {last}, false)"
        old = f"no_at <= {self._ago(statement)}" if self.after else "true"
        return f"(no_others > 0 AND {old} AND NOT {self._is(statement, *REFUSED)})"

    def _ago(self, statement: Statement) -> str:
        return statement.bind_time(self.limit.before(statement.now))

    def _since(self, statement: Statement) -> str:
        """Return SQL for the date that a length is counted from; NULL when it is unknown."""
        if self.problem == "unused":
            return f"greatest(last_mailed_at, {self._given(statement)})"
        said = self._own(statement, ConsentStatus.IMPLIED)
        if self.basis is not None:
            said = grounded(said, self.basis)
        if self.clock is not None:
            return f"CASE WHEN len({said}) > 0 THEN {moment(self.clock, statement)} END"
        return f"list_max(list_transform({said}, lambda said: said.given_at))"

    def _given(self, statement: Statement) -> str:
        if self._kept:
            return f"consent_{self.channel}_given_at"
        said = self._own(statement, ConsentStatus.GRANTED)
        return f"list_max(list_transform({said}, lambda said: said.given_at))"

    def _lacking(self, statement: Statement) -> str:
        """Return SQL for the parts of the proof that are empty: a list."""
        if self._kept:
            parts = f"string_split(consent_{self.channel}_missing_proof, ',')"
            return f"list_filter({parts}, lambda part: part <> '')"
        return lacking(self._own(statement, ConsentStatus.GRANTED))

    # What is said of it.

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report the problem, the status that binds, and what it was measured by."""
        return (Report(self._evidence(statement)),)

    def _evidence(self, statement: Statement) -> dict[str, str]:
        evidence = dict.fromkeys(self.facts, "NULL")
        evidence["channel"] = statement.bind(self.channel)
        evidence["problem"] = statement.bind(self.problem)
        evidence["status"] = self._status(statement)
        if self.purpose is not None:
            evidence["purpose"] = statement.bind(self.purpose)
        if self.problem == "unprovable":
            evidence["missing_proof"] = self._lacking(statement)
        if self.problem in _TIMED:
            evidence["since"] = iso(self._since(statement))
            evidence["limit"] = statement.bind(str(self.limit))
        if self.problem in _ACROSS:
            evidence |= {"strictest": label("no_rank"), "since": iso("no_at")}
            evidence |= {"where": "no_records", "others": "no_others", "addresses": "no_places"}
        if self.problem == "ignored":
            evidence["mailed_at"] = iso("last_mailed_at")
        return evidence

    def query(self, scope: Scope) -> Query:
        """Return the statement; what other records say is put together once, then joined."""
        if self.problem not in _ACROSS:
            return super().query(scope)
        statement = Statement(scope.now)
        reached = self._reachable(statement)
        chosen = f"{scope.clause(statement)} AND {reached} AND {self._across(statement)}"
        found = refusals(self.channel, self.purpose, statement)
        sql = (
            "SELECT [{'connection': connection, 'id': id}] AS refs, '' AS about, "
            f"{json_object(self._evidence(statement), statement)} AS evidence, "
            f"NULL::DOUBLE AS score FROM contacts JOIN ({found}) USING (connection, id) "
            f"WHERE {chosen}"
        )
        return Query(sql, statement.values)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say what is known of the channel, and what is wrong with it."""
        channel = words.known("channel", evidence.get("channel"), "email")
        status = words.known("consent", evidence.get("status"), "unknown")
        missing = names_in(evidence.get("missing_proof"))
        problem = str(evidence.get("problem"))
        if problem == "contradicted":
            return words("says.consent.contradicted", channel=channel, status=status)
        if problem in _SAID:
            since = moment_of(evidence.get("since"))
            day = words.day(since) if since else words.either("an unknown day", "une date inconnue")
            said = words.either(*_SAID[problem], day=day)
            return words.either(
                "{channel}: {said}", "{channel} : {said}", channel=channel, said=said
            )
        if not missing:
            return words("says.consent", channel=channel, status=status)
        parts = words.listed([words.known("proof", name, "how") for name in missing])
        return words("says.consent.proof", channel=channel, status=status, missing=parts)


_SAID = {
    "no_double_opt_in": ("given, but never confirmed", "donné, mais jamais confirmé"),
    "unused": ("consent not used since {day}", "consentement inutilisé depuis le {day}"),
    "expiring": ("implied consent of {day} ends soon", "accord implicite du {day}, bientôt échu"),
    "expired": ("implied consent of {day} has ended", "accord implicite du {day}, échu"),
    "complained": ("complained about a message", "plainte à propos d'un message"),
    "bounced": ("the address does not exist any more", "l'adresse n'existe plus"),
    "ignored": ("refused on {day}, and mailed since", "refus du {day}, des envois depuis"),
}
"""Problem → what is said of it in English and French."""


def _unfit(key: str) -> PydanticCustomError:
    allowed = ", ".join(sorted(_ONLY_WITH[key]))
    return PydanticCustomError("key_goes_with", "elsewhere", {"key": key, "problems": allowed})
