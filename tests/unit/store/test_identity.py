"""A group that gains or loses a member is still the same finding: its task and its snooze stay."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.whole import some

from crm_steward.model import Clock, Finding, RecordRef, Severity
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings, StoredFinding
from crm_steward.store.recording import FindingCounts

HOME = {**dict.fromkeys("abcd", "one"), **dict.fromkeys("efg", "two")}
"""Record → the connection that it is in."""


def ref(name: str) -> RecordRef:
    """Return the reference of a record."""
    return RecordRef(HOME[name], name)


def group(names: str, rule_id: str = "twins", about: str = "") -> Finding:
    """Return an invented finding about a group; its evidence does not tell who belongs to it."""
    refs = tuple(sorted(map(ref, names)))
    return Finding(
        rule=rule_id, kind="duplicates", severity=Severity.LOW, refs=refs, about=about, evidence={}
    )


def record(
    database: Database, now: datetime, *found: Finding, examined: frozenset[str] | None = None
) -> FindingCounts:
    """Record a scan of the rule `twins`."""
    here = {"twins": examined or frozenset({"one", "two"})}
    return Findings(database).record(here, found, now=now)


def members(stored: StoredFinding) -> str:
    """Return the names of a finding's records."""
    return "".join(sorted(one.id for one in stored.finding.refs))


def standing(database: Database) -> dict[str, StoredFinding]:
    """Return what stands: the members → the finding."""
    return {members(stored): stored for stored in Findings(database).open()}


def lives(database: Database, clock: Clock, *scans: tuple[str, ...]) -> list[dict[str, str]]:
    """Return, for each scan that finds these groups, under which fingerprint each is known."""
    seen = []
    for found in scans:
        clock.forward(hours=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
        record(database, clock(), *map(group, found))
        seen.append({who: one.finding.fingerprint for who, one in standing(database).items()})
        assert set(seen[-1]) == set(found)
    return seen


def test_a_third_record_joins_and_leaves(database: Database, clock: Clock) -> None:
    """One finding all along, first seen at the beginning, opened once."""
    since = clock() + timedelta(hours=1)
    first, more, less, other = lives(database, clock, ("ab",), ("abc",), ("bc",), ("bcd",))
    assert {first["ab"], more["abc"], less["bc"], other["bcd"]} == {group("ab").fingerprint}
    (stored,) = standing(database).values()
    assert (stored.first_seen_at, stored.openings) == (since, 1)
    again = record(database, clock(), group("bcd"))
    assert (again.new, again.standing, again.resolved, again.reopened) == (0, 1, 0, 0)


def test_a_split_leaves_the_identity_to_the_larger_part(database: Database, clock: Clock) -> None:
    """The smaller part is new; between equals the first record decides."""
    before, after, halves = lives(database, clock, ("abcde",), ("ab", "cde"), ("ab", "cde"))
    assert after["cde"] == before["abcde"] != after["ab"]
    assert halves == after
    before, after = lives(database, clock, ("abcd",), ("ab", "cd"))
    assert after["ab"] == before["abcd"] != after["cd"]


def test_a_join_keeps_the_older_of_two(database: Database, clock: Clock) -> None:
    """The larger share first, then who stood for longer; the other is resolved."""
    _, before, after = lives(database, clock, ("cd",), ("ab", "cd"), ("abcd",))
    assert after["abcd"] == before["cd"]
    assert Findings(database).resolved([before["ab"]]) == {before["ab"]}


def test_half_of_the_members_is_not_most(database: Database, clock: Clock) -> None:
    """Whoever leaves for somebody else is another group."""
    before, after = lives(database, clock, ("ab",), ("bc",))
    assert before["ab"] != after["bc"]


def test_a_group_that_changed_disappears_and_comes_back(database: Database, clock: Clock) -> None:
    """As itself, whatever its members were at first: whoever snoozed it finds it snoozed."""
    before, _, _, after = lives(database, clock, ("ab",), ("abc",), (), ("abc",))
    assert before["ab"] == after["abc"]
    assert standing(database)["abc"].openings == 2


def test_who_takes_over_the_first_members_gets_a_name_of_its_own(
    database: Database, clock: Clock
) -> None:
    """A group of the members that another began with, while that one stands, and later again."""
    first, *_, both, again = lives(
        database, clock, ("ab",), ("abc",), ("bcd",), ("cde",), ("ab", "cde"), ("ab", "cde")
    )
    assert both["cde"] == first["ab"] != both["ab"]
    assert again == both


def test_other_rules_and_fields_are_other_groups(database: Database, clock: Clock) -> None:
    """Nothing is taken over from what is said of another field."""
    record(database, clock(), group("ab", about="phone"))
    done = record(database, clock(), group("abc", about="owner"))
    assert (done.new, done.resolved, done.standing) == (1, 1, 0)


Partition = st.lists(st.integers(0, 3), min_size=7, max_size=7)


class Groups(RuleBasedStateMachine):
    """Groups split, join, vanish and come back; what stands is compared with a model of the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database.open("sqlite://")
        self.now = datetime.fromisoformat("2026-11-16T08:00:00+00:00")
        self.open: dict[str, StoredFinding] = {}

    @rule(labels=Partition, whole=st.booleans())
    def scan(self, labels: list[int], whole: bool) -> None:
        """Find the groups of records with the same label, on both connections or on one."""
        examined = frozenset({"one", "two"} if whole else {"one"})
        here = [name for name in HOME if HOME[name] in examined]
        parts = [
            "".join(n for n, label in zip(here, labels, strict=False) if label == one)
            for one in range(3)
        ]
        found = [part for part in parts if len(part) > 1]
        self.now += timedelta(hours=1)
        done = record(self.database, self.now, *map(group, found), examined=examined)
        after = standing(self.database)
        asleep = {
            who: one for who, one in self.open.items() if not {HOME[n] for n in who} <= examined
        }
        inherited = self._heirs(found, asleep)

        assert set(after) == set(found) | set(asleep)
        assert all(after[who] == one for who, one in asleep.items())
        for who in found:
            heir_of = inherited.get(who)
            mark = after[who].finding.fingerprint
            if heir_of is None:
                assert mark not in {one.finding.fingerprint for one in self.open.values()}
                assert after[who].first_seen_at == self.now
            else:
                before = self.open[heir_of]
                assert mark == before.finding.fingerprint
                assert after[who].first_seen_at == before.first_seen_at
                assert after[who].openings == before.openings
        assert done.standing == len(inherited)
        assert done.new + done.reopened == len(found) - len(inherited)
        assert done.resolved == len(self.open) - len(asleep) - len(inherited)
        self.open = after

    def _heirs(self, found: list[str], asleep: dict[str, StoredFinding]) -> dict[str, str]:
        """Return which group is which of those that stood, by the rules as the page states them."""
        before = {who: one for who, one in self.open.items() if who not in asleep}
        heirs = {who: who for who in found if who in before}
        common = Counter(
            {
                (new, old): len({*new} & {*old})
                for new in found
                for old in before
                if new not in heirs and old not in heirs
            }
        )
        order = sorted(
            (pair for pair, n in common.items() if 2 * n > min(map(len, pair))),
            key=lambda pair: (
                -common[pair],
                before[pair[1]].first_seen_at,
                before[pair[1]].finding.fingerprint,
                min(map(ref, pair[0])),
            ),
        )
        for new, old in order:
            if new not in heirs and old not in heirs.values():
                heirs[new] = old
        return heirs

    def teardown(self) -> None:
        self.database.close()


TestGroups = Groups.TestCase
TestGroups.settings = settings(max_examples=some(25, 8), stateful_step_count=12, deadline=None)
