"""Planning is a function of mirror, findings, journal, rules and limits, and of nothing else.

How many findings are read at a time, and what is not asked of the journal because it cannot know,
must not show. The slow way that planning took at first is kept here and makes the same plans: each
finding and its contacts read alone, tasks worded whether they are planned or not, and the journal
and all limits asked about every one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from operator import itemgetter

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.property.office import WIDE, Office
from tests.property.test_actions import RULES, office

from crm_steward.model import (
    ArchiveRecord,
    CreateTask,
    MergeRecords,
    Plan,
    UpdateFields,
    Value,
    change_key,
    kind_of,
)
from crm_steward.rules import Rule, RuleBook
from crm_steward.settings import Limits
from crm_steward.store import standing
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.held import held
from crm_steward.store.journal import State
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans
from crm_steward.store.redirects import merged_away
from crm_steward.store.snoozes import asleep
from crm_steward.store.standing import Standing
from crm_steward.testing import Fault
from crm_steward.writing import Budget, PlanResult, Why, Withheld, plan, tried
from crm_steward.writing.candidates import Told
from crm_steward.writing.compare import canonical, touched
from crm_steward.writing.places import Place, places_of
from crm_steward.writing.propose import Proposer
from crm_steward.writing.tried import History
from crm_steward.writing.wanted import Candidate

BY_KIND = {
    kind: [rule for rule in RULES if rule.entries[0].name == kind]
    for kind in ("task", "update", "tag", "suppress", "archive", "merge")
}
BOOKS = st.tuples(*(st.sampled_from(rules) for rules in BY_KIND.values())).map(RuleBook)
"""Books that ask for every kind of action."""
LIMITS = st.builds(
    lambda run, canary: WIDE.model_copy(update={"max_changes_per_run": run, "canary": canary}),
    st.sampled_from([0, 1, 7, 10_000]),
    st.sampled_from([0, 2, 1000]),
)


def one_by_one(
    database: Database,
    rules: Sequence[Rule],
    settled: Mapping[str, Sequence[Candidate]],
    proposer: Proposer,
    *,
    told: Told,
) -> tuple[list[Candidate], list[Withheld]]:
    """Ask each rule about each of its findings, each read alone; every task is worded at once."""
    findings, mirror = Findings(database), Mirror(database)
    looks = findings.looks()
    turns: list[tuple[int, int, int, Candidate]] = []
    withheld: list[Withheld] = []
    for place, rule in enumerate(rules):
        found: list[tuple[datetime, str, Candidate]] = []
        for stored in findings.open(rule=rule.id, only=~asleep(proposer.now)):
            looked, refs = looks.get(rule.id, {}), stored.finding.refs
            knowing = Proposer(
                contacts=mirror.contacts(refs), changed=held(database, refs).changed,
                abilities=proposer.abilities, people=proposer.people, language=proposer.language,
                now=proposer.now, nobody=proposer.nobody,
            )  # fmt: skip
            names = {ref.connection for ref in refs}
            if any(map(rule.asks_in, names)) and any(
                name not in looked or looked[name].digest != rule.sight for name in names
            ):
                mark, ref = stored.finding.fingerprint, refs[0]
                withheld.append(Withheld(rule.id, mark, ref, Why.EDITED))
                continue
            seen = stored.last_seen_at
            ats = [looked[name].at for name in names if name in looked]
            again = Standing.of(
                stored.finding,
                since=to_micros(stored.first_seen_at),
                seen=to_micros(max(seen, min(ats, default=seen))),
                openings=stored.openings,
            )
            for one in knowing.propose(again, rule):
                if isinstance(one, Candidate):
                    whole = one._replace(made=knowing.worded(one).change)
                    found.append((stored.first_seen_at, one.finding, whole))
                else:
                    withheld.append(one)
            told(1)
        found.sort(key=itemgetter(0, 1))
        queue = [*(one for *_, one in found), *settled.get(rule.id, ())]
        turns += [(turn, -rule.severity, place, one) for turn, one in enumerate(queue)]
    others = sorted(settled.keys() - {rule.id for rule in rules})
    for place, name in enumerate(others, start=len(rules)):
        turns += [(turn, 0, place, one) for turn, one in enumerate(settled[name])]
    turns.sort(key=itemgetter(0, 1, 2))
    return [candidate for *_, candidate in turns], withheld


def wishes_of_all(candidates: Sequence[Candidate]) -> Mapping[Place, Mapping[Value, str]]:
    """Hold every rule against every other, places that one alone claims included."""
    wishes: dict[Place, dict[Value, str]] = {}
    for one in candidates:
        if isinstance(one.made, UpdateFields):
            wanted = {(one.ref, name): canonical(v) for name, v in one.made.values.items()}
        elif isinstance(one.made, MergeRecords | ArchiveRecord):
            wanted = dict.fromkeys(places_of(one), one.key)
        else:
            continue
        for place, value in wanted.items():
            wishes.setdefault(place, {}).setdefault(value, one.rule)
    return {place: wanted for place, wanted in wishes.items() if len(wanted) > 1}


def asked_about_each(
    history: History, candidate: Candidate, rest: Candidate
) -> tuple[Why, str] | None:
    """Ask the journal about every key of one candidate."""
    journal = history.journal
    instead = [change_key(replace(candidate.change, ref=ref)) for ref in candidate.others]
    keys = {candidate.key, rest.key, *instead, *tried.first_keys(rest.made)}
    standings = journal.standings(keys)
    busy = touched(standing.intent.change for standing in journal.under_way())
    away = merged_away(journal.database)
    known = standings.get(rest.key)
    if isinstance(rest.made, CreateTask) and known and known.state is State.VERIFIED:
        return Why.TASK_STANDS, ""
    return (
        tried.tried(known, busy, rest, history.aside)
        or tried.first_tried(rest, standings, busy, history.aside)
        or tried.merged_already(rest, away)
        or tried.elsewhere(standings.get(key) for key in instead)
    )


def admitted_by_all(budget: Budget, candidate: Candidate, digest: str) -> tuple[Why, str] | None:
    """Ask every limit about every candidate."""
    budget._refusals.clear()
    return ADMIT(budget, candidate, digest)


ADMIT = Budget.admit


@contextmanager
def the_slow_way() -> Iterator[None]:
    """Plan as at first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "candidates", one_by_one)
        patch.setattr(plan, "wishes_of", wishes_of_all)
        patch.setattr(Budget, "admit", admitted_by_all)
        patch.setattr(History, "forbids", asked_about_each)
        yield


