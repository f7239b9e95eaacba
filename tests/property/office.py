"""A small office for properties of writing: invented contacts, one fake CRM, whole rounds."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Kind,
    Phone,
    PhoneKind,
    PlannedChange,
    PostalAddress,
    RecordRef,
    SourceType,
    Stage,
    binding_consent,
)
from crm_steward.normalize import email_key
from crm_steward.pull import pull
from crm_steward.rules import Rule, RuleBook
from crm_steward.scan import scan
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.plans import Plans
from crm_steward.testing import FakeCrm
from crm_steward.writing import PlanResult, Target, Targets, apply_plan, approve, make_plan
from crm_steward.writing.addresses import addresses_by, statements

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ABLE = Ability(fields=None, can=frozenset(Capability), consent_fields=frozenset({"extra.optin"}))
WIDE = Limits(canary=1000, max_changes_per_run=10_000, max_changes_per_day=10_000).model_copy(
    update={"max_percent_per_day": 10_000.0}
)

FIRST = (None, "", "ZOÉ", "zoé", "Zoé", "jean-pierre", "MAX", "Ñandú", "de la")
LAST = (None, "MARTIN", "martin", "Martin", "D'ALEMBERT", "van der Berg", "O'BRIEN")
EMAILS = (
    None, "a@example.org", "A@Example.org", " a@example.org ", "b@example.org", "b@example.org.",
    "c@gmail.com", "not an address", "info@example.org", "a@example.org; b@example.org",
)  # fmt: skip
PHONES = (
    None, "01 99 00 12 34", "+33 1 99 00 12 34", "0033199001234", "06 12 34 56 78", "+4930901820",
    "12", "01 99 00 12 34 ext 7",
)  # fmt: skip
COUNTRIES = (None, "FR", "France", "DE", "GB", "CA", "BE", "Atlantis")
TEXTS = (None, "", "  ", "Acme", "x", "Paris", "75001")
NOTES = (
    None,
    "call back",
    "IBAN FR7630006000011234567890189",
    "malade, cancer",
    "4111111111111111",
)
_SAID = (ConsentStatus.GRANTED, ConsentStatus.GRANTED, ConsentStatus.OBJECTED)
PURPOSES = ("marketing", "marketing", "news", "webinar")


def invented(draw: random.Random, number: int, connection: str = "crm") -> Contact:
    """Return a contact of which everything may be missing, odd or forbidden."""
    pick = draw.choice
    emails = list(filter(None, [pick(EMAILS), draw.random() < 0.2 and pick(EMAILS)]))
    phones = list(filter(None, [pick(PHONES), draw.random() < 0.3 and pick(PHONES)]))
    return Contact(
        ref=RecordRef(connection, str(number)),
        first_name=pick(FIRST),
        last_name=pick(LAST),
        emails=tuple(Email(one, pick(list(AddressStatus))) for one in emails),
        phones=tuple(Phone(one, pick(list(PhoneKind))) for one in phones),
        company=pick(TEXTS),
        job_title=pick(TEXTS),
        address=PostalAddress(city=pick(TEXTS), postcode=pick(TEXTS), country=pick(COUNTRIES)),
        language=pick((None, "fr", "de")),
        website=pick((None, "example.org", "HTTP://Example.org/")),
        owner=pick((None, "7", "8")),
        stage=pick(list(Stage)),
        kind=pick(list(Kind)),
        source=pick(TEXTS),
        source_type=pick(list(SourceType)),
        legal_hold=pick((None, None, None, False, True)),
        purchases=pick((None, 0.0, 1.0, 12.5)),
        notes=pick(NOTES),
        extra={"optin": pick((None, "yes", "no")), "tag": pick(TEXTS), "size": pick((None, 1, 9))},
        consents=_consents(draw, [*emails, *phones]),
        **{name: _moment(draw) for name in _TIMES},
    )


_TIMES = (
    "created_at", "updated_at", "last_person_act", "last_activity", "collected_at", "informed_at",
    "contract_end", "last_login", "last_mailed_at", "birth_date", "rights_request_at",
)  # fmt: skip


def _moment(draw: random.Random) -> datetime | None:
    days = draw.choice((None, 1, 40, 400, 800, 1300, 2600, 6000))
    return None if days is None else NOW - timedelta(days=days)


def _consents(draw: random.Random, addresses: Sequence[str]) -> tuple[Consent, ...]:
    found = {}
    for _ in range(draw.randrange(4)):
        consent = Consent(
            channel=draw.choice((Channel.EMAIL, *Channel)),
            status=draw.choice((*_SAID, draw.choice(list(ConsentStatus)))),
            address=draw.choice(["", "", *addresses]),
            purpose=draw.choice(PURPOSES),
            given_at=_moment(draw),
        )
        found[consent.channel, consent.address, consent.purpose] = consent
    return tuple(found.values())


@cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="steward-office-")) / "template.db"
    Database.open(f"sqlite:///{path}").close()
    return path


class Office:
    """One CRM, one database, and the rounds of the service; to be closed."""

    def __init__(self, contacts: Iterable[Contact], ability: Ability = ABLE) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_template().parent))
        shutil.copy(_template(), self.folder / "steward.db")
        self.database = Database.open(f"sqlite:///{self.folder}/steward.db")
        self.now = NOW
        self.ability = ability
        self.crm = FakeCrm("crm", clock=lambda: self.now)
        for contact in contacts:
            self.crm.add(contact)

    def close(self) -> None:
        """Leave nothing behind."""
        self.database.close()
        shutil.rmtree(self.folder)

    def pull(self) -> None:
        """Read the CRM."""
        self.now += timedelta(seconds=1)
        pull(
            self.database, "crm", "fake", self.crm, clock=lambda: self.now, full=True,
            country="FR", accept_shrink=True,
        )  # fmt: skip

    def scan(self, rules: Sequence[Rule]) -> RuleBook:
        """Look for what the rules find."""
        book = RuleBook(tuple(rules))
        scan(self.database, book, clock=lambda: self.now)
        return book

    def plan(self, book: RuleBook, limits: Limits = WIDE, *, save: bool = True) -> PlanResult:
        """Plan what the rules ask for."""
        return make_plan(
            self.database, book, limits=limits, abilities={"crm": self.ability},
            clock=lambda: self.now, save=save,
        )  # fmt: skip

    def round(self, rules: Sequence[Rule]) -> tuple[PlannedChange, ...]:
        """Pull, scan, plan, approve everything and apply; return what was planned."""
        self.pull()
        result = self.plan(self.scan(rules))
        stored = Plans(self.database).get(result.plan.hash)
        assert stored is not None
        approve(self.database, stored, "all", by="tester", clock=lambda: self.now)
        target = Target(connector=self.crm, settle_after=timedelta(0), batch=100)
        apply_plan(
            self.database, stored, Targets({"crm": target}.__getitem__), limits=WIDE,
            clock=lambda: self.now,
        )  # fmt: skip
        return result.plan.changes


Mailability = Mapping[tuple[Channel, str], tuple[int, bool]]


def mailability(contacts: Iterable[Contact], kept: Iterable[Consent] = ()) -> Mailability:
    """Return by channel and address the strictest refusal (or 0), and whether it may be used.

    An address may be used when some record agrees and none refuses. A bounce says that mail does
    not arrive, and is no word of the person.

    Args:
        contacts: All records.
        kept: Opt-outs that the CRM keeps although their record is gone.
    """
    said: dict[tuple[Channel, str], list[ConsentStatus]] = {}
    for contact in contacts:
        for channel in Channel:
            for address in addresses_by(contact, channel):
                binding = binding_consent(statements(contact, channel, address), channel)
                known = said.setdefault((channel, _key(channel, address)), [])
                known.extend([binding.status] if binding else [])
    for consent in kept:
        said.get((consent.channel, _key(consent.channel, consent.address)), []).append(
            consent.status
        )
    found = {}
    for place, statuses in said.items():
        refusal = max((s for s in statuses if s >= ConsentStatus.COMPLAINT), default=0)
        found[place] = (int(refusal), not refusal and any(s.mailable for s in statuses))
    return found


def _key(channel: Channel, address: str) -> str:
    if channel is Channel.EMAIL:
        return email_key(address) or address.strip().casefold()
    # A number is the same one once its country is written before it.
    return "".join(filter(str.isdecimal, address))[-9:]


def looser(before: Mailability, after: Mailability) -> list[tuple[Channel, str]]:
    """Return the addresses that may be used more freely than before."""
    nothing = (0, False)
    return [
        place
        for place, (refusal, mailable) in after.items()
        if (mailable and not before.get(place, nothing)[1])
        or refusal < before.get(place, nothing)[0]
    ]
