"""What an attribute is for is said once, in the docstring that follows it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field

from crm_steward.documented import Documented, description


class Place(Documented):
    """A place."""

    city: str
    """Where it is.

    On one line more.
    """
    country: str = "FR"
    nearest: Annotated[str, Field(alias="next-to")] = ""
    """What stands beside it."""
    said: Annotated[str, Field(description="Said in the field.")] = ""
    """Said after it."""


class Address(Place):
    """A place with a street."""

    street: str
    """How to get there."""
    nearest: str = ""


class Either(Documented):
    """A block that may be written as a text."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            anyOf=[{"type": "string"}, {"properties": schema.pop("properties")}]
        )
    )

    place: Place
    """A block of its own."""


def _descriptions(schema: dict[str, Any]) -> dict[str, str]:
    return {key: part.get("description", "") for key, part in schema["properties"].items()}


def test_a_schema_describes_attributes_by_their_docstrings() -> None:
    """Under the key that is written; what the field says itself comes first."""
    assert _descriptions(Place.model_json_schema()) == {
        "city": "Where it is.\n\nOn one line more.",
        "country": "",
        "next-to": "What stands beside it.",
        "said": "Said in the field.",
    }


def test_what_is_inherited_is_described_and_what_is_declared_anew_speaks_for_itself() -> None:
    """A subclass says what its own attributes are for, and only that."""
    assert _descriptions(Address.model_json_schema()) == {
        "city": "Where it is.\n\nOn one line more.",
        "country": "",
        "nearest": "",
        "said": "Said in the field.",
        "street": "How to get there.",
    }


def test_a_block_that_may_be_a_text_is_described_and_so_is_what_it_holds() -> None:
    """The description stands beside the reference to the other block."""
    schema = Either.model_json_schema()
    assert schema["anyOf"][1]["properties"] == {
        "place": {"$ref": "#/$defs/Place", "description": "A block of its own."}
    }
    assert _descriptions(schema["$defs"]["Place"])["city"] == "Where it is.\n\nOn one line more."


def test_a_class_inside_a_function_is_found() -> None:
    """Two classes of one name do not borrow each other's words."""

    class Place(Documented):
        city: str
        """Somewhere else."""

    assert description(Place, "city") == "Somewhere else."
    with pytest.raises(KeyError):
        description(Place, "street")


def test_without_its_source_a_module_says_nothing() -> None:
    """A program that was delivered without sources still makes schemas."""
    made: Any = type(
        "Place", (Documented,), {"__module__": "builtins", "__annotations__": {"city": str}}
    )
    assert "description" not in made.model_json_schema()["properties"]["city"]
