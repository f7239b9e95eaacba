"""Updates and tags: the fields of one action as one change, each with the value it expects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from crm_steward.model import FIELDS, Contact, UpdateFields, Value
from crm_steward.rules import TagAction, UpdateAction
from crm_steward.writing.addresses import CHANNELS, held_addresses, refusals, same_address
from crm_steward.writing.compare import same
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.withheld import Why


def updated(
    action: UpdateAction, evidence: Mapping[str, Any], contact: Contact, guarded: Collection[str]
) -> Iterator[Proposed | Refused]:
    """Yield one change of all fields that an action writes and that do not read so already.

    Args:
        action: The action.
        evidence: What the check left.
        contact: The record.
        guarded: Fields that hold consent there: no rule writes them, whatever it says.
    """
    wanted: dict[str, Value] = {}
    if action.normalise:
        name, proposed = evidence.get("field"), evidence.get("proposed")
        if isinstance(name, str) and proposed is not None:
            if not same(contact.value(name), evidence.get("now")):
                yield Refused(Why.STALE, contact.ref)
                return
            wanted[name] = proposed
        else:
            yield Refused(Why.NO_PROPOSAL, contact.ref)
    wanted |= {str(name): value for name, value in action.set.items()}
    wanted |= {str(name): None for name in action.clear}
    copied = {str(name): contact.value(source) for name, source in action.fill_from.items()}
    empty = [name for name, value in copied.items() if value is None or value == ""]
    if empty:
        yield Refused(Why.EMPTY_SOURCE, contact.ref, ", ".join(empty))
    wanted |= {name: _fit(name, value) for name, value in copied.items() if name not in empty}
    yield from _written(contact, wanted, guarded)


def tagged(
    action: TagAction,
    name: str,
    evidence: Mapping[str, Any],
    contact: Contact,
    guarded: Collection[str],
) -> Iterator[Proposed | Refused]:
    """Yield the change that keeps a word in a custom field.

    Args:
        action: The action.
        name: The fact that names what the contact is, for an action without a word.
        evidence: What the check left.
        contact: The record.
        guarded: Fields that hold consent there.
    """
    word = action.value or evidence.get(name)
    if isinstance(word, str) and word:
        yield from _written(contact, {str(action.field): word}, guarded)
    else:
        yield Refused(Why.NO_PROPOSAL, contact.ref)


def _fit(name: str, value: Value) -> Value:
    """Return a copied value as text where the field holds text."""
    return value if name not in FIELDS or isinstance(value, str) else str(value)


def _written(
    contact: Contact, wanted: Mapping[str, Value], guarded: Collection[str]
) -> Iterator[Proposed | Refused]:
    values: dict[str, Value] = {}
    expected: dict[str, Value] = {}
    for name, value in wanted.items():
        held = contact.value(name)
        if same(held, value):
            continue
        why = _forbidden(contact, name, value, guarded)
        if why is not None:
            yield Refused(why, contact.ref, name)
        else:
            values[name], expected[name] = value, held
    if values:
        yield Proposed(UpdateFields(ref=contact.ref, values=values, expected=expected))


def _forbidden(contact: Contact, name: str, value: Value, guarded: Collection[str]) -> Why | None:
    if name in guarded:
        return Why.CONSENT_FIELD
    if name in FIELDS and not FIELDS[name].writable:
        return Why.CANNOT
    if name in CHANNELS and _loosens(contact, name, value):
        return Why.CONSENT_HANGS
    return None


def _loosens(contact: Contact, name: str, value: Value) -> bool:
    """Whether writing an address could let somebody be written to who was not before.

    Another spelling of the same address is none; another address could be one that may be used.
    Where an address is emptied, the next one moves up, and a refusal that hung on it is forgotten.
    """
    held = str(contact.value(name) or "")
    if value is not None:
        return not same_address(contact, name, held, value)
    here = (one for one in contact.consents if one.channel in CHANNELS[name])
    return len(held_addresses(contact, name)) > 1 or bool(refusals(here))
