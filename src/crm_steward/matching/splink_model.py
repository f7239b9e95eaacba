"""The model that Splink is given: what is compared, how alike counts, and which pairs are looked at.

Written in SQL that DuckDB and Spark both speak, without functions that Splink brings to Spark, so
that a rule means the same on one machine and on many.

Splink adds up evidence as if comparisons were independent of each other. Hence few of them, each for
one thing: both names together (a family shares one, swapped fields are one slip, not two), the whole
address, company and mail domain as one employer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import SettingsCreator, block_on

from crm_steward.matching.matches import Scope

_LONG: Final = 5
"""Letters from which one slip is forgiven; in shorter words it makes another word."""


def untrained(
    filled: Collection[str], *, prior: float, within: Scope, weigh: bool
) -> SettingsCreator:
    """Return the untrained model.

    Args:
        filled: Columns of the prepared contacts that hold something; others are not compared.
        prior: The probability that two contacts drawn at random are one person.
        within: Which contacts are compared.
        weigh: Agreement on a rare value counts for more. In a small base every value is rare.
    """
    scope = ("connection",) if within == "connection" else ()
    rules: list[Any] = [
        block_on(*scope, *keys) for keys in _BLOCKS if _columns_of(keys) <= set(filled)
    ]
    rules += _crosswise(filled, scope)
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="number",
        probability_two_random_records_match=prior,
        comparisons=[
            make(weigh) for columns, make in _COMPARED.items() if set(columns) & set(filled)
        ],
        blocking_rules_to_generate_predictions=rules,
        retain_matching_columns=False,
        max_iterations=20,
    )


# --- which pairs are looked at --------------------------------------------------------------------

_BLOCKS: Final = (
    ("few_email_key",),
    ("few_mobile_key",),
    ("few_phone_key",),
    ("few_name_key",),
    ("few_street_key", "substr(postcode_key, 1, 3)"),
    ("birth_date", "substr(last_name_key, 1, 3)"),
    ("birth_date", "substr(first_name_key, 1, 3)"),
    ("few_company_key", "substr(last_name_key, 1, 3)"),
    ("few_company_key", "first_name_key"),
    ("few_email_domain", "substr(last_name_key, 1, 3)"),
    ("few_email_domain", "first_name_key"),
    ("postcode_key", "substr(last_name_key, 1, 4)", "substr(first_name_key, 1, 1)"),
    ("city_key", "substr(last_name_key, 1, 4)", "substr(first_name_key, 1, 2)"),
    ("few_email_local", "substr(last_name_key, 1, 2)"),
)
"""Two contacts are compared when they agree on all of one line. `few_…`: the value, where it has few
enough holders to say something."""


def _columns_of(keys: Iterable[str]) -> set[str]:
    return {key.removeprefix("substr(").split(",")[0] for key in keys}


def _crosswise(filled: Collection[str], scope: Iterable[str]) -> list[str]:
    """Return the rules for one contact's mobile that stands as the other's telephone."""
    if not {"few_phone_key", "few_mobile_key"} <= set(filled):
        return []
    same = "".join(f" AND l.{column} = r.{column}" for column in scope)
    return [
        f"l.few_phone_key = r.few_mobile_key{same}",
        f"l.few_mobile_key = r.few_phone_key{same}",
    ]


TRAINING: Final = (
    ("few_email_key", "email_key"),
    ("few_name_key", "name_key", "postcode_key"),
    ("few_mobile_key", "mobile_key"),
    ("birth_date", "postcode_key"),
    ("few_name_key", "name_key", "birth_date"),
)
"""Pairs that agree on one line hold many of one person and some of two, and teach how the other
columns tell them apart; in order of what they teach. Splink does not train what a line names, hence
the `few_` column and its own."""


# --- how they are compared ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Level:
    """One answer of a comparison.

    Args:
        sql: When a pair belongs to it and to none above; or what Splink makes that of.
        m: How often a pair of one person does: where training starts.
        u: How often a pair of two people does; likewise.
        weigh: The column on which agreeing on a rare value counts for more.
        fixed: `m` is not to be trained.
    """

    sql: Any
    m: float
    u: float
    weigh: str | None = None
    fixed: bool = False

    def made(self, *, weigh: bool) -> Any:
        """Return Splink's level."""
        level = levels.CustomLevel(self.sql) if isinstance(self.sql, str) else self.sql
        level.configure(m_probability=self.m, u_probability=self.u, fix_m_probability=self.fixed)
        if weigh and self.weigh:
            level.configure(tf_adjustment_column=self.weigh, disable_tf_exact_match_detection=True)
        return level


