"""The golden record of a group: what the survivor holds after a merge, field by field, and why.

Pure: it knows the records, what the rule says, and what the CRM's own merge keeps. What that would
lose is to be written to the survivor before.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from crm_steward.model import (
    FIELDS,
    Ability,
    Channel,
    Chosen,
    Contact,
    GoldenValue,
    MergeHabits,
    RecordRef,
    Value,
    binding_consent,
)
from crm_steward.normalize import country_code
from crm_steward.rules import MergeAction
from crm_steward.writing.addresses import (
    CHANNELS,
    address_key,
    addresses_by,
    held_addresses,
    lends,
)
from crm_steward.writing.compare import same

PLACE = ("street", "postcode", "city", "region", "country")
"""Parts of one address: nobody lives in a street of one record and a town of another."""

SEPARATOR = ";"
"""Between the values of a custom field that holds several, in HubSpot and Salesforce alike."""

_EVER = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Golden:
    """The golden record of a group.

    Args:
        values: Field → what the survivor holds afterwards.
        fill: Field → value to be written to the survivor before, as the merge would lose it.
        lent: Channels of an address that the survivor lacks and must not take over: what was said
            of it on the record that has it is stricter than what the survivor would say.
        fixed: Fields of which the rule says something, and that cannot be written there.
    """

    values: Mapping[str, GoldenValue]
    fill: Mapping[str, Value]
    lent: tuple[Channel, ...] = ()
    fixed: tuple[str, ...] = ()


def latest_first(members: Collection[Contact]) -> list[Contact]:
    """Return records by when they last changed, the latest first; the order of `members` is nothing."""
    by_ref = sorted(members, key=lambda contact: contact.ref)
    return sorted(by_ref, key=lambda contact: contact.updated_at or _EVER, reverse=True)


def golden_record(
    action: MergeAction, survivor: Contact, others: Sequence[Contact], ability: Ability
) -> Golden:
    """Return what the survivor holds after the merge, and why.

    Args:
        action: The action.
        survivor: The record that remains.
        others: The records that go into it, in the order in which they do.
        ability: What the connection holds and can do.
    """
    making = _Making(action, survivor, tuple(others), ability)
    values = {name: making.value(name) for name in making.names()}
    values |= dict(making.addresses())
    values |= dict(making.consents())
    values = {name: one for name, one in values.items() if one.value is not None or one.lost}
    fill = {name: one.value for name, one in values.items() if making.to_be_given(name, one)}
    said = (name for name in action.writes if name in ability.fixed)
    return Golden(values, fill, tuple(making.lent(fill)), tuple(said))


@dataclass(frozen=True, slots=True)
class _Making:
    action: MergeAction
    survivor: Contact
    others: tuple[Contact, ...]
    ability: Ability

    def names(self) -> list[str]:
        """Return the fields that a survivor may be given, addresses aside."""
        members = (self.survivor, *self.others)
        custom = sorted({f"extra.{name}" for contact in members for name in contact.extra})
        known, guarded = self.ability.fields, self.ability.consent_fields
        return [
            name
            for name in (*_PLAIN, *custom)
            if (known is None or name in known) and name not in guarded
        ]

    def value(self, name: str) -> GoldenValue:
        """Return what the survivor holds in a field, as the rule says, or else its own."""
        choice = self.action.fields.get(name)
        if name in self.ability.fixed:
            return self._fixed(name)
        if choice == "union":
            return self._union(name)
        if choice is not None and choice != "survivor":
            return self._chosen(name, choice)
        own = _filled(self.survivor, name)
        donor = None if own or choice == "survivor" else self._donor(name)
        if donor is not None:
            return GoldenValue(donor.value(name), Chosen.FILLED, (donor.ref,))
        return self._own(name)

    def addresses(self) -> Iterator[tuple[str, GoldenValue]]:
        """Yield e-mail and numbers: the survivor keeps its own and takes over what it lacks."""
        for name in CHANNELS:
            if self.ability.fields is not None and name not in self.ability.fields:
                continue
            holders = [one for one in (self.survivor, *self.others) if _filled(one, name)]
            possible = self._keeps(name) or name not in self.ability.fixed
            source = holders[0] if holders and (possible or self._has(name)) else None
            value = None if source is None else source.value(name)
            chosen = Chosen.SURVIVOR if source in (None, self.survivor) else Chosen.FILLED
            sources = () if source is None else (source.ref,)
            yield name, GoldenValue(value, chosen, sources, self._lost(name, source))

    def consents(self) -> Iterator[tuple[str, GoldenValue]]:
        """Yield the strictest consent to each channel of which anything is known."""
        for channel in Channel:
            bound = {
                contact.ref: binding.status
                for contact in (self.survivor, *self.others)
                if (binding := binding_consent(contact.consents, channel)) is not None
            }
            if bound:
                strictest = max(bound.values())
                sources = tuple(ref for ref, status in bound.items() if status is strictest)
                yield (
                    f"consent_{channel}",
                    GoldenValue(strictest.label, Chosen.STRICTEST, sources),
                )

    def to_be_given(self, name: str, golden: GoldenValue) -> bool:
        """Whether the merge alone would not give the survivor this value."""
        if golden.chosen in {Chosen.STRICTEST, Chosen.CRM} or name in self.ability.fixed:
            return False
        return not same(self._kept(name), golden.value)

    def lent(self, fill: Mapping[str, Value]) -> list[Channel]:
        """Return the channels by which somebody could be reached at a new address who was not."""
        return sorted(
            {
                channel
                for name in CHANNELS.keys() & fill.keys()
                for channel in CHANNELS[name]
                for other in self.others
                if _reached(other, channel, str(fill[name]))
                and lends(self.survivor, other, channel, str(fill[name]))
            }
        )

    # -- one field ----------------------------------------------------------------------------

    def _has(self, name: str) -> bool:
        return _filled(self.survivor, name)

    def _keeps(self, name: str) -> bool:
        return self._habits.keeps(name)

    @property
    def _habits(self) -> MergeHabits:
        return self.ability.merging

    def _kept(self, name: str) -> Value:
        """Return what the CRM's own merge leaves in a field."""
        holders = (self.survivor, *self.others) if self._keeps(name) else (self.survivor,)
        return next((one.value(name) for one in holders if _filled(one, name)), None)

    def _own(self, name: str) -> GoldenValue:
        """Return the survivor's own value, or what the CRM makes of none."""
        if self._has(name) or not self._keeps(name):
            sources = (self.survivor.ref,) if self._has(name) else ()
            return GoldenValue(_value(self.survivor, name), Chosen.SURVIVOR, sources)
        holder = next((one for one in self.others if _filled(one, name)), None)
        if holder is None:
            return GoldenValue(None, Chosen.SURVIVOR)
        return GoldenValue(holder.value(name), Chosen.CRM, (holder.ref,))

    def _fixed(self, name: str) -> GoldenValue:
        """Return what a field holds that cannot be written: what the merge alone makes of it."""
        own = self._own(name)
        if own.value is not None:
            return own
        lost = tuple(one.ref for one in self.others if _filled(one, name))
        return GoldenValue(None, own.chosen, (), lost)

    def _donor(self, name: str) -> Contact | None:
        """Return the record that a field is filled from: a whole address comes from one."""
        wanted = [part for part in PLACE if not self._has(part)] if name in PLACE else [name]
        for other in self.others:
            if any(_filled(other, part) for part in wanted) and (
                name not in PLACE or _one_place(self.survivor, other)
            ):
                return other if _filled(other, name) else None
        return None

    def _chosen(self, name: str, choice: str) -> GoldenValue:
        """Return the value that is in front; of equals the survivor's, then the latest record's."""
        holders = [one for one in (self.survivor, *self.others) if _filled(one, name)]
        if not holders:
            return GoldenValue(None, Chosen(choice))
        ranks = _RANKS[choice](holders, name)
        best = holders[max(range(len(holders)), key=lambda at: (ranks[at], -at))]
        agreeing = [one.ref for one in holders if same(one.value(name), best.value(name))]
        return GoldenValue(best.value(name), Chosen(choice), tuple(agreeing))

    def _union(self, name: str) -> GoldenValue:
        """Return the values of all records, the survivor's first, each once."""
        parts: dict[str, str] = {}
        sources: list[RecordRef] = []
        holders = [one for one in (self.survivor, *self.others) if _filled(one, name)]
        for holder in holders:
            before = len(parts)
            for part in str(holder.value(name)).split(SEPARATOR):
                if part.strip():
                    parts.setdefault(_comparable(part), part.strip())
            if len(parts) > before:
                sources.append(holder.ref)
        if len(sources) == 1:
            return GoldenValue(holders[0].value(name), Chosen.UNION, tuple(sources))
        return GoldenValue(SEPARATOR.join(parts.values()) or None, Chosen.UNION, tuple(sources))

    def _lost(self, name: str, source: Contact | None) -> tuple[RecordRef, ...]:
        """Return the records of which an address is in no field of the survivor's afterwards."""
        if name in self._habits.unites:
            return ()
        channel = CHANNELS[name][0]
        held = [(self.survivor, one) for one in held_addresses(self.survivor, name)]
        held += [(source, one) for one in held_addresses(source, name)[:1]] if source else []
        kept = {address_key(contact, channel, address) for contact, address in held}
        return tuple(
            one.ref
            for one in self.others
            if any(address_key(one, channel, a) not in kept for a in held_addresses(one, name))
        )


