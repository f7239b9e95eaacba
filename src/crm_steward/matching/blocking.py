"""Block: which pairs of contacts are worth comparing, out of all there are.

Two contacts are compared when they share a key. A key that too many share is no reason to compare
them all; they are found by narrower keys or are said not to have been compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crm_steward.matching.work import Work
from crm_steward.normalize import ROLE_NAMES

_FIRST: Final = "first IS NOT NULL"
_LAST: Final = "last IS NOT NULL"
_BOTH: Final = f"{_FIRST} AND {_LAST}"
_ANY_ORDER: Final = "names"
_GIVEN: Final = "given"
_SOUND: Final = "translate(last, 'aeiouyh ', '')"


@dataclass(frozen=True, slots=True)
class Key:
    """A reason to compare two contacts.

    Args:
        name: What they share.
        values: SQL of what is shared, over `matching.rows`.
        when: SQL: which contacts have it.
        most: Contacts that may share one value; of more, none are compared for it.
        alone: Whether nothing narrower finds what is left out: each such value is reported.
        as_: Another key's name: a value of the one is the same as of the other.
    """

    name: str
    values: str
    when: str
    most: int
    alone: bool = False
    as_: str = ""

    @property
    def number(self) -> int:
        """The place in KEYS of the key whose values these are."""
        return _NUMBER[self.as_ or self.name]

    def hashed(self, values: str, *, apart: bool) -> str:
        """Return SQL of the number that stands for `values`; its last bits say of which key they are."""
        scope = ", connection" if apart else ""
        hashed = f"hash('{self.as_ or self.name}', {values}{scope})"
        return f"(({hashed} & {~_KIND & (2**64 - 1)}::UBIGINT) | {self.number}::UBIGINT)"


_KIND: Final = 31
"""The bits of a key that say which it is."""
KIND: Final = f"(key & {_KIND})::UTINYINT"
"""SQL of the place in KEYS, out of `key`."""


KEYS: Final = (
    Key("e-mail", "email", "email IS NOT NULL", 50, alone=True),
    Key("phone", "number1", "number1 IS NOT NULL", 20, alone=True),
    Key("mobile", "number2", "number2 IS NOT NULL", 20, alone=True, as_="phone"),
    Key("mailbox name", "local", "length(local) > 4 AND NOT role", 20),
    Key("birth date", "born", "born IS NOT NULL", 6),
    Key("birth date and first name", "born, first[1]", f"born IS NOT NULL AND {_FIRST}", 10),
    Key("birth date and last name", "born, last[1]", f"born IS NOT NULL AND {_LAST}", 10),
    Key("name", _ANY_ORDER, _BOTH, 25),
    Key("name and city", f"{_ANY_ORDER}, city", f"{_BOTH} AND city IS NOT NULL", 25),
    Key("name and company", f"{_ANY_ORDER}, company", f"{_BOTH} AND company IS NOT NULL", 25),
    Key("name and domain", f"{_ANY_ORDER}, domain", f"{_BOTH} AND domain IS NOT NULL", 25),
    Key("last name and initial", "last, first[1]", _BOTH, 8),
    Key("first name and sound of last name", f"{_GIVEN}, {_SOUND}", _BOTH, 12),
    Key("last name and city", "last, city, first[1]", f"{_LAST} AND city IS NOT NULL", 10),
    Key("first name and city", f"{_GIVEN}, city, last[:3]", f"{_FIRST} AND city IS NOT NULL", 12),
    Key("last name and company", "company, last", f"{_LAST} AND company IS NOT NULL", 12),
    Key("first name and company", f"company, {_GIVEN}", f"{_FIRST} AND company IS NOT NULL", 8),
    Key(
        "last name and domain",
        "domain, last",
        f"{_LAST} AND domain IS NOT NULL AND NOT private",
        12,
    ),
    Key(
        "first name and domain",
        f"domain, {_GIVEN}",
        f"{_FIRST} AND domain IS NOT NULL AND NOT private",
        8,
    ),
    Key("first name and postcode", f"postcode, {_GIVEN}", f"{_FIRST} AND postcode IS NOT NULL", 6),
    Key("last name and postcode", "postcode, last[:4]", f"{_LAST} AND postcode IS NOT NULL", 6),
    Key("street", "street", "length(street) > 8", 4),
    Key("first name and street", f"street, {_GIVEN}", f"{_FIRST} AND length(street) > 5", 12),
    Key("last name and street", "street, last", f"{_LAST} AND length(street) > 5", 12),
)
"""Every key. What each is worth was measured: see bench/duplicates.py."""

_NUMBER: Final = {key.name: number for number, key in enumerate(KEYS)}
EMAIL, PHONE, LOCAL, BORN = (
    1 << _NUMBER[name] for name in ("e-mail", "phone", "mailbox name", "birth date")
)
"""Bits of `shared` in `matching.candidates`."""
SIZED: Final = tuple(_NUMBER[name] for name in ("e-mail", "phone", "mailbox name"))
"""The keys of which it matters how many share a value, and not only whether too many do."""

_HELD: Final = "INSERT INTO matching.held SELECT {hashed}, n FROM matching.rows WHERE {when}"

_HELD_TOO: Final = """
INSERT INTO matching.held SELECT DISTINCT {hashed}, n FROM (
    SELECT n, connection, {own}, unnest(from_json({column}, '["VARCHAR"]')) AS value
    FROM matching.plain JOIN (SELECT n, place FROM matching.records) USING (place)
    WHERE {column} LIKE '%,%'
) WHERE value <> '' AND {own_too}
"""

MOST: Final = (
    f"CASE {KIND} {' '.join(f'WHEN {n} THEN {key.most}' for n, key in enumerate(KEYS))} END"
)
"""SQL of how many may share one value, out of `key`."""

_BLOCKS: Final = """
CREATE TABLE matching.blocks AS
SELECT key, count(*)::INTEGER AS size FROM matching.held GROUP BY key HAVING count(*) > 1
"""

_KEPT: Final = f"""
CREATE TABLE matching.kept AS
SELECT key, n, size FROM matching.held
JOIN (SELECT key, size FROM matching.blocks WHERE size <= {MOST}) USING (key)
"""

_CANDIDATES: Final = f"""
CREATE TABLE matching.candidates AS
SELECT a.n AS l, b.n AS r, bit_or(1::INTEGER << (a.key & {_KIND})::INTEGER) AS shared,
    min(CASE a.key & {_KIND} WHEN {_NUMBER["e-mail"]} THEN a.size END) AS email_holders,
    min(CASE a.key & {_KIND} WHEN {_NUMBER["phone"]} THEN a.size END) AS number_holders,
    min(CASE a.key & {_KIND} WHEN {_NUMBER["mailbox name"]} THEN a.size END) AS local_holders
