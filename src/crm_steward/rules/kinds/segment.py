"""`segment`: which of some named groups a contact belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from crm_steward.model import RecordRef
from crm_steward.rules.block import Block, refuse
from crm_steward.rules.conditions import AllOf, AnyOf, Comparison, Condition, compiled_condition
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds.base import Evidence, Query, Scope, SqlCheck, Wording
from crm_steward.rules.sql import Statement
from crm_steward.rules.steps import Step, asked
from crm_steward.rules.texts import LocalText, Text

_NAME = Annotated[str, Field(min_length=1, max_length=80)]


class Segment(Block):
    """One named segment."""

    name: _NAME
    """Its name, which tag writes into the CRM: keep it."""
    about: LocalText = Field(exclude=True)  # wording: no part of the rule's digest
    """What it is, for the report: a text, or {en: …, fr: …}."""
    when: Condition
    """Who belongs to it, unless an earlier segment has them."""


def _shipped() -> tuple[Segment, ...]:
    """Return the segments that are found when the author names none.

    They are built as they stand, unchecked, so that a connection need not hold all their fields:
    where purchases are not counted, how long they have been a customer decides.
    """
    plain = Comparison.model_construct
    act = partial(plain, field="last_person_act")
    lasting = AnyOf.model_construct(
        any=(
            plain(field="purchases", greater_than=1.0),
            plain(field="created_at", older_than=Duration(12, "month")),
        )
    )
    loyal = (
        plain(field="stage", equals="customer"),
        lasting,
        act(newer_than=Duration(90, "day")),
    )
    silent = (act(older_than=Duration(12, "month")), act(newer_than=Duration(33, "month")))
    return (
        Segment.model_construct(
            name="hot",
            about=Text(en="Active in the last 30 days", fr="Actifs depuis moins de 30 jours"),
            when=act(newer_than=Duration(30, "day")),
        ),
        Segment.model_construct(
            name="loyal",
            about=Text(en="Loyal customers", fr="Clients fidèles"),
            when=AllOf.model_construct(all=loyal),
        ),
        Segment.model_construct(
            name="inactive",
            about=Text(
                en="Silent for a year, to win back", fr="Silencieux depuis un an, à relancer"
            ),
            when=AllOf.model_construct(all=silent),
        ),
    )


_READ = ("last_person_act", "stage")
"""What the shipped segments cannot do without."""


class SegmentCheck(SqlCheck):
    """Says which segment a contact belongs to: the first, in order, whose condition holds.

    Every contact of a segment is a finding, so that the action tag can write the segment's name: on
    a large base that is a large number. `only` limits it to the segments you want to see or write.
    Without `segments`: hot (the person acted in the last 30 days), loyal (a customer with two
    purchases, or known for 12 months, who acted in the last 90 days), inactive (the last act is 12
    to 33 months ago). Whoever fits no segment is not found.

        check: {kind: segment, only: [inactive]}
    """

    about: ClassVar[tuple[str, str]] = (
        "Which segment a contact belongs to",
        "Le segment auquel appartient un contact",
    )
    names: ClassVar[str] = "segment"
    facts: ClassVar[Mapping[str, str]] = {
        "segment": "The segment's name.",
        "about": "What it is, in English and French.",
    }

    kind: Literal["segment"]
    """Which of some named groups a contact belongs to."""
    segments: Annotated[tuple[Segment, ...], Field(min_length=1, max_length=50)] = Field(
        default_factory=_shipped
    )
    """The segments, first match wins; without them hot, loyal and inactive."""
    only: Annotated[tuple[_NAME, ...], Field(max_length=50)] = ()
    """Report contacts of these segments only; without it, of all."""

    @field_validator("segments")
    @classmethod
    def _named_once(cls, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        names = [segment.name for segment in segments]
        refuse(
            ((str(place), "name"), PydanticCustomError("segment_twice", "twice", {"value": name}))
            for place, name in enumerate(names)
            if name in names[:place]
        )
        return segments

    @field_validator("only")
    @classmethod
    def _known(cls, only: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        names = tuple(segment.name for segment in info.data.get("segments", ()))
        refuse(
            (
                (str(place),),
                PydanticCustomError("one_of", "segment", {"value": name, "expected": names}),
            )
            for place, name in enumerate(only)
            if names and name not in names
        )
        return only

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields of the shipped segments; those that an author writes speak for themselves."""
        return () if "segments" in self.model_fields_set else _READ

    @property
    def _reported(self) -> tuple[Segment, ...]:
        return tuple(one for one in self.segments if not self.only or one.name in self.only)

    def query(self, scope: Scope) -> Query:
        """Return the statement: each contact's first segment, by its place in the list."""
        statement = Statement(scope.now)
        cases = " ".join(
            f"WHEN {compiled_condition(segment.when, statement)} THEN {place}"
            for place, segment in enumerate(self.segments)
        )
        names = statement.bind([segment.name for segment in self.segments])
        evidence = statement.bind([_evidence(segment) for segment in self.segments])
        reported = [self.segments.index(segment) for segment in self._reported]
        return Query(
            "SELECT [{'connection': connection, 'id': id}] AS refs, "
            f"{names}[place + 1] AS about, {evidence}[place + 1] AS evidence, "
            "NULL::DOUBLE AS score FROM (SELECT connection, id, "
            f"CASE {cases} END AS place FROM contacts WHERE {scope.clause(statement)}) "
            f"WHERE list_contains({statement.bind(reported)}, place)",
            statement.values,
        )

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record which segment it falls into, and why not into those before."""
        parts = tuple(self._until_first(scope, ref))
        name = parts[-1].words if parts[-1].holds else None
        wanted = [segment.name for segment in self._reported]
        words = f"in {' or '.join(wanted)}"
        return (Step(words, holds=name in wanted, seen=name, parts=parts),)

    def _until_first(self, scope: Scope, ref: RecordRef) -> Iterator[Step]:
        for segment in self.segments:
            part = asked(segment.when, ref, scope.con, scope.now)
            yield Step(segment.name, part.holds, parts=(part,))
            if part.holds:
                return

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say what the segment is."""
        about = evidence.get("about")
        known = about.get(words.language) if isinstance(about, Mapping) else None
        return words.either("{about}", "{about}", about=str(known or evidence.get("segment") or ""))


def _evidence(segment: Segment) -> str:
    about = {"en": segment.about.en, "fr": segment.about.fr}
    return json.dumps({"segment": segment.name, "about": about}, ensure_ascii=False)
