"""Reads what people type into cells: dates, yes and no, consents, stages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from crm_steward.sdk import ConsentStatus, Kind, Stage
from crm_steward_file.columns import plain

_NUMERIC = re.compile(
    r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4}|\d{2})"
    r"(?:(?:\s*,?\s+|\s+à\s+|T)(\d{1,2})[:hH](\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp][Mm])?)?"
)
_NAMED_DAY_FIRST = re.compile(r"(\d{1,2})(?:er|st|nd|rd|th)?[\s\-]+([a-z]+)\.?,?[\s\-]+(\d{4})")
_NAMED_MONTH_FIRST = re.compile(r"([a-z]+)\.?[\s\-]+(\d{1,2})(?:st|nd|rd|th)?,?[\s\-]+(\d{4})")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january janv janvier",
            "feb february fev fevr fevrier",
            "mar march mars",
            "apr april avr avril",
            "may mai",
            "jun june juin",
            "jul july juil juillet",
            "aug august aou aout",
            "sep sept september septembre",
            "oct october octobre",
            "nov november novembre",
            "dec december decembre",
        ),
        start=1,
    )
    for name in names.split()
}
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_SERIALS = range(7_000, 80_000)  # 1919 to 2119, so that a year or a postcode is no date
_YEARS = range(1900, 2101)
_MILLISECONDS = re.compile(r"\d{12,13}")
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
_PIVOT = 69  # 00-69 are of this century, as in POSIX strptime
_NOON = 12


def day_first(text: str) -> bool | None:
    """Return whether `text` can only be day/month/year (True), only month/day/year (False).

    None: it can be both, or it is no such date.
    """
    found = _NUMERIC.fullmatch(text.strip())
    if found is None:
        return None
    first, second = int(found[1]), int(found[2])
    if (first > _NOON) == (second > _NOON):
        return None
    return first > _NOON


def could_be_both(text: str) -> bool:
    """Return whether `text` is a date like `03/04/2024`, whose order has to be known."""
    return _NUMERIC.fullmatch(text.strip()) is not None


def read_time(held: Any, *, days_first: bool) -> datetime | None:
    """Return a cell as a time in UTC, or None when it is none that can be understood.

    Times without a zone are taken as UTC; a date alone is its midnight.

    Args:
        held: Text, a number (an Excel serial) or a datetime, as the file gives it.
        days_first: How `03/04/2024` is read. What can only be read the other way, is.
    """
    match held:
        case datetime():
            return _sane(held.replace(tzinfo=UTC) if held.tzinfo is None else held.astimezone(UTC))
        case date():
            return _sane(datetime.combine(held, time(), UTC))
        case bool() | None:
            return None
        case int() | float():
            return _serial(held)
        case str():
            return _read_text(held.strip(), days_first)
        case _:
            return None


@lru_cache(maxsize=65_536)
def _read_text(text: str, days_first: bool) -> datetime | None:  # noqa: FBT001 -- positional for the cache
    if _SERIAL.fullmatch(text):
        return _serial(float(text.replace(",", ".")))
    if _MILLISECONDS.fullmatch(text):
        return _sane(datetime.fromtimestamp(int(text) / 1000, UTC))
    try:
        return _sane(_iso(text) or _numeric(text, days_first=days_first) or _named(text))
    except (ValueError, OverflowError):
        return None  # 31/02/2024 and its like


def _iso(text: str) -> datetime | None:
    if len(text) < len("2024-03-12") or text[4] not in "-/.":
        return None
    written = text.removesuffix(" UTC").replace(" +", "+").replace("/", "-").replace(".", "-", 2)
    moment = datetime.fromisoformat(written)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _numeric(text: str, *, days_first: bool) -> datetime | None:
    found = _NUMERIC.fullmatch(text)
    if found is None:
        return None
    order = day_first(text)
    first, second = int(found[1]), int(found[2])
    day, month = (first, second) if (days_first if order is None else order) else (second, first)
    hour = int(found[4] or 0)
    if found[7]:
        hour = hour % _NOON + (_NOON if found[7].lower() == "pm" else 0)
    clock = (hour, int(found[5] or 0), int(found[6] or 0))
    return datetime(_year(found[3]), month, day, *clock, tzinfo=UTC)


def _year(text: str) -> int:
    year = int(text)
    if len(text) > len("24"):
        return year
    return year + (2000 if year <= _PIVOT else 1900)


def _named(text: str) -> datetime | None:
    words = plain(text)
    if found := _NAMED_DAY_FIRST.match(words):
        day, month, year = found.groups()
    elif found := _NAMED_MONTH_FIRST.match(words):
        month, day, year = found.groups()
    else:
        return None
    number = _MONTHS.get(month)
    return None if number is None else datetime(int(year), number, int(day), tzinfo=UTC)


def _serial(number: float) -> datetime | None:
    if not _SERIALS.start <= number < _SERIALS.stop:
        return None
    return _EXCEL_EPOCH + timedelta(seconds=round(number * 86_400))


def _sane(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment.year in _YEARS else None


_YES = frozenset(
    [
        "oui",
        "yes",
        "y",
        "o",
        "vrai",
        "true",
        "1",
        "x",
        "ok",
        "on",
        "v",
        "ja",
        "si",
        "accord",
        "accepte",
        "accepted",
        "checked",
    ]
)
_NO = frozenset(
    ["non", "no", "n", "faux", "false", "0", "off", "nein", "refuse", "refused", "unchecked"]
)


def read_flag(text: str) -> bool | None:
    """Return a cell as yes or no, or None when it says neither: `oui`, `non`, `1`, `x`, `✓` …."""
    word = plain(text)
    if word in _YES or text.strip() in {"✓", "✔", "☑", "✅"}:
        return True
    return False if word in _NO or text.strip() in {"✗", "✘", "☐", "❌"} else None


_CONSENTS = {
    plain(name): status
    for status, names in (
        (
            ConsentStatus.GRANTED,
            (
                "granted, subscribed, inscrit, abonné, opt-in, optin, opted in, accordé, donné, "
                "consent given, double opt-in, explicit, active, actif, consenti"
            ),
        ),
        (ConsentStatus.SOFT_OPT_IN, "soft opt-in, soft_opt_in"),
        (ConsentStatus.IMPLIED, "implied, implicite"),
        (ConsentStatus.IMPLIED_EXPIRED, "implied_expired, implied expired"),
        (ConsentStatus.NONE, "none, aucun, never subscribed, jamais"),
        (
            ConsentStatus.UNKNOWN,
            "unknown, inconnu, pending, en attente, not specified, non renseigné, à confirmer",
        ),
        (ConsentStatus.HARD_BOUNCE, "hard_bounce, bounced, hard bounce, cleaned, rejeté"),
        (ConsentStatus.COMPLAINT, "complaint, spam, plainte, marked as spam"),
        (
            ConsentStatus.WITHDRAWN,
            (
                "withdrawn, unsubscribed, désinscrit, désabonné, opt-out, optout, opted out, retiré, "
                "révoqué, blocked, bloqué, stop, désinscrite, désabonnée, revoked"
            ),
        ),
        (ConsentStatus.OBJECTED, "objected, opposition, opposé, opposed, opposée, s'oppose"),
    )
    for name in names.split(",")
}


@lru_cache(maxsize=4096)
def read_consent(text: str, *, opt_out: bool) -> ConsentStatus | None:
    """Return what a consent cell says, or None when it says nothing.

    A `no` under an opt-in is the absence of consent; a `no` under an opt-out is no consent
    either, so it says nothing. Words that are not understood are UNKNOWN: never a yes.
    """
    if status := _CONSENTS.get(plain(text)):
        return status
    if plain(text) in _CONSENTS:
        return ConsentStatus.GRANTED  # its value is 0, which is falsy
    flag = read_flag(text)
    if opt_out:
        return {True: ConsentStatus.WITHDRAWN, False: None, None: ConsentStatus.UNKNOWN}[flag]
    return {
        True: ConsentStatus.GRANTED,
        False: ConsentStatus.NONE,
        None: ConsentStatus.UNKNOWN,
    }[flag]


_STAGES = {
    plain(name): stage
    for stage, names in (
        (
            Stage.PROSPECT,
            (
                "prospect, lead, suspect, piste, opportunity, opportunité, subscriber, "
                "marketing qualified lead, sales qualified lead, mql, sql, abonné, "
                "prospect chaud, prospect froid, hot lead, cold lead, warm lead, nouveau, new, "
                "salesqualifiedlead, marketingqualifiedlead, prospection, à qualifier"
            ),
        ),
        (
            Stage.CUSTOMER,
            (
                "customer, client, cliente, client actif, evangelist, ambassadeur, acheteur, buyer, "
                "active customer, existing customer, adhérent, client fidèle"
            ),
        ),
        (
            Stage.FORMER,
            (
                "former, former customer, ancien client, ancien, ex client, inactif, inactive, "
                "churned, client inactif, perdu, lost, client perdu, past customer, résilié"
            ),
        ),
        (Stage.UNKNOWN, "unknown, inconnu"),
    )
    for name in names.split(",")
}
_KINDS = {
    plain(name): kind
    for kind, names in (
        (Kind.B2C, "b2c, particulier, individual, consumer, private, privé, consommateur, person"),
        (Kind.B2B, "b2b, professionnel, pro, entreprise, company, business, société, corporate"),
        (
            Kind.SOLE_TRADER,
            (
                "sole_trader, sole trader, indépendant, auto-entrepreneur, micro-entrepreneur, "
                "freelance, self-employed, profession libérale, entrepreneur individuel, ei"
            ),
        ),
        (Kind.UNKNOWN, "unknown, inconnu"),
    )
    for name in names.split(",")
}


@lru_cache(maxsize=4096)
def read_stage(text: str) -> Stage | None:
    """Return where the person stands, or None when the word is not known."""
    return _STAGES.get(plain(text))


@lru_cache(maxsize=4096)
def read_kind(text: str) -> Kind | None:
    """Return consumer or professional, or None when the word is not known."""
    return _KINDS.get(plain(text))


def read_text(held: Any) -> str | None:
    """Return a cell as text, as it stands; None when it is blank."""
    if isinstance(held, str):
        return held if held and not held.isspace() else None
    return None if held is None else _written(held)


def _written(held: Any) -> str:
    """Write down what a workbook holds as a number, a truth or a time."""
    match held:
        case bool():
            return str(held).lower()
        case float() if held.is_integer():
            return str(int(held))
        case datetime() if held.time() == time():
            return held.date().isoformat()
        case datetime() | date() | time():
            return held.isoformat()
        case _:
            return str(held)