FROM matching.kept a JOIN matching.kept b ON a.key = b.key AND a.n < b.n AND {{only}}
GROUP BY a.n, b.n
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedBlock:
    """A value shared by so many contacts that they were not compared for it.

    Args:
        key: What they share: a key's name.
        holders: How many contacts share one value, or, where narrower keys take over, how many
            share any such value.
        value: Whether it is one value.
    """

    key: str
    holders: int
    value: bool


def block(work: Work) -> None:
    """Make `matching.candidates`, the pairs that share a key, and `matching.blocks`, too large ones.

    Args:
        work: Holds `matching.held`, which is dropped.
    """
    work.run(_BLOCKS)
    work.run(_KEPT)
    work.run("DROP TABLE matching.held")
    work.run(f"DELETE FROM matching.blocks WHERE size <= {MOST}")
    pair(work)


def pair(work: Work, *, only: str = "true") -> None:
    """Make `matching.candidates` of `matching.kept` (key, n, size), which is dropped.

    Args:
        work: Holds it.
        only: SQL over two rows `a` and `b` of it: which pairs are wanted.
    """
    work.run(_CANDIDATES.format(only=only))
    work.run("DROP TABLE matching.kept")


def hold(work: Work, *, apart: bool) -> None:
    """Make `matching.held` (key, n): each contact's keys.

    Args:
        work: Holds `matching.plain`, which is dropped, and `matching.rows`.
        apart: Contacts of two connections never share one.
    """
    work.run("CREATE TABLE matching.held (key UBIGINT, n INTEGER)")
    for key in KEYS:
        work.run(_HELD.format(hashed=key.hashed(key.values, apart=apart), when=key.when))
    for name, column, own, whose in (
        # A mailbox of a function that somebody reads beside their own is not theirs.
        (
            "e-mail",
            "email_keys",
            ("email",),
            "NOT list_contains($roles, split_part(value, '@', 1))",
        ),
        ("phone", "phone_keys", ("number1", "number2"), "true"),
    ):
        differs = " AND ".join(f"value IS DISTINCT FROM {one}" for one in own)
        work.run(
            _HELD_TOO.format(
                hashed=KEYS[_NUMBER[name]].hashed("value", apart=apart),
                column=column,
                own=", ".join(own),
                own_too=f"{differs} AND {whose}",
            ),
            roles=sorted(ROLE_NAMES),
        )
    work.run("DROP TABLE matching.plain")


def capped(work: Work) -> list[CappedBlock]:
    """Return what was not compared because too many share it, the largest first."""
    rows = work.run(
        f"SELECT {KIND} AS kind, size FROM matching.blocks ORDER BY kind, size DESC"
    ).fetchall()
    found = [
        CappedBlock(key=KEYS[kind].name, holders=size, value=True)
        for kind, size in rows
        if KEYS[kind].alone
    ]
    names = sum(size for kind, size in rows if KEYS[kind].name == "name")
    if names:
        found.append(CappedBlock(key="name", holders=names, value=False))
    return found
