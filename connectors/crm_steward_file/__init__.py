"""Contacts in a CSV or XLSX file: read in pages, corrected in a copy beside the original."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import field_validator

from crm_steward.sdk import MAPPABLE, Capability, ConnectionSettings, ConnectorSpec

CHANNELS = ("email", "sms", "phone", "post")

TARGETS: Mapping[str, str] = {
    **{name: field.en for name, field in MAPPABLE.items()},
    "id": "the record's id",
    "url": "link to the record",
    "home_phone": "phone at home",
    "notes": "free text",
    **{f"consent_{channel}": f"agrees to {channel}" for channel in CHANNELS},
    **{f"opt_out_{channel}": f"refuses {channel}" for channel in CHANNELS},
    "consent_given_at": "when consent was given",
    "consent_withdrawn_at": "when consent was withdrawn",
    "consent_how": "how consent was given",
    "consent_source": "where consent was given",
    "consent_text_version": "wording consented to",
    "consent_basis": "legal ground",
    "consent_evidence": "pointer to the proof of consent",
}
"""What a column can be mapped to: a canonical field, or what a consent is made of."""

_DELIMITERS = {"tab": "\t", "\\t": "\t", "semicolon": ";", "comma": ",", "pipe": "|"}


class FileSettings(ConnectionSettings):
    """How to read one file; all but `path` is recognised when left out."""

    kind: str = "file"
    path: Path
    """The CSV or XLSX file."""
    sheet: str | None = None
    """The worksheet; else the first one with a header that is recognised."""
    delimiter: str | None = None
    """What stands between two cells: `;`, `,`, `|` or `tab`."""
    encoding: str | None = None
    """Its name, for example `cp1252`."""
    id_column: str | None = None
    """Header of the column that names each record."""
    columns: Mapping[str, str] = {}
    """Field → header of the column that holds it."""
    ids: Literal["email", "line"] = "email"
    """What names a record where no column does: a hash of its e-mail, which stays the same in the
    next export, or its line, which is easy to find but does not."""
    dates: Literal["auto", "day first", "month first"] = "auto"
    """How `03/04/2024` is read; auto: as the column's own data says."""

    corrections: bool = True
    """Whether the corrected copy beside the file stands in for it once there is one."""

    def resolved(self, folder: Path) -> Self:
        """Let a relative path start at `folder`."""
        return self.model_copy(update={"path": folder / self.path.expanduser()})

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        character = _DELIMITERS.get(value.casefold(), value)
        if len(character) != 1 or character in '"\r\n' or character.isalnum():
            raise ValueError("delimiter must be one character: ; , | or tab")
        return character

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return codecs.lookup(value).name
        except LookupError as error:
            raise ValueError(
                f"unknown encoding '{value}': write utf-8, cp1252, utf-16 …"
            ) from error

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name in value:
            if name not in TARGETS:
                near = difflib.get_close_matches(name, TARGETS, n=1, cutoff=0.6)
                meant = f" (did you mean '{near[0]}'?)" if near else ""
                known = ", ".join(TARGETS)
                raise ValueError(f"unknown field '{name}'{meant}. Fields: {known}")
        return value


SPEC = ConnectorSpec(
    kind="file",
    title="CSV or XLSX file",
    can=frozenset({Capability.UPDATE, Capability.TASK, Capability.CONDITIONAL_UPDATE}),
    settings=FileSettings,
    factory="crm_steward_file.connector:open_file",
    requires=("openpyxl",),
    batch=1000,
    example="""\
path: contacts.csv                # relative to this file; .csv, .tsv, .txt or .xlsx
# id_column: Customer number      # else the e-mail names a record
# columns: {last_activity: Last call}  # only what is not recognised by its header
""",
    access=(
        "Export the contacts as CSV or XLSX and put the file where `path:` says.",
        "The file is never written to: corrections go to a copy beside it.",
    ),
)
"""What the entry point `file` resolves to."""
