"""How changes look on a terminal: per rule, per record, field by field, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING
from unicodedata import category

from crm_steward.cli.wording import known, word

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from crm_steward.model import (
        Change,
        Contact,
        LiftSuppression,
        PlannedChange,
        RecordRef,
        SuppressChannel,
    )
    from crm_steward.store.mirror import Mirror

_LONGEST = 120
_WIDEST_REF = 36
Owners = Mapping[tuple[str, str], str]
"""Connection and the CRM's id of an owner → what the owner is called."""
_NOBODY: Owners = MappingProxyType({})
SHOWN_PER_RULE = 20


def plain(value: object, longest: int = _LONGEST) -> str:
    """Return a value from a CRM as one line that cannot steer a terminal or mislead the eye."""
    text = "".join(map(_safe, str(value)[: longest * 2]))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _safe(char: str) -> str:
    if char.isprintable() and char not in _DIRECTIONS:
        return char
    return " " if category(char) == "Zs" else "\N{REPLACEMENT CHARACTER}"


_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def figure(number: int, language: str) -> str:
    """Return a number with its thousands apart, as readers of `language` write it."""
    return f"{number:,}".replace(",", "\u202f") if language == "fr" else f"{number:,}"


def count_of(number: int, language: str) -> str:
    """Return `1 change`, `12 changes`."""
    name = "change" if number == 1 else "changes"
    return word(name, language, count=figure(number, language))


def owner_names(mirror: Mirror) -> Owners:
    """Return what owners are called, as the last pull learnt it."""
    from crm_steward.store.owners import owners_of

    return {
        (connection, owner.id): owner.name
        for connection, state in mirror.states().items()
        for owner in owners_of(state.account).values()
        if owner.name
    }


def print_changes(
    out: Console,
    changes: Sequence[PlannedChange],
    contacts: Mapping[RecordRef, Contact],
    language: str,
    *,
    owners: Owners = _NOBODY,
    approved: Iterable[str] = (),
    shown: int | None = SHOWN_PER_RULE,
) -> None:
    """Print changes as a diff, grouped by rule.

    Args:
        out: Where to.
        changes: What would be written.
        contacts: The records, for their names.
        language: Of headings.
        owners: What owners are called.
        approved: Keys of changes that a person agreed to.
        shown: How many per rule; None means all.
    """
    agreed = set(approved)
    by_rule: dict[str, list[PlannedChange]] = {}
    for planned in changes:
        by_rule.setdefault(planned.rule, []).append(planned)
    for rule, group in by_rule.items():
        _heading(out, rule, group, agreed, language)
        out.print(_table(group[:shown], contacts, owners, language))
        if shown is not None and len(group) > shown:
            out.print(
                word("more", language, count=figure(len(group) - shown, language)), style="dim"
            )
        out.print()


def _heading(
    out: Console, rule: str, group: Sequence[PlannedChange], agreed: set[str], language: str
) -> None:
    from rich.text import Text

    states = Counter(
        "automatic" if p.automatic else "approved" if p.key in agreed else "approval" for p in group
    )
    said = ", ".join(
        word(name, language) if len(states) == 1 else f"{number} {word(name, language)}"
        for name, number in states.items()
    )
    undo = {_undo(planned, language) for planned in group}
    said += f", {undo.pop()}" if len(undo) == 1 else ""
    why = group[0].why
    line = Text.assemble(
        (rule, "bold"),
        f"  {why}  " if why else "  ",
        (f"{count_of(len(group), language)}, {said}", "cyan"),
    )
    out.print(line)


def _table(
    group: Sequence[PlannedChange],
    contacts: Mapping[RecordRef, Contact],
    owners: Owners,
    language: str,
) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [_rows(planned, contacts, owners, language) for planned in group]
    had = any(now.plain for fields in rows for _, now, _ in fields)
    mixed = len({_undo(planned, language) for planned in group}) > 1
    records = [planned.change.ref for planned in group]
    table.add_column(word("record", language), overflow="fold", min_width=room_for(records))
    for name in ("what", "now", "proposed") if had else ("what", "proposed"):
        table.add_column(word(name, language), overflow="fold")
    if mixed:
        table.add_column("", overflow="fold", style="dim")
    table.add_column(word("key", language), no_wrap=True, style="dim")
    for planned, fields in zip(group, rows, strict=True):
        around: tuple[Text | str, str, str]
        around = (who(planned.change.ref, contacts), _undo(planned, language), planned.key[:10])
        for what, now, proposed in fields:
            record, undo, key = around
            row: list[Text | str] = [record, what, proposed, key]
            row[2:2] = [now] if had else []
            row[-1:-1] = [undo] if mixed else []
            table.add_row(*row)
            around = ("", "", "")
    return table


