"""What every part of a rule file is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A mapping of the rule file: unknown keys are mistakes, nothing changes after loading.

    The docstrings of its attributes are what an editor shows.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        populate_by_name=False,
        serialize_by_alias=True,
    )
