"""What stands in a register file: its blocks and keys (GDPR, article 30)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.rules.block import Block
from crm_steward.rules.clocks import Clock
from crm_steward.rules.durations import Duration
from crm_steward.rules.operators import FieldName
from crm_steward.rules.texts import LocalText

_ID = r"^[a-z0-9][a-z0-9._-]{0,79}$"

Basis = Literal["6(1)(a)", "6(1)(b)", "6(1)(c)", "6(1)(d)", "6(1)(e)", "6(1)(f)"]
Then = Literal["archive", "delete", "restrict", "ask", "inform", "answer"]
Bound = Literal["at_most", "at_least"]


def _id(text: str) -> str:
    if not re.fullmatch(_ID, text, re.ASCII):
        raise PydanticCustomError("register_id", "bad id", {"value": text})
    return text


Id = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": _ID})]
Texts = Annotated[tuple[LocalText, ...], Field(min_length=1)]
Line = Annotated[str, Field(min_length=1, max_length=500)]


class Controller(Block):
    """Who is responsible: the company, not crm-steward, which only runs on its behalf."""

    name: LocalText
    """Name and address of the company that decides on purposes and means."""
    contact: LocalText
    """How to reach it."""
    joint: LocalText | SkipJsonSchema[None] = None
    """A joint controller, if there is one."""
    representative: LocalText | SkipJsonSchema[None] = None
    """The representative in the EU of a company outside of it."""
    dpo: LocalText | SkipJsonSchema[None] = None
    """The data protection officer and how to reach them."""


class Transfer(Block):
    """Data that leaves for a country outside the EEA, or for an international organisation."""

    to: LocalText
    """The country or organisation, and who receives it there."""
    safeguards: LocalText
    """What protects it there."""


class Shared(Block):
    """What holds for every activity, so that it need not be repeated."""

    recipients: tuple[LocalText, ...] = ()
    """Who receives the data, processors included."""
    transfers: tuple[Transfer, ...] = ()
    """Transfers out of the EEA; without any, there are none."""
    measures: Texts
    """Technical and organisational measures of security (article 32)."""


class DataCategory(Block):
    """A category of data and the fields of contacts that belong to it."""

    name: LocalText
    """What the category is called."""
    fields: tuple[FieldName, ...] = ()
    """The fields it covers: canonical names and extra.<name>. A filled field that no activity
    names is shown by `crm-steward register fields`."""


class LegalBasis(Block):
    """What makes an activity lawful."""

    article: Basis
    """The letter of GDPR article 6(1)."""
    about: LocalText | SkipJsonSchema[None] = None
    """Why it applies; for a legitimate interest, which one."""


class Retention(Block):
    """One period."""

    id: Id
    """Its name, unique in the file. Rules refer to it: keep it."""
    about: LocalText | SkipJsonSchema[None] = None
    """What is kept, or what has to be done in time."""
    period: Duration
    """How long, for example 36 months."""
    clock: Clock
    """What it is counted from: last_person_act, collected_at, contract_end, last_login,
    last_purchase, last_inquiry, consent_used, objected_at, requested_at, or extra.<name>. Never an
    opened e-mail, never an edit, never what we did ourselves."""
    bound: Bound = "at_most"
    """at_most: at its end `then` is due. at_least: `then` must not happen before."""
    then: Then
    """What is due: archive, delete, restrict (no more marketing), ask (the person), inform (the
    person), answer (the person's request)."""
    source: Line
    """The law or guideline it rests on, or who decided it."""


class Activity(Block):
    """One processing activity: one purpose."""

    id: Id
    """Its name, unique in the file."""
    purpose: LocalText
    """What the data is processed for; one text or {en: …, fr: …}."""
    people: Texts
    """Categories of people whose data it is."""
    data: Annotated[tuple[DataCategory, ...], Field(min_length=1)]
    """Categories of data."""
    basis: Annotated[tuple[LegalBasis, ...], Field(min_length=1)]
    """Legal basis."""
    retention: Annotated[tuple[Retention, ...], Field(min_length=1)]
    """Periods."""
    recipients: tuple[LocalText, ...] = ()
    """Further recipients, besides those of all activities."""
    transfers: tuple[Transfer, ...] = ()
    """Further transfers."""
    measures: tuple[LocalText, ...] = ()
    """Further measures of security."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields it covers."""
        return frozenset(name for category in self.data for name in category.fields)


class RegisterFile(Block):
    """The register of processing activities for crm-steward."""

    version: Literal[1]
    """The version of the format: 1."""
    controller: Controller
    """Who is responsible."""
    shared: Shared
    """What holds for every activity."""
    activities: Annotated[tuple[Activity, ...], Field(min_length=1)]
    """The processing activities."""