_PLAIN = tuple(name for name, field in FIELDS.items() if field.writable and name not in CHANNELS)


def _value(contact: Contact, name: str) -> Value:
    """Return what a record holds; an empty text is nothing."""
    return contact.value(name) if _filled(contact, name) else None


def _filled(contact: Contact, name: str) -> bool:
    held = contact.value(name)
    return held is not None and bool(str(held).strip())


def _comparable(value: Value) -> str:
    return unicodedata.normalize("NFC", str(value)).strip().casefold()


def _reached(contact: Contact, channel: Channel, address: str) -> bool:
    keys = (address_key(contact, channel, one) for one in addresses_by(contact, channel))
    return address_key(contact, channel, address) in keys


def _one_place(one: Contact, other: Contact) -> bool:
    """Whether two addresses may be one: no part of theirs contradicts."""
    return all(
        _part(one, part) == _part(other, part)
        for part in PLACE
        if _filled(one, part) and _filled(other, part)
    )


def _part(contact: Contact, part: str) -> str:
    held = contact.value(part)
    code = country_code(str(held)) if part == "country" else None
    return code or _comparable(held)


def _frequency(holders: Sequence[Contact], name: str) -> list[float]:
    keys = [_comparable(one.value(name)) for one in holders]
    counts = Counter(keys)
    return [counts[key] for key in keys]


def _age(moment: datetime | None, unknown: datetime) -> float:
    return ((moment or unknown) - _EVER).total_seconds()


_RANKS: Mapping[str, Callable[[Sequence[Contact], str], list[float]]] = MappingProxyType(
    {
        "most recent": lambda holders, _: [_age(one.updated_at, _EVER) for one in holders],
        "oldest": lambda holders, _: [-_age(one.created_at, _NEVER) for one in holders],
        "longest": lambda holders, name: [len(str(one.value(name)).strip()) for one in holders],
        "most frequent": _frequency,
    }
)
"""Choice → how well each record that has a value meets it: the greater, the better."""
