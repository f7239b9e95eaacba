"""Numbers and secrets that do not belong in free text, as SQL over folded text.

Each is proven by its own check digits, so that an order number or a telephone number is none.
"""

from __future__ import annotations

from typing import Literal, get_args

Identifier = Literal["iban", "card", "nir", "password"]
IDENTIFIERS: tuple[Identifier, ...] = get_args(Identifier)

_GAP = "[ .-]?"
_IBAN_LENGTHS = {
    15: "no",
    16: "be",
    18: "dk fi fo gl nl",
    19: "mk si",
    20: "at ba ee kz lt lu",
    21: "ch hr li lv",
    22: "bg bh cr de gb ge ie me rs va",
    23: "ae gi il tl",
    24: "ad cz es pk ro sa se sk tn vg",
    25: "lc pt",
    26: "is tr",
    27: "fr gr it mc sm",
    28: "al az cy do gt hu lb pl",
    29: "br eg ps qa ua",
    30: "jo kw mu",
    31: "mt",
}
"""Characters of an IBAN → countries (SWIFT, IBAN registry)."""

_CARD = {
    "4": (13, 16, 19),  # Visa
    "5[1-5]": (16,),  # Mastercard
    "2(?:2(?:2[1-9]|[3-9])|[3-6]|7(?:[01]|20))": (16,),  # Mastercard; the rest of 16 follows
    "3[47]": (15,),  # American Express
    "6(?:011|5|4[4-9])": (16,),  # Discover
    "35(?:2[89]|[3-8])": (16,),  # JCB
}
"""How an issuer's numbers begin → how many digits they have. Fourteen digits are left out: French
SIRET numbers have them and pass the same check."""

_CARD_SHAPE = rf"\b[2-6](?:{_GAP}[0-9]){{12,18}}\b"
_NIR = (
    rf"\b[12]{_GAP}[0-9]{{2}}{_GAP}(?:0[1-9]|1[0-2]|[2-9][0-9]){_GAP}(?:[0-9]{{2}}|2[ab]){_GAP}"
    rf"[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}\b"
)
_INTRODUCED = r"\b(?:mdp|mot de passe|password|passwd|passwort|kennwort|pwd|contrasena)\s*[:=]\s*"
_NOT_TOLD = (
    r"(?:oubli|perdu|reset|reinit|forgot|lost|expired|change|unknown|inconnu|none|aucun|vergessen|"
    r"geandert|olvidad|see |voir |siehe |ver |sent |envoye|n/a|[*x.?-]{2,})"
)


def _iban_shape() -> str:
    each = [
        f"(?:{countries.replace(' ', '|')})[0-9]{{2}}(?:{_GAP}[0-9a-z]){{{length - 4}}}"
        for length, countries in _IBAN_LENGTHS.items()
    ]
    return rf"\b(?:{'|'.join(each)})\b"


def _candidates(text: str, shape: str) -> str:
    """Return SQL for what looks like one: a list of texts without spaces, points and hyphens."""
    found = f"regexp_extract_all({text}, '{shape}')"
    return f"list_transform({found}, lambda one: regexp_replace(one, '[ .-]', '', 'g'))"


_PLACE = "strpos('0123456789abcdefghijklmnopqrstuvwxyz', letter) - 1"


def _remainder(one: str) -> str:
    """Return SQL for a number of any length (letters count 10 to 35) modulo 97."""
    values = f"list_transform(string_split({one}, ''), lambda letter: {_PLACE})"
    step = "(rest * CASE WHEN value > 9 THEN 100 ELSE 10 END + value) % 97"
    return f"list_reduce({values}, lambda rest, value: {step})"


def _any(candidates: str, proven: str) -> str:
    return f"(len(list_filter({candidates}, lambda one: {proven})) > 0)"


def _has_iban(text: str) -> str:
    return _any(_candidates(text, _iban_shape()), f"{_remainder('one[5:] || one[:4]')} = 1")


def _has_card(text: str) -> str:
    issued = " OR ".join(
        f"(len(one) IN ({', '.join(map(str, lengths))}) AND regexp_matches(one, '^{start}'))"
        for start, lengths in _CARD.items()
    )
    # Luhn: from the right, every second digit counts double, and nine less when that is above nine.
    weighed = "(value * 2 - CASE WHEN value > 4 THEN 9 ELSE 0 END)"
    digits = f"list_transform(string_split(reverse(one), ''), lambda letter: {_PLACE})"
    total = (
        f"list_sum(list_transform({digits}, lambda value, place: "
        f"CASE WHEN place % 2 = 0 THEN {weighed} ELSE value END))"
    )
    return _any(_candidates(text, _CARD_SHAPE), f"({issued}) AND {total} % 10 = 0")


def _has_nir(text: str) -> str:
    # Corsica: 2A counts as 19, 2B as 18.
    number = "replace(replace(one[:13], '2a', '19'), '2b', '18')"
    return _any(
        _candidates(text, _NIR), f"97 - {_remainder(number)} = try_cast(one[14:] AS INTEGER)"
    )


def _has_password(text: str) -> str:
    bare = f"regexp_replace({text}, '{_INTRODUCED}{_NOT_TOLD}', '', 'g')"
    return f"regexp_matches({bare}, '{_INTRODUCED}[^\\s]{{4}}')"


def shape(kind: Identifier) -> str:
    """Return a regular expression that everything of this kind matches, and little else does."""
    return {"iban": _iban_shape(), "card": _CARD_SHAPE, "nir": _NIR, "password": _INTRODUCED}[kind]


def holds(kind: Identifier, text: str) -> str:
    """Return SQL for whether folded text (`text` is SQL for it) holds such a thing, proven."""
    found = {"iban": _has_iban, "card": _has_card, "nir": _has_nir, "password": _has_password}
    return found[kind](text)
