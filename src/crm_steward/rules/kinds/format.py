"""`format`: values that do not read as they should, with what they should read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from crm_steward.rules.conditions import Test
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Wording
from crm_steward.rules.operators import Mention
from crm_steward.rules.sql import Statement, held

_SHOWN = 200
"""Characters of a value shown where nothing is proposed for it."""

_Named = Literal[
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "company",
    "street",
    "postcode",
    "city",
    "country",
    "language",
    "website",
]
_Field = Annotated[_Named, AfterValidator(Mention)]
_PROPOSED = {
    "first_name": "first_name_cased",
    "last_name": "last_name_cased",
    "email": "email_clean",
    # With a problem, E.164 would lose an extension or a second number.
    "phone": "CASE WHEN phone_problem IS NULL AND phone_key <> phone THEN phone_key END",
    "mobile": "CASE WHEN mobile_problem IS NULL AND mobile_key <> mobile THEN mobile_key END",
    "company": "company_clean",
    "street": "street_clean",
    "postcode": "postcode_clean",
    "city": "city_clean",
    "website": "website_clean",
}
_CODES = {
    "country": "country_clean",
    # A locale such as fr-CA says more than its language.
    "language": "CASE WHEN language_code <> language AND NOT regexp_matches(language, '^..[-_]') "
    "THEN language_code END",
}
"""Proposed only where the connections hold codes: elsewhere a list of names would not take them."""
_PROBLEM = {
    "email": "email_problem",
    "phone": "phone_problem",
    "mobile": "mobile_problem",
    "postcode": "postcode_problem",
    "website": "website_problem",
    "country": "CASE WHEN country_code IS NULL AND trim(country) <> '' THEN 'unknown country' END",
    "language": (
        "CASE WHEN language_code IS NULL AND trim(language) <> '' THEN 'unknown language' END"
    ),
}
_TYPO = "CASE WHEN email_typo IS NOT NULL THEN 'probable typo' END"
_USABLE = {"email": "email_key", "phone": "phone_key", "mobile": "mobile_key"}

_UNFORMATTED = {
    "first_name": "case",
    "last_name": "case",
    "email": "stray",
    "phone": "national",
    "mobile": "national",
    "company": "spaces",
    "street": "spaces",
    "city": "spaces",
    "postcode": "spacing",
    "country": "no code",
    "language": "no code",
    "website": "stray",
}
"""What is wrong with a value that is sound and only written unlike the others."""


class Format(RowCheck):
    """Finds values that are not written as they should be, and proposes what is sure.

    Names: the case of names written all in capitals or all in small letters; accents, particles
    and mixed case are never touched. E-mail: what surrounds the address, and its domain's case.
    Phone: E.164 (+33123456789), read with the contact's country. Postcode: spaces, hyphens and
    capitals as its country writes them; no digit is ever added. Website: scheme and host. Company,
    street, city: surplus spaces. Country, language: the ISO code, where `codes` asks for it.

        check: {kind: format, fields: [phone, mobile], only: fixable}
    """

    about: ClassVar[tuple[str, str]] = (
        "Values that do not read as they should",
        "Valeurs mal écrites",
    )
    proposes: ClassVar[bool] = True
    facts: ClassVar[Mapping[str, str]] = {
        "field": "Which field.",
        "now": "What it holds.",
        "proposed": "What it should read; null when nothing is proposed.",
        "problem": "What is wrong with it; null when it is sound and only written unlike others.",
        "meant": "The e-mail domain that was probably meant (only: typos), or null.",
    }

    kind: Literal["format"]
    """Values that do not read as they should."""
    fields: Annotated[tuple[_Field, ...], Field(min_length=1)]
    """The fields to look at; each gives a finding of its own."""
    only: Literal["fixable", "broken", "all", "typos"] = "all"
    """fixable: what has one sure correction. broken: what only a person can put right. all: both,
    and numbers with an extension or a second number behind them. typos: e-mail addresses whose
    domain is one slip away from a known one; never corrected, as that decides who is written to."""
    codes: tuple[Literal["country", "language"], ...] = ()
    """The fields among country and language in which the connections hold ISO codes (FR, fr), so
    that a name is replaced by its code. Of the others only what nobody can recognise is found."""

    @field_validator("only")
    @classmethod
    def _typos_of_email(cls, only: str, info: ValidationInfo) -> str:
        if only == "typos" and set(info.data.get("fields", ("email",))) != {"email"}:
            raise PydanticCustomError("typos_email", "e-mail only")
        return only

    def _proposed(self, name: str) -> str:
        if self.only == "typos":
            return "NULL::VARCHAR"
        if name in _CODES:
            return _CODES[name] if name in self.codes else "NULL::VARCHAR"
        return _PROPOSED[name]

    def _problem(self, name: str) -> str:
        return _TYPO if self.only == "typos" else _PROBLEM.get(name, "NULL")

    def tests(self, statement: Statement) -> tuple[Test, ...]:  # noqa: ARG002 -- it binds nothing
        """Return the one test: some field does not read as it should."""
        some = " OR ".join(self._off(name) for name in self.fields)
        words = f"{self.only if self.only != 'all' else 'fixable or broken'}: "
        return (Test(words + ", ".join(self.fields), f"({some})", self._seen),)

    def _off(self, name: str) -> str:
        fixable = f"({self._proposed(name)}) IS NOT NULL"
        problem = f"({self._problem(name)}) IS NOT NULL"
        match self.only:
            case "fixable":
                return f"({fixable})"
            case "broken":
                return f"({problem} AND {_USABLE.get(name, 'NULL')} IS NULL)"
            case "typos":
                return f"({problem})"
            case "all":
                return f"({fixable} OR {problem})"

    def _seen(self, statement: Statement) -> str:
        return f"concat_ws(' · ', {', '.join(held(name, statement) for name in self.fields)})"

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report each field that is off: what it holds, should read, and what is wrong with it."""
        return tuple(self._report(name, statement) for name in self.fields)

    def _report(self, name: str, statement: Statement) -> Report:
        now, proposed = held(name, statement), self._proposed(name)
        evidence = {
            "field": statement.bind(name),
            "now": f"CASE WHEN ({proposed}) IS NULL THEN left({now}, {_SHOWN}) ELSE {now} END",
            "proposed": proposed,
            "problem": self._problem(name),
            "meant": "email_typo" if self.only == "typos" else "NULL",
        }
        return Report(evidence, self._off(name), about=name)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say which field is off and how, and whether a correction is ready."""
        name = str(evidence.get("field") or "")
        problem = evidence.get("problem") or _UNFORMATTED.get(name, "other")
        said = words(
            "says.format", field=words.field(name), problem=words.known("problem", problem)
        )
        return f"{said}, {words('says.fixable')}" if evidence.get("proposed") else said