_Comparison = Callable[[bool], Any]


def _comparison(name: str, nothing: str, *steps: _Level) -> _Comparison:
    """Return what makes a comparison: `nothing` to compare, else the first of `steps` that holds."""

    def made(weigh: bool) -> Any:  # noqa: FBT001 -- see _Comparison
        null = levels.CustomLevel(nothing).configure(is_null_level=True)
        return comparisons.CustomComparison(
            output_column_name=name,
            comparison_levels=[null, *(step.made(weigh=weigh) for step in steps)],
        )

    return made


def _else(m: float, *, fixed: bool = False) -> _Level:
    return _Level(levels.ElseLevel(), m, 1 - 2e-2, fixed=fixed)


def _missing(*columns: str) -> str:
    """Return SQL: there is no column that both contacts have filled."""
    return " AND ".join(f"({column}_l IS NULL OR {column}_r IS NULL)" for column in columns)


def _close(column: str, slips: int = 1, long: int = _LONG) -> str:
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(least(length({left}), length({right})) >= {long}"
        f" AND abs(length({left}) - length({right})) <= {slips}"
        f" AND levenshtein({left}, {right}) <= {slips})"
    )


def _begins(column: str) -> str:
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"(substr({left}, 1, length({right})) = {right}"
        f" OR substr({right}, 1, length({left})) = {left})"
    )


def _holds(column: str) -> str:
    left, right = f"' ' || {column}_l || ' '", f"' ' || {column}_r || ' '"
    return f"(instr({left}, {right}) > 0 OR instr({right}, {left}) > 0)"


def _swapped() -> str:
    """Return SQL: one's first name is the other's last, and the others begin alike."""
    first, last = "first_name_key", "last_name_key"
    return " OR ".join(
        f"({one}_l = {other}_r AND substr({other}_l, 1, 1) = substr({one}_r, 1, 1))"
        for one, other in ((first, last), (last, first))
    )


_FIRST: Final = "first_name_key_l = first_name_key_r"
_LAST: Final = "last_name_key_l = last_name_key_r"
_FIRST_CLOSE: Final = f"({_close('given_name', 1, 4)} OR {_close('given_name', 2, 5)})"
_LAST_CLOSE: Final = f"({_close('last_name_key', 1, 4)} OR {_close('last_name_key', 2, 6)})"
_LAST_NEAR: Final = f"({_LAST_CLOSE} OR {_holds('last_name_key')})"
_FIRST_NEAR: Final = f"({_FIRST_CLOSE} OR {_begins('first_name_key')})"


