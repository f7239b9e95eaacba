"""How a merge looks on a terminal: who goes into whom, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from crm_steward.cli.changes import label, plain, valued, who
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from rich.text import Text

    from crm_steward.model import Contact, GoldenValue, PlannedChange, RecordRef

_EN = MappingProxyType(
    {
        "filled": "the survivor has none",
        "most recent": "changed last",
        "oldest": "created first",
        "longest": "the longest",
        "most frequent": "the most frequent",
        "union": "all of them",
        "strictest": "the strictest",
        "crm": "the CRM's own merge takes it",
        "own": "keeps its own",
        "lost": "not kept",
        "of": "{field} of {records}",
    }
)
_FR = MappingProxyType(
    {
        "filled": "la fiche gardée n'en a pas",
        "most recent": "modifiée en dernier",
        "oldest": "créée en premier",
        "longest": "la plus longue",
        "most frequent": "la plus fréquente",
        "union": "toutes",
        "strictest": "le plus strict",
        "crm": "reprise par la fusion du CRM",
        "own": "garde les siens",
        "lost": "n'est pas gardé",
        "of": "{field} de {records}",
    }
)


def merge_rows(
    planned: PlannedChange, contacts: Mapping[RecordRef, Contact], language: str
) -> list[tuple[str, Text, Text]]:
    """Return what, now and proposed of a merge.

    Args:
        planned: The merge.
        contacts: The records, for their names.
        language: Of headings.
    """
    from rich.text import Text

    from crm_steward.model import MergeRecords

    change, none = planned.change, Text("")
    if not isinstance(change, MergeRecords):
        raise TypeError(type(change).__name__)
    words = _FR if language == "fr" else _EN
    rows = [(word("merge", language), none, Text(plain(planned.detail), "green"))]
    rows += [(word("loser", language), who(ref, contacts), none) for ref in change.losers]
    own = [name for name, one in change.golden.items() if _own(one)]
    for name, one in change.golden.items():
        if one.value is not None and name not in own:
            now = valued(change.had[name], language, "red") if name in change.had else none
            told = Text.assemble(
                _value(name, one, language), (f"  {words[one.chosen]}: {_refs(one.sources)}", "dim")
            )
            rows.append((label(name, language), now, told))
    if own:
        names = ", ".join(label(name, language) for name in own)
        rows.append((words["own"], none, Text(names, "dim")))
    for name, one in change.golden.items():
        if one.lost:
            lost = words["of"].format(field=label(name, language), records=_refs(one.lost))
            rows.append((words["lost"], Text(lost, "red"), none))
    return rows


def _own(golden: GoldenValue) -> bool:
    from crm_steward.model import Chosen

    return golden.chosen is Chosen.SURVIVOR and golden.value is not None


def _value(name: str, golden: GoldenValue, language: str) -> Text:
    from crm_steward.model import FIELDS

    style = "green" if name.startswith("extra.") or FIELDS[name].writable else ""
    return valued(golden.value, language, style)


def _refs(refs: Iterable[RecordRef]) -> str:
    return ", ".join(plain(ref) for ref in refs)