def lived(here: Office, draw: random.Random, book: RuleBook) -> RuleBook:
    """Let an office write, lose answers, and see people edit; return the book as it was scanned."""
    here.crm.faults.extend(draw.choice((None, *Fault)) for _ in range(8))
    here.round(book.rules)
    for name in sorted(here.crm.records):
        if draw.random() < 0.3:
            here.crm.edit(name, city=draw.choice(["Paris", "Lyon", None]), email=None)
    here.pull()
    return here.scan(book.rules)


def told(result: PlanResult) -> tuple[object, ...]:
    """Return all that a person or a program reads of a plan."""
    made = result.plan
    return made.to_json(), result.withheld, result.used, result.live, result.nobody


@pytest.mark.long
@settings(max_examples=6)
@given(
    seed=st.integers(0, 10**9), book=BOOKS, limits=LIMITS, page=st.sampled_from([1, 2, 5, 2_000])
)
def test_a_plan_is_what_the_slow_way_makes_of_the_same(
    seed: int, book: RuleBook, limits: Limits, page: int
) -> None:
    """The same changes in the same order, the same reasons, counts and hash, whatever a page holds.

    In a base that was written to before, with lost answers and refusals, and edited since.
    """
    draw = random.Random(seed)  # noqa: S311 -- invented contacts
    with office(draw) as here, pytest.MonkeyPatch.context() as patch:
        book = lived(here, draw, book)
        patch.setattr(standing, "PAGE", page)
        fast = here.plan(book, limits, save=False)
        with the_slow_way():
            slow = here.plan(book, limits, save=False)
        assert told(fast) == told(slow)
        for one in fast.plan.changes:
            event(f"planned {kind_of(one.change)}")
        for one in fast.withheld:
            event(f"withheld {one.why}")


@pytest.mark.long
@settings(max_examples=4)
@given(seed=st.integers(0, 10**9), book=BOOKS, limits=LIMITS)
def test_a_plan_reads_back_as_it_was_made(seed: int, book: RuleBook, limits: Limits) -> None:
    """What is stored, once as text, is the plan that was returned, and makes the hash it bears."""
    with office(random.Random(seed)) as here:  # noqa: S311 -- invented contacts
        here.pull()
        made = here.plan(here.scan(book.rules), limits).plan
        stored = Plans(here.database).get(made.hash)
        assert stored is not None
        assert stored.plan.to_json() == made.to_json()
        assert json.loads(made.to_text()) == made.to_json()
        assert made.to_text() == json.dumps(made.to_json(), sort_keys=True, ensure_ascii=False)
        assert not stored.altered
        otherwise = Plan.from_text(json.dumps(made.to_json(), indent=1))
        assert (otherwise.to_json(), otherwise.hash) == (made.to_json(), made.hash)
        with pytest.raises(ValueError, match="line 1"):
            Plan.from_text(made.to_text()[:-1])
        assert replace(stored.plan, mirror="another").hash != made.hash