def _names() -> _Comparison:

    nickname = levels.ArrayIntersectLevel("first_names", 1)
    and_last = levels.And(nickname, levels.CustomLevel(_LAST))
    and_near = levels.And(nickname, levels.CustomLevel(_LAST_NEAR))
    return _comparison(
        "names",
        _missing("name_key"),
        _Level("name_key_l = name_key_r", 0.6, 1e-5, "name_key"),
        _Level(and_last, 0.03, 1e-6, "last_name_key"),
        _Level(f"{_LAST} AND {_FIRST_CLOSE}", 0.06, 1e-6, "last_name_key"),
        _Level(f"{_LAST} AND {_begins('first_name_key')}", 0.06, 1e-5, "last_name_key"),
        _Level(f"{_FIRST} AND {_LAST_CLOSE}", 0.05, 1e-6, "first_name_key"),
        _Level(f"{_FIRST} AND {_holds('last_name_key')}", 0.05, 1e-6, "first_name_key"),
        _Level(and_near, 0.01, 1e-6, None),
        _Level(f"{_FIRST_NEAR} AND {_LAST_NEAR}", 0.01, 1e-5),
        _Level(f"{_LAST} AND {_missing('first_name_key')}", 0.05, 1e-5, "last_name_key"),
        _Level(_swapped(), 0.01, 1e-5),
        _Level(_FIRST, 0.02, 2e-3, "first_name_key"),
        # A family shares a last name and much besides, and a couple all but the name: that such
        # pairs are hardly ever one person is not to be learnt from how much else they share.
        _Level(_LAST, 1e-7, 2e-4, fixed=True),
        _Level(_close("name_key", 4, 10), 0.005, 1e-5),
        _else(1e-4, fixed=True),
    )


def _emails() -> _Comparison:
    return _comparison(
        "emails",
        _missing("email_key"),
        _Level("email_key_l = email_key_r", 0.55, 1e-5, "email_key"),
        _Level(_close("email_key", 2, 8), 0.05, 1e-6),
        _Level(
            "email_local_l = email_local_r AND length(email_local_l) >= 5",
            0.15,
            1e-4,
            "email_local",
        ),
        _else(0.25),
    )


def _mobiles() -> _Comparison:
    return _comparison(
        "mobiles",
        f"{_missing('mobile_key')} AND {_apart('mobile_key', 'phone_key')}",
        _Level("mobile_key_l = mobile_key_r", 0.7, 1e-5, "mobile_key"),
        _Level("phone_key_l = mobile_key_r OR mobile_key_l = phone_key_r", 0.05, 1e-5),
        _Level(_close("mobile_key", 1), 0.03, 1e-5),
        _else(0.2),
    )


def _apart(one: str, other: str) -> str:
    """Return SQL: neither contact's `one` equals the other's `other`."""
    return f"coalesce({one}_l <> {other}_r, TRUE) AND coalesce({other}_l <> {one}_r, TRUE)"


def _places() -> _Comparison:
    """Where somebody lives or works: one piece of evidence, which families and colleagues share."""
    area = "(postcode_key_l = postcode_key_r OR city_key_l = city_key_r)"
    return _comparison(
        "places",
        _missing(
            "street_key", "postcode_key", "city_key", "company_key", "few_email_domain", "phone_key"
        ),
        _Level("phone_key_l = phone_key_r", 0.2, 1e-5, "phone_key"),
        _Level(f"street_key_l = street_key_r AND {area}", 0.2, 1e-5, "street_key"),
        _Level("company_key_l = company_key_r", 0.1, 1e-5, "company_key"),
        _Level(f"{_close('street_key', 3, 8)} AND {area}", 0.05, 1e-5),
        _Level("few_email_domain_l = few_email_domain_r", 0.05, 1e-5, "few_email_domain"),
        _Level("postcode_key_l = postcode_key_r", 0.1, 1e-3, "postcode_key"),
        _Level("city_key_l = city_key_r", 0.1, 1e-2, "city_key"),
        _else(0.2),
    )


def _births() -> _Comparison:
    return _comparison(
        "births",
        _missing("birth_date"),
        _Level("birth_date_l = birth_date_r", 0.85, 1e-4, "birth_date"),
        _Level("levenshtein(birth_date_l, birth_date_r) <= 1", 0.06, 1e-3),
        _Level("levenshtein(birth_date_l, birth_date_r) <= 2", 0.04, 1e-2),
        _else(0.05),
    )


_COMPARED: Final = {
    ("name_key",): _names(),
    ("email_key",): _emails(),
    ("mobile_key",): _mobiles(),
    (
        *("street_key", "postcode_key", "city_key"),
        "company_key",
        "email_domain",
        "phone_key",
    ): _places(),
    ("birth_date",): _births(),
}
"""Columns, one of which must be filled → the comparison."""
