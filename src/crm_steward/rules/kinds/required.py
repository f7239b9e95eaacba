"""`required`: fields that must hold something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crm_steward.rules.conditions import Test
from crm_steward.rules.kinds.base import Evidence, Report, RowCheck, Wording, names_in
from crm_steward.rules.operators import FieldName
from crm_steward.rules.sql import Statement, filled


class Required(RowCheck):
    """Finds contacts that lack what is needed to work with them.

    Example: nobody can be reached without an e-mail or a phone.

        check: {kind: required, fields: [email, phone, mobile], need: any}
    """

    about: ClassVar[tuple[str, str]] = (
        "Fields that must hold something",
        "Champs qui doivent être remplis",
    )
    facts: ClassVar[Mapping[str, str]] = {"missing": "The empty fields, in any order."}

    kind: Literal["required"]
    """Fields that must hold something."""
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=50)]
    """The fields that matter."""
    need: Literal["all", "any"] = "all"
    """all: each must be filled. any: one of them is enough."""

    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return the one test: something is lacking."""
        words = f"{self.need} of {', '.join(self.fields)} filled"
        joined = (" OR " if self.need == "any" else " AND ").join(
            filled(name, statement) for name in self.fields
        )
        return (Test(f"not {words}", f"(NOT ({joined}))", self._missing),)

    def _missing(self, statement: Statement) -> str:
        cases = ", ".join(
            f"CASE WHEN {filled(name, statement)} THEN NULL ELSE {statement.bind(name)} END"
            for name in self.fields
        )
        return f"list_filter([{cases}], lambda name: name IS NOT NULL)"

    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Report the empty fields."""
        return (Report({"missing": self._missing(statement)}),)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Name the empty fields."""
        missing = [words.field(name) for name in names_in(evidence.get("missing"))]
        return words("says.required", fields=words.listed(missing)) if missing else ""