def who(ref: RecordRef, contacts: Mapping[RecordRef, Contact]) -> Text:
    """Return a record's name, where there is one, and its reference."""
    from rich.text import Text

    contact = contacts.get(ref)
    name = ""
    if contact is not None:
        parts = (contact.first_name, contact.last_name)
        name = contact.full_name or " ".join(part for part in parts if part)
    return Text.assemble(plain(f"{name}  ") if name else "", (plain(ref), "dim"))


def room_for(refs: Iterable[RecordRef]) -> int:
    """Return the width that keeps references on one line, so that they can be copied."""
    return min(max((len(str(ref)) for ref in refs), default=0), _WIDEST_REF)


def _undo(planned: PlannedChange, language: str) -> str:
    from crm_steward.model import kind_of

    own = f"{kind_of(planned.change)}-undo"
    return word(own if known(own) else planned.change.reversibility.value, language)


def _rows(
    planned: PlannedChange,
    contacts: Mapping[RecordRef, Contact],
    owners: Owners,
    language: str,
) -> list[tuple[str, Text, Text]]:
    """Return what, now and proposed, one row per field."""
    from rich.text import Text

    from crm_steward.model import CreateTask, MergeRecords
    from crm_steward.model import UpdateFields as Update

    none = Text("")
    match planned.change:
        case Update(values=values, expected=expected):
            return [
                (
                    label(name, language),
                    valued(expected.get(name), language, "red"),
                    valued(value, language, "green"),
                )
                for name, value in values.items()
            ]
        case CreateTask(ref=ref, title=title, due=due, owner=owner):
            said = [plain(title), word("due", language, day=due.isoformat())]
            if owner:
                said.append(
                    word("for", language, owner=plain(owners.get((ref.connection, owner), owner)))
                )
            return [(word("task", language), none, Text(", ".join(said), "green"))]
        case MergeRecords():
            from crm_steward.cli.merges import merge_rows

            return merge_rows(planned, contacts, language)
        case _:
            what, proposed = _whole(planned.change, language)
            return [(what, none, proposed)]


def _whole(change: Change, language: str) -> tuple[str, Text]:
    """Return what a change does that writes no field, and to what."""
    from rich.text import Text

    from crm_steward.model import (
        ArchiveRecord,
        CloseTask,
        LiftSuppression,
        RecreateRecords,
        SuppressChannel,
        UndeleteRecords,
    )

    match change:
        case CloseTask(reason=why):
            return word("close" if why else "close-undone", language, why=plain(why)), Text("")
        case ArchiveRecord():
            return word("archive", language), Text(word("archive-to", language), "red")
        case UndeleteRecords(ref=ref, records=records):
            back = ", ".join(plain(one) for one in records if one != ref)
            return word("undelete", language), Text(back, "green")
        case RecreateRecords(records=records):
            anew = ", ".join(map(plain, records))
            return word("recreate", language), Text(anew, "yellow")
        case SuppressChannel() | LiftSuppression():
            return _turn(change, language)
        case _:
            raise TypeError("its fields are shown, or its parts")


def _turn(change: SuppressChannel | LiftSuppression, language: str) -> tuple[str, Text]:
    """Return that a channel is shut or opened, and for which address."""
    from rich.text import Text

    from crm_steward.model import SuppressChannel as Suppress

    channel, address = word(change.channel.value, language), plain(change.address)
    if isinstance(change, Suppress):
        return word("suppress", language, channel=channel), Text(address, "green")
    again = word("lift-to", language, address=address, before=change.before)
    return word("lift", language, channel=channel), Text(again, "red")


def label(name: str, language: str) -> str:
    """Return what a field is called on screen."""
    from rich.markup import escape

    from crm_steward.model import FIELDS

    return FIELDS[name].label(language) if name in FIELDS else escape(plain(name))


def valued(value: object, language: str, style: str) -> Text:
    """Return a value as it is shown, or that there is none."""
    from rich.text import Text

    if value is None or value == "":
        return Text(word("empty", language), "dim")
    return Text(plain(value), style)


def records_of(changes: Iterable[PlannedChange]) -> list[RecordRef]:
    """Return every record that changes are about, the ones that a merge folds in included."""
    from crm_steward.writing import members

    return [ref for planned in changes for ref in members(planned.change)]
