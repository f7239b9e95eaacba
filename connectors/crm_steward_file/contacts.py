"""Makes a contact of a row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_steward.sdk import (
    KEPT,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    FieldType,
    Kept,
    Kind,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    RecordRejectedError,
    Revision,
    SourceType,
    Stage,
    Value,
    utc_now,
)
from crm_steward_file import CHANNELS
from crm_steward_file.columns import Column, How
from crm_steward_file.source import Row
from crm_steward_file.table import Table
from crm_steward_file.values import read_consent, read_kind, read_stage, read_text, read_time

_TEXTS = (
    "first_name", "last_name", "full_name", "company", "job_title", "language", "website",
    "owner", "source", "url",
)  # fmt: skip
_PLACES = ("street", "postcode", "city", "region", "country")
_TIMES = (
    "created_at", "updated_at", "last_person_act", "last_activity",
    *(name for name, field in KEPT.items() if field.type is FieldType.TIME),
)  # fmt: skip
_PHONES = {
    "phone": PhoneKind.WORK,
    "mobile": PhoneKind.MOBILE,
    "home_phone": PhoneKind.HOME,
}
_PROOF = ("consent_basis", "consent_how", "consent_text_version", "consent_source",
          "consent_evidence")  # fmt: skip
_LONGEST_EXTRA = 1_000  # characters of one value that no field holds
_MOST_EXTRA = 6_000  # characters of all of them
_LONGEST_VALUE = 32_767  # characters of a field: what a cell of Excel holds
_FREE = frozenset({"", "notes"})
_NOTHING: Mapping[str, Value] = {}


class Reader:
    """Makes contacts of the rows of one table.

    What a cell says and the field cannot hold (`31/02/2024`, an unknown stage) is not lost: it is
    kept in `extra` under the column's header.

    Args:
        table: The table.
        connection: Names the connection in each contact's ref.
    """

    def __init__(self, table: Table, connection: str) -> None:
        self._table = table
        self._connection = connection
        at: dict[str, list[Column]] = {}
        for column in table.columns:
            at.setdefault(column.target, []).append(column)
        self._at = at
        self._texts = [(name, at[name][0].index) for name in _TEXTS if name in at]
        self._places = [(name, at[name][0].index) for name in _PLACES if name in at]
        self._times = [(name, at[name][0]) for name in _TIMES if name in at]
        self._mails = [column.index for column in at.get("email", ())]
        self._phones = [
            (column.index, kind) for name, kind in _PHONES.items() for column in at.get(name, ())
        ]
        self._consents = [
            (Channel(channel), column, prefix == "opt_out_")
            for channel in CHANNELS
            for prefix in ("consent_", "opt_out_")
            for column in at.get(prefix + channel, ())
        ]
        self._kept = [(column.name, column.index) for column in at.get("", ())]
        self._notes = [column.index for column in at.get("notes", ())]
        # What is written of people is read only where somebody said so.
        self._read = {
            name: column
            for name in KEPT
            for column in at.get(name, ())[:1]
            if name not in _TIMES and (name != "notes" or column.how is How.USER)
        }
        self._others = Kept.of(self._read)
        self._width = len(table.columns)

    def contact(self, record_id: str, row: Row) -> Contact:
        """Return `row` as a contact.

        Raises:
            RecordRejectedError: It is broken, or a cell is longer than a field can be.
        """
        if row.problem:
            raise RecordRejectedError(row.problem)
        held = self._cells(row.cells)
        texts = [read_text(cell) for cell in held]
        self._refuse_essays(texts)
        extra, essay = self._rest(texts)
        values: dict[str, Any] = {name: texts[index] for name, index in self._texts}
        for name, column in self._times:
            values[name] = self._time(column, held, texts, extra)
        values |= self._kept_values(texts, extra)
        if self._places:
            values["address"] = PostalAddress(**{n: texts[i] for n, i in self._places})
        emails = tuple([Email(text) for i in self._mails if (text := texts[i]) is not None])
        phones = tuple([Phone(t, kind) for i, kind in self._phones if (t := texts[i]) is not None])
        return Contact(
            ref=RecordRef(self._connection, record_id),
            revision=_revision(texts),
            emails=emails,
            phones=phones,
            stage=self._choice("stage", read_stage, texts, extra) or Stage.UNKNOWN,
            kind=self._choice("kind", read_kind, texts, extra) or Kind.UNKNOWN,
            consents=self._consent(held, texts, extra, emails, phones) if self._consents else (),
            has_notes=essay or any(texts[index] for index in self._notes),
            extra=extra or _NOTHING,
            **values,
        )

    def column_for(self, field: str, row: Row) -> Column | None:
        """Return the column that holds canonical `field` (or `extra.<name>`) in `row`.

        Where several could (two e-mail columns), it is the first that is filled: the one whose
        value `Contact.value` returns.
        """
        if field.startswith("extra."):
            name = field.removeprefix("extra.")
            return next((c for c in self._table.columns if c.name == name), None)
        columns = list(self._at.get(field, ()))
        if field == "phone":
            columns += self._at.get("home_phone", ())
        filled = (c for c in columns if c.index < len(row.cells) and read_text(row.cells[c.index]))
        return next(filled, columns[0] if columns else None)

    def _cells(self, cells: Sequence[Any]) -> list[Any]:
        held = list(cells[: self._width])
        held += [None] * (self._width - len(held))
        return held

    def _refuse_essays(self, texts: Sequence[str | None]) -> None:
        if sum([len(text) for text in texts if text]) <= _LONGEST_VALUE:
            return
        for column in self._table.columns:
            if column.target not in _FREE and len(texts[column.index] or "") > _LONGEST_VALUE:
                raise RecordRejectedError(
                    f"column '{column.name}' holds more than {_LONGEST_VALUE:,} characters"
                )

    def _rest(self, texts: list[str | None]) -> tuple[dict[str, Value], bool]:
        """Return the columns no field holds, and whether some were too long to be kept.

        Long free text is not kept: no rule needs it, and what it says of people is nobody's
        business here.
        """
        extra: dict[str, Value] = {}
        room, essay = _MOST_EXTRA, False
        for name, index in self._kept:
            text = texts[index]
            if text is None:
                continue
            room -= len(name) + len(text)
            if len(text) > _LONGEST_EXTRA or room < 0:
                essay = True
            else:
                extra[name] = text
        return extra, essay

    def _time(
        self, column: Column, held: list[Any], texts: list[str | None], extra: dict[str, Value]
    ) -> datetime | None:
        text = texts[column.index]
        if text is None:
            return None
        days_first = self._table.days_first[column.index]
        moment = read_time(held[column.index], days_first=days_first)
        if moment is None:
            extra[column.name] = text
        elif column.target == "birth_date" and moment > utc_now():
            return moment.replace(year=moment.year - 100)  # 12/03/65, of the last century
        return moment

    def _kept_values(self, texts: list[str | None], extra: dict[str, Value]) -> dict[str, Any]:
        """Read flags, numbers and the like; what cannot be understood is not lost."""
        found = self._others.read(lambda name: texts[self._read[name].index], lambda _: None)
        for name, column in self._read.items():
            text = texts[column.index]
            if text is not None and found[name] in {None, SourceType.UNKNOWN}:
                extra[column.name] = text
        return found

    def _choice(
        self,
        target: str,
        read: Callable[[str], Any],
        texts: list[str | None],
        extra: dict[str, Value],
    ) -> Any:
        for column in self._at.get(target, ()):
            text = texts[column.index]
            if text is not None:
                choice = read(text)
                if choice is None:
                    extra[column.name] = text
                return choice
        return None

    def _consent(
        self,
        held: list[Any],
        texts: list[str | None],
        extra: dict[str, Value],
        emails: tuple[Email, ...],
        phones: tuple[Phone, ...],
    ) -> tuple[Consent, ...]:
        """Read every consent column; the proof columns of the row stand for each of them.

        The row names the address beside the consent, so the consent hangs on that address.
        """
        times = {
            name: self._time(self._at[name][0], held, texts, extra)
            for name in ("consent_given_at", "consent_withdrawn_at")
            if name in self._at
        }
        proof = {
            name.removeprefix("consent_"): texts[self._at[name][0].index] or ""
            for name in _PROOF
            if name in self._at
        }
        found = []
        for channel, column, opt_out in self._consents:
            text = texts[column.index]
            if text is None:
                continue
            moment = self._dated(column, held[column.index])
            status = (
                _dated_status(opt_out=opt_out) if moment else read_consent(text, opt_out=opt_out)
            )
            if status is None:
                continue
            given = times.get("consent_given_at") or (None if opt_out else moment)
            withdrawn = times.get("consent_withdrawn_at") or (moment if opt_out else None)
            if status is ConsentStatus.UNKNOWN:
                extra[column.name] = text
            found.append(
                Consent(
                    channel=channel,
                    status=status,
                    address=_address(channel, emails, phones),
                    given_at=given,
                    withdrawn_at=withdrawn if status >= ConsentStatus.WITHDRAWN else None,
                    **proof,
                )
            )
        return tuple(found)

    def _dated(self, column: Column, held: Any) -> datetime | None:
        """Return the date that stands where a yes would: `Opt-in: 04/05/2023`."""
        if isinstance(held, str) and len(held) < len("1/1/24"):
            return None
        return read_time(held, days_first=self._table.days_first.get(column.index, True))


def _dated_status(*, opt_out: bool) -> ConsentStatus:
    return ConsentStatus.WITHDRAWN if opt_out else ConsentStatus.GRANTED


def _address(channel: Channel, emails: tuple[Email, ...], phones: tuple[Phone, ...]) -> str:
    if channel is Channel.EMAIL:
        return emails[0].address if emails else ""
    if channel in {Channel.SMS, Channel.PHONE} and phones:
        mobile = (phone for phone in phones if phone.kind is PhoneKind.MOBILE)
        chosen = next(mobile, phones[0]) if channel is Channel.SMS else phones[0]
        return chosen.number
    return ""


def _revision(texts: Sequence[str | None]) -> Revision:
    joined = "\x1f".join([text or "" for text in texts])
    return Revision(hashlib.blake2b(joined.encode(errors="replace"), digest_size=8).hexdigest())
