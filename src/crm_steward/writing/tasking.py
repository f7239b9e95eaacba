"""Tasks: a person looks at the record, in the CRM they already use; one while a finding stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from json.encoder import encode_basestring_ascii

from crm_steward.model import Contact, CreateTask, RecordRef
from crm_steward.rules import TaskAction

_LONGEST_TITLE = 200
_LONGEST_BODY = 4000
_MEMBERS_LISTED = 20
_BREAKS = re.compile(r"\s*\n\s*")


def task_for(
    action: TaskAction,
    contact: Contact,
    others: Sequence[RecordRef],
    contacts: Mapping[RecordRef, Contact],
    *,
    language: str,
    due: date,
    owner: str | None,
    marker: str,
) -> CreateTask:
    """Return the task of an action.

    Args:
        action: The action.
        contact: The record it is attached to.
        others: All records of the finding.
        contacts: Those of them that are mirrored.
        language: In which it is written.
        due: When it is due.
        owner: Whom it is for.
        marker: What names it in the CRM.
    """
    title = action.title.fill(contact, language)
    title = _BREAKS.sub(" ", title) if "\n" in title else title
    body = action.body.fill(contact, language) if action.body else ""
    return CreateTask(
        ref=contact.ref,
        title=_cut(title, _LONGEST_TITLE),
        body=_cut("\n\n".join(filter(None, [body, _listed(others, contacts)])), _LONGEST_BODY),
        due=due,
        owner=owner,
        marker=marker,
    )


def _listed(refs: Sequence[RecordRef], contacts: Mapping[RecordRef, Contact]) -> str:
    """List the members of a group, so that its task can be worked on from the CRM."""
    if len(refs) == 1:
        return ""
    lines = [
        " ".join(filter(None, [str(ref), contacts[ref].url]))
        for ref in refs[:_MEMBERS_LISTED]
        if ref in contacts
    ]
    more = len(refs) - len(lines)
    return "\n".join([*lines, f"+ {more}"] if more else lines)


def marker(fingerprint: str, openings: int, number: int) -> str:
    """Return what names one task in the CRM: stable for this opening of this finding.

    Args:
        fingerprint: The finding's.
        openings: How often the finding was opened: when it comes back, a new task is due.
        number: The task's place among the tasks of its rule: another action beside it, added or
            taken away, makes no new task.
    """
    # As JSON, which it was always made of.
    content = f"[{encode_basestring_ascii(fingerprint)}, {openings}, {number}]"
    return f"crm-steward-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
