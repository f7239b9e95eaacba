"""Merging: the records of a group inside one connection become one; always a person's decision."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from crm_steward.model import (
    Ability,
    Channel,
    Consent,
    Contact,
    MergeRecords,
    RecordRef,
    binding_consent,
)
from crm_steward.rules import MergeAction
from crm_steward.writing.addresses import CHANNELS, address_key, addresses_by, statements
from crm_steward.writing.golden import Golden, golden_record, latest_first
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.survivor import because, survivor_of
from crm_steward.writing.withheld import Why

_MATTERS = (
    "first_name",
    "last_name",
    "company",
    "email",
    "phone",
    "mobile",
    "stage",
    "owner",
    "legal_hold",
    *(f"consent_{channel}" for channel in Channel),
)
"""What must not have changed in any member between the plan and the merge."""


def parts_of(refs: Sequence[RecordRef]) -> Mapping[str, tuple[RecordRef, ...]]:
    """Return the members of a group that are several in one connection, by connection."""
    by_connection: dict[str, list[RecordRef]] = {}
    for ref in refs:
        by_connection.setdefault(ref.connection, []).append(ref)
    return {name: tuple(sorted(part)) for name, part in by_connection.items() if len(part) > 1}


def merged(
    action: MergeAction,
    members: Sequence[Contact],
    evidence: Mapping[str, Any],
    *,
    ability: Ability,
    left: Collection[str],
    language: str,
) -> Iterator[Proposed | Refused]:
    """Yield the merge of records of one connection, or why a person has to look at them instead.

    Args:
        action: The action.
        members: The records, two at least.
        evidence: What the check left.
        ability: What their connection holds and can do.
        left: Owners who are no longer active.
        language: Of what a person reads.
    """
    first = min(contact.ref for contact in members)
    if evidence.get("chained"):
        yield Refused(Why.CHAINED, first)
    elif evidence.get("certainty") == "review":
        yield Refused(Why.UNSURE, first)
    elif any(contact.legal_hold for contact in members):
        yield Refused(Why.LEGAL_HOLD, first)
    elif channels := conflicts(members):
        yield Refused(Why.CONSENT_CONFLICT, first, ", ".join(channels))
    elif (survivor := survivor_of(members, action.keep, left)) is None:
        yield Refused(Why.NO_SURVIVOR, first, ", ".join(map(str, action.keep)))
    else:
        kept = survivor.contact
        others = latest_first([contact for contact in members if contact.ref != kept.ref])
        golden = golden_record(action, kept, others, ability)
        if golden.fixed:
            yield Refused(Why.READ_ONLY, kept.ref, ", ".join(golden.fixed))
        elif golden.lent:
            yield Refused(Why.CONSENT_CONFLICT, first, ", ".join(golden.lent))
        else:
            change = _change(kept, others, golden)
            yield Proposed(change, because(survivor.criterion, language))


def _change(kept: Contact, others: Sequence[Contact], golden: Golden) -> MergeRecords:
    """Return the merge, with all that nobody may have edited meanwhile."""
    names = dict.fromkeys((*_MATTERS, *golden.values))
    expected = {
        contact.ref.id: {name: contact.value(name) for name in names}
        for contact in sorted((kept, *others), key=lambda contact: contact.ref)
    }
    # What is said of an address shows once the survivor has it; before, there is none to speak of.
    spoken = {f"consent_{one}" for name in CHANNELS.keys() & golden.fill for one in CHANNELS[name]}
    mine = {name: held for name, held in expected[kept.ref.id].items() if name not in spoken}
    expected[kept.ref.id] = {**mine, **golden.fill}
    return MergeRecords(
        ref=kept.ref,
        losers=tuple(contact.ref for contact in others),
        expected=expected,
        fill=golden.fill,
        had={name: kept.value(name) for name in golden.fill},
        golden=golden.values,
    )


def conflicts(members: Sequence[Contact]) -> list[str]:
    """Return the channels over which the members disagree whether the person may be contacted.

    A merge would have to forget either a no or a yes, or lend the consent that was given for one
    address to another: which of them holds is for a person to find out.
    """
    return [channel.value for channel in Channel if _disagree(members, channel)]


def _disagree(members: Sequence[Contact], channel: Channel) -> bool:
    binding = [binding_consent(contact.consents, channel) for contact in members]
    said = {one.status.mailable for one in binding if one is not None}
    if len(said) > 1 or _disagree_for_a_purpose(members, channel):
        return True
    return said == {True} and not _all_covered(members, channel)


def _disagree_for_a_purpose(members: Sequence[Contact], channel: Channel) -> bool:
    by_purpose: dict[str, set[bool]] = {}
    for contact in members:
        for purpose, consents in _by_purpose(contact, channel).items():
            mailable = max(one.status for one in consents).mailable
            by_purpose.setdefault(purpose, set()).add(mailable)
    return any(len(said) > 1 for said in by_purpose.values())


def _by_purpose(contact: Contact, channel: Channel) -> Mapping[str, list[Consent]]:
    found: dict[str, list[Consent]] = {}
    for consent in contact.consents:
        if consent.channel is channel:
            found.setdefault(consent.purpose, []).append(consent)
    return found


def _all_covered(members: Sequence[Contact], channel: Channel) -> bool:
    """Whether a consent that some members hold speaks of every address that the group has."""
    all_: set[str] = set()
    covered: set[str] = set()
    for contact in members:
        for address in addresses_by(contact, channel):
            key = address_key(contact, channel, address)
            all_.add(key)
            if any(one.status.mailable for one in statements(contact, channel, address)):
                covered.add(key)
    silent = any(binding_consent(contact.consents, channel) is None for contact in members)
    return all_ <= covered and not (silent and not all_)
