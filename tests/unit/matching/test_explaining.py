"""An explanation adds up to the score, for every pair and every thing that two records may be."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from crm_steward.matching import SHIPPED, matched
from crm_steward.matching.explaining import contributions, explain, explain_weakest
from crm_steward.matching.matches import Wanted, write_found
from crm_steward.matching.scoring import hypotheses
from crm_steward.model import RecordRef
from crm_steward.store.relation import relation_of_rows

FIRST = ("zoe", "paul", "pauline", "p", "jean paul", "ines")
LAST = ("quillfeather", "quilfeather", "oakenshaw", "paul", "brindle")


def row(number: int) -> dict[str, Any]:
    """Return an invented contact; those of near numbers have much in common."""
    first, last = FIRST[number % 6], LAST[number // 3 % 5]
    local = f"{first[0]}.{last}" if number % 2 else "info"
    domain = ("acme.example", "gmail.com")[number // 6 % 2]
    return {
        "connection": ("crm", "other")[number % 2],
        "id": str(number),
        "first_name_key": first,
        "last_name_key": last,
        "name_key": f"{first} {last}",
        "email_key": f"{local}@{domain}",
        "phone_key": f"+331234567{number // 4 % 9:02}",
        "company_key": ("acme", "acme france", "firm")[number // 5 % 3],
        "street_key": f"{number // 7 % 4} high street",
        "postcode_key": "69001",
        "city_key": ("lyon", "nice")[number // 8 % 2],
        "birth_date": number // 9 % 5 * 86_400_000_000,
    }


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    """Give eighty contacts."""
    return relation_of_rows([row(number) for number in range(80)])


def test_the_parts_make_up_the_score(con: duckdb.DuckDBPyConnection) -> None:
    """Of each hypothesis, for hundreds of pairs that agree and differ in all manners."""
    with matched(con, Wanted()) as work:
        for name, whole in hypotheses(SHIPPED).items():
            sum_of_parts = " + ".join(contributions(SHIPPED)[name].values())
            # Nobody is a colleague where no company is shared: then there is nothing to add up.
            where = f"{name} > -50"
            pairs, most = work.run(
                f"SELECT count(*), max(abs(({sum_of_parts}) - ({whole}))) "
                f"FROM matching.scored WHERE {where}"
            ).fetchall()[0]
            assert pairs > 100
            assert most < 0.001, name


def test_an_explanation_adds_up(con: duckdb.DuckDBPyConnection) -> None:
    """What the other possibilities take is never more than that all three are equally likely."""
    refs = [RecordRef(row(number)["connection"], str(number)) for number in (1, 2, 7, 31, 61)]
    for left in refs:
        for right in refs:
            if left == right:
                continue
            one = explain(con, Wanted(), left, right)
            assert one.bits == pytest.approx(
                one.prior + sum(part.bits for part in one.parts) + one.others
            )
            assert -1.6 < one.others < 0.01
            assert all(part.one_in >= 1 for part in one.parts)
            assert one == explain(con, Wanted(), right, left)


def test_the_evidence_of_a_group_says_why_of_its_weakest_pair(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """Where a person looks first, it is what `explain` says, rounded as it is shown; else nothing."""
    wanted = Wanted(at_least=0.2)
    with matched(con, wanted) as work:
        write_found(work, "found_here", sure_from=wanted.sure_from)
        explain_weakest(work, "found_here", wanted)
    rows = con.execute("SELECT evidence FROM found_here").fetchall()
    found = [json.loads(evidence) for (evidence,) in rows]
    said = [one for one in found if one["certainty"] == "review"]
    assert len(said) > 3
    for one in found:
        if one["certainty"] == "sure":
            assert one["weakest"] is None
            continue
        left, right = (RecordRef.parse(one["pairs"][0][side]) for side in ("left", "right"))
        whole, why = explain(con, wanted, left, right), one["weakest"]
        assert why["against"] == whole.against
        for name in ("bits", "prior", "others"):
            assert why[name] == pytest.approx(getattr(whole, name), abs=0.051)
        for short, part in zip(why["parts"], whole.parts, strict=True):
            assert (short["comparison"], short["level"]) == (part.comparison, part.level)
            assert short["bits"] == pytest.approx(part.bits, abs=0.051)
            assert short["one_in"] == pytest.approx(part.one_in, rel=0.51)


def test_what_a_person_decided_has_no_waterfall() -> None:
    """Nor has what another engine found, or nothing: there was no comparison."""
    con = relation_of_rows([row(1), row(20)])
    con.execute("INSERT INTO decisions VALUES ('crm', '20', 'other', '1', 'same')")
    with matched(con, Wanted(sure_from=0.99)) as work:
        write_found(work, "found_here", sure_from=0.99)
        explain_weakest(work, "found_here", Wanted())
    ((evidence,),) = con.execute("SELECT evidence FROM found_here").fetchall()
    assert json.loads(evidence)["weakest"] is None


def test_a_record_that_is_not_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    """Is named."""
    with pytest.raises(LookupError) as raised:
        explain(con, Wanted(), RecordRef("crm", "2"), RecordRef("crm", "none"))
    assert raised.value.args == (RecordRef("crm", "none"),)
