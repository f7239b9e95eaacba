"""What starts a period of the register: acts of the person and facts, never our own doing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import FieldType
from crm_steward.rules.operators import FieldName
from crm_steward.rules.sql import EXTRA, type_of

CLOCKS: Mapping[str, str] = MappingProxyType(
    {
        "last_person_act": "the person replied, bought, filled a form, clicked",
        "collected_at": "the data was collected",
        "contract_end": "the last contract ended",
        "last_login": "the person logged in to an account",
        "last_purchase": "the person bought",
        "last_inquiry": "the person asked for something",
        "consent_used": "a consent was last made use of, or given",
        "objected_at": "the person objected or withdrew",
        "requested_at": "the person asked for a right of theirs",
    }
)
"""Clock → what starts it."""

_ALSO = f"{EXTRA}<name>"
_CUSTOM = rf"^{re.escape(EXTRA)}.{{1,200}}$"
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ACCOUNT = frozenset({"account", "compte", "contract", "contrat"})
_OPENS = ("open", "ouvert")
_EDITS = ("modif", "modstamp", "updat", "edit", "enrich", "import", "merg", "owner", "sync")
_OURS = ("activ", "sent", "send", "contacted")


def _clock(written: str) -> str:
    """Refuse what the law does not count as a sign of life, with the reason."""
    if written in CLOCKS:
        return written
    refuse_no_act(written)
    if re.fullmatch(_CUSTOM, written):
        return written
    if written == "created_at":
        raise PydanticCustomError("clock_created", "refused", {"clock": written})
    known = (*CLOCKS, _ALSO)
    raise PydanticCustomError("one_of", "clock", {"value": written, "expected": known})


def refuse_no_act(written: str) -> None:
    """Refuse opens, edits and our own doing, by what the field is called.

    Raises:
        PydanticCustomError: It is one of them.
    """
    words = [word.lower() for word in _WORDS.findall(written)]
    for beginnings, code in ((_OPENS, "clock_open"), (_EDITS, "clock_edit"), (_OURS, "clock_ours")):
        if _begins(words, beginnings) and not (code == "clock_open" and _ACCOUNT & set(words)):
            raise PydanticCustomError(code, "refused", {"clock": written})


def _act(field: str) -> str:
    """Refuse what is no date, and what would renew it with every edit or mailing of ours."""
    if type_of(field) not in {None, FieldType.TIME}:
        about = {"field": field, "operator": "clock"}
        raise PydanticCustomError("not_date_field", "no date", about)
    refuse_no_act(field)
    return field


ActField = Annotated[FieldName, AfterValidator(_act)]
"""A field that holds the date of something the person did."""


def _begins(words: list[str], beginnings: tuple[str, ...]) -> bool:
    squeezed = "".join(words)  # such as lastmodifieddate
    return any(word.startswith(beginnings) for word in words) or any(
        f"last{beginning}" in squeezed for beginning in beginnings
    )


Clock = Annotated[
    str,
    AfterValidator(_clock),
    WithJsonSchema(
        {"anyOf": [{"enum": list(CLOCKS)}, {"type": "string", "pattern": _CUSTOM}]},
    ),
]
"""One of CLOCKS, or `extra.<name>`: a custom field that holds a date."""
