"""`freetext`: notes and other free text that hold what they should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from crm_steward.model import RecordRef
from crm_steward.rules.block import refuse
from crm_steward.rules.identifiers import IDENTIFIERS, Identifier, holds, shape
from crm_steward.rules.kinds.base import (
    Evidence,
    Query,
    Scope,
    SqlCheck,
    Wording,
    names_in,
)
from crm_steward.rules.lexicons import (
    CATEGORIES,
    LANGUAGES,
    Category,
    Language,
    folded,
    folded_sql,
    lexicon,
    pattern,
)
from crm_steward.rules.operators import FieldName, holds_text
from crm_steward.rules.sql import EXTRA, Statement, held, json_object
from crm_steward.rules.steps import Step

_USUAL = ("notes", "job_title")
_PHRASE = Annotated[str, Field(min_length=2, max_length=100)]


class FreeText(SqlCheck):
    """Finds free text about health, beliefs, private life or offences, insults, and identifiers.

    What it finds is named by category and field only: the text itself goes nowhere.

        check: {kind: freetext, fields: [notes], categories: [health, insult, iban]}
    """

    about: ClassVar[tuple[str, str]] = (
        "Free text that holds what it should not",
        "Textes libres qui contiennent ce qu'ils ne devraient pas",
    )
    facts: ClassVar[Mapping[str, str]] = {
        "category": "What sort of thing the text holds.",
        "fields": "The fields that hold it.",
    }

    kind: Literal["freetext"]
    """Notes and other free text that hold what they should not."""
    fields: Annotated[tuple[FieldName, ...], Field(max_length=50)] = ()
    """The fields to read. Without them: notes, job_title, and every custom field."""
    categories: Annotated[tuple[Category | Identifier, ...], Field(max_length=20)] = (
        *CATEGORIES,
        *IDENTIFIERS,
    )
    """What to look for: health, religion, union, politics, sex_life, offence, family, insult; iban,
    card (payment cards), nir (French social security numbers), each proven by its check digits;
    password. Without them all."""
    languages: Annotated[tuple[Language, ...], Field(min_length=1)] = LANGUAGES
    """The languages of the words: en, fr, de, es. Without them all."""
    words: Annotated[tuple[_PHRASE, ...], Field(max_length=500)] = Field(
        default=(), validate_default=True
    )
    """Words and phrases of your own, found under the category own; word* stands for every ending."""
    ignore: Annotated[tuple[_PHRASE, ...], Field(max_length=500)] = ()
    """Phrases that are harmless here, though they hold a word that is looked for."""

    @field_validator("fields")
    @classmethod
    def _texts_only(cls, fields: tuple[str, ...]) -> tuple[str, ...]:
        refuse(
            ((str(place),), PydanticCustomError("not_text_field", "no text", _about(name)))
            for place, name in enumerate(fields)
            if not holds_text(name)
        )
        return fields

    @field_validator("words", "ignore")
    @classmethod
    def _letters(cls, phrases: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.field_name == "words" and not phrases and info.data.get("categories") == ():
            raise PydanticCustomError("looks_for_nothing", "nothing")
        for phrase in phrases:
            if not any(letter.isalnum() for letter in folded(phrase)):
                raise PydanticCustomError("no_word", "no word", {"value": phrase})
        return phrases

    def query(self, scope: Scope) -> Query:
        """Return the statement: texts folded once, most of them left after one look."""
        statement = Statement(scope.now)
        texts = " UNION ALL ".join(self._texts(scope.clause(statement), statement))
        named = [name for name in CATEGORIES if name in self.categories]
        patterns: dict[str, str] = {name: pattern(self._phrases(name)) for name in named}
        if self.words:
            patterns["own"] = pattern(self.words)
        checked = [name for name in IDENTIFIERS if name in self.categories]
        look = "|".join((*patterns.values(), *(shape(name) for name in checked)))
        cases = [
            *(
                self._case(name, self._speaks(each, statement), statement)
                for name, each in patterns.items()
            ),
            *(self._case(name, holds(name, "text"), statement) for name in checked),
        ]
        evidence = {"category": "category", "fields": "list_sort(list(DISTINCT field))"}
        return Query(
            f"WITH texts AS ({texts}), looked AS MATERIALIZED (SELECT * FROM texts "
            f"WHERE regexp_matches(text, {statement.bind(look)})), "
            "found AS (SELECT connection, id, field, unnest(list_filter("
            f"[{', '.join(cases)}], lambda name: name IS NOT NULL)) AS category FROM looked) "
            "SELECT [{'connection': connection, 'id': id}] AS refs, category AS about, "
            f"{json_object(evidence, statement)} AS evidence, NULL::DOUBLE AS score "
            "FROM found GROUP BY connection, id, category",
            statement.values,
        )

    def _texts(self, clause: str, statement: Statement) -> Iterator[str]:
        """Yield SQL for the texts of each field: connection, id, field, text."""
        for name in self.fields or _USUAL:
            text, field = held(name, statement), statement.bind(str(name))
            yield (
                f"SELECT connection, id, {field}::VARCHAR AS field, {folded_sql(text)} AS text "
                f"FROM contacts WHERE {text} <> '' AND {clause}"
            )
        if not self.fields:
            # A custom field's name may hold anything; as a pointer it needs no quoting.
            pointer = "'/' || replace(replace(name, '~', '~0'), '/', '~1')"
            text = f"json_extract_string(extra, {pointer})"
            yield (
                f"SELECT connection, id, '{EXTRA}' || name AS field, {folded_sql(text)} AS text "
                "FROM (SELECT connection, id, extra, unnest(json_keys(extra)) AS name "
                f"FROM contacts WHERE extra <> '{{}}' AND {clause})"
            )

    def _phrases(self, category: Category) -> tuple[str, ...]:
        each = (lexicon(language).phrases[category] for language in self.languages)
        return tuple(phrase for phrases in each for phrase in phrases)

    def _speaks(self, each: str, statement: Statement) -> str:
        """Return SQL for whether the text speaks of something, harmless phrases left out."""
        spared = [p for language in self.languages for p in lexicon(language).harmless]
        harmless = statement.bind(pattern([*spared, *self.ignore]))
        bound = statement.bind(each)
        left = f"regexp_replace(text, {harmless}, ' ', 'g')"
        return (
            f"CASE WHEN regexp_matches(text, {bound}) THEN regexp_matches({left}, {bound}) "
            "ELSE false END"
        )

    @staticmethod
    def _case(name: str, sql: str, statement: Statement) -> str:
        return f"CASE WHEN {sql} THEN {statement.bind(name)} END"

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for each category whether some field of the record holds it; never what it says."""
        query = self.query(scope)
        found = scope.con.execute(
            f"SELECT about, evidence->>'$.fields' FROM ({query.sql}) "
            "WHERE refs[1].connection = $connection AND refs[1].id = $id",
            {**query.values, "connection": ref.connection, "id": ref.id},
        ).fetchall()
        fields = dict(found)
        names = (*self.categories, *(("own",) if self.words else ()))
        each = (Step(f"text holds {name}", name in fields, fields.get(name)) for name in names)
        return (Step("any", bool(fields), parts=tuple(each)),)

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- about one
        """Say which sort of thing stands in which fields."""
        fields = words.listed([words.field(name) for name in names_in(evidence.get("fields"))])
        said = cls.named(str(evidence.get("category")), words)
        return words.either("{fields}: {said}", "{fields} : {said}", fields=fields, said=said)

    @classmethod
    def named(cls, category: str, words: Wording) -> str:
        """Return what a category is called; one that is not known is a word of the rule's own."""
        return words.either(*_SAID.get(category, _SAID["own"]))


def _about(field: str) -> dict[str, str]:
    return {"field": field, "operator": "freetext"}


_SAID = {
    "health": ("health", "santé"),
    "religion": ("religion or belief", "religion ou convictions"),
    "union": ("trade union", "appartenance syndicale"),
    "politics": ("political opinions", "opinions politiques"),
    "sex_life": ("sex life or orientation", "vie ou orientation sexuelle"),
    "offence": ("offences", "infractions"),
    "family": ("family trouble", "difficultés familiales"),
    "insult": ("insult", "injure"),
    "iban": ("bank account number (IBAN)", "numéro de compte (IBAN)"),
    "card": ("payment card number", "numéro de carte bancaire"),
    "nir": ("French social security number", "numéro de sécurité sociale"),
    "password": ("password", "mot de passe"),
    "own": ("a word on the list", "un mot de la liste"),
}
"""Category → what is said of it in English and French."""
