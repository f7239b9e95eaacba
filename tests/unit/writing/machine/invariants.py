"""What holds after each step, whatever happened. Each function is one of I1 to I10.

They are judged by what the CRM saw and by the files, not by what the code under test says of itself.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.unit.writing.machine.crm import NAME, Effect
from tests.unit.writing.machine.office import DAILY, Office

from crm_steward.model import ArchiveRecord, Contact, CreateTask, MergeRecords, stopping
from crm_steward.store.journal import Journal, State
from crm_steward.store.mirror import Mirror
from crm_steward.store.verifying import verify
from crm_steward.writing.write import FRESH

_DAY = timedelta(hours=24)
_ONCE_EVER = (CreateTask, MergeRecords, ArchiveRecord)
"""What cannot be told apart from a second time by looking at the record, or cannot be taken back."""


def nothing_is_verified_twice(office: Office) -> None:
    """I1: no line of the journal says twice of a change that it took effect.

    A change is its key, and what it takes back. The journal's chain holds, too: a line that was
    cut out could not be missed.
    """
    lines = Journal(office.database).lines(state=State.VERIFIED)
    again = Counter((line.key, line.undoes) for line in lines)
    assert all(number == 1 for number in again.values()), "I1: verified twice"
    assert verify(office.database).sound, "I1: the journal's chain is broken"


def nothing_takes_effect_twice(office: Office) -> None:
    """I2: in the CRM, each change took effect at most once.

    Tasks (by their marker), merges and archivings once for ever, also when the database was
    replaced by a copy that had forgotten them. Updates and suppressions once in what the present
    database can know: a copy that forgot an update may make it again, where a person has put back
    what it expects (I5 sees to the rest); a suppression made twice is one.
    """
    ever = Counter(_identity(one) for one in office.crm.sent if isinstance(one.change, _ONCE_EVER))
    assert all(number == 1 for number in ever.values()), "I2: took effect twice"
    known = Counter((_identity(one), _undone(one)) for one in office.known)
    assert all(number == 1 for number in known.values()), "I2: took effect twice"


def _identity(effect: Effect) -> str:
    return effect.change.marker if isinstance(effect.change, CreateTask) else effect.key


def _undone(effect: Effect) -> tuple[int | None, ...]:
    return tuple(line.undoes for line in effect.intents)


def nothing_is_sent_without_intent(office: Office) -> None:
    """I3: whatever took effect stood on disk as an intent without an answer, and was allowed.

    Allowed means: a person approved it in the plan it came from, where its rule only proposes;
    and nothing stopped writing as the call was let go, no person, no file, no frozen source.
    """
    for effect in office.crm.sent:
        assert effect.intents, "I3: sent without a durable intent"
        for line in effect.intents:
            proposed = line.rule == "left" and line.undoes is None
            assert not proposed or line.key in effect.approvals, "I3: nobody agreed"
            halt = stopping(effect.halts, NAME, line.rule, line.key)
            assert halt is None, "I3: sent while writing was stopped"
            assert line.undoes is not None or not effect.frozen, "I3: the source had shrunk"


def nothing_is_sent_under_a_lost_lease(office: Office) -> None:
    """I4: as each call was let go, the lease was still the one its intent was written under.

    The one moment that no lease can cover is the call itself; a process that falls asleep there
    holds its request in its hand. Before and after it, waking up late must be noticed.
    """
    for effect in office.crm.sent:
        assert set(effect.epochs) == {effect.epoch}, "I4: sent by a process that was overtaken"


def nobody_is_overwritten(office: Office) -> None:
    """I5: an update found what it expected, but for what a person wrote within the declared window.

    The window is from the reading to the call: five seconds at most. What a person writes while the
    call is under way nobody can see.
    """
    for effect in office.crm.sent:
        if effect.over:
            assert effect.unseen is not None, "I5: overwritten, and it could be seen"
            assert effect.unseen <= FRESH, "I5: overwritten outside the window"


def limits_hold(office: Office) -> None:
    """I6: no more than the limit in 24 hours, those that an older copy has forgotten included.

    Counted at each write, by our clock, which may be wrong: the 24 hours before that moment. What
    seems to lie after it counts until a day after the clock last went back. Undoing does not count.
    """
    sent = list(enumerate(office.crm.sent))
    counted = [(number, effect.at) for number, effect in sent if not effect.undoes]
    for place, (number, at) in enumerate(counted):
        within = 0
        for earlier, one in counted[: place + 1]:
            back = [moment for n, moment in office.set_back if earlier < n <= number]
            noticed = back[-1] if one > at and back else one
            within += noticed > at - _DAY
        assert within <= DAILY, "I6: more than the daily limit"


def nobody_becomes_reachable(office: Office) -> None:
    """I7: no change of ours made an address reachable that had not been; undoing included."""
    assert not any(effect.loosened for effect in office.crm.sent), "I7: loosened"


def nothing_unseen_is_skipped(office: Office) -> None:
    """I8: whatever the mirror does not hold as it is, the next read of changes will bring.

    The fake's cursor is the number of an edit; it shows changes at once, so that the overlap of
    real connectors, which have an index that lags, is none here (the contract suite proves theirs).
    """
    cursor = int(Mirror(office.database).cursor(NAME) or 0)
    mirrored = {ref.id: contact for ref, contact in office.mirrored().items()}
    for name, number in office.crm.touched.items():
        same = _said(mirrored.get(name)) == _said(office.crm.records.get(name))
        hidden = name in office.crm.hidden
        assert same or hidden or number > cursor, "I8: a change was read over"


def _said(contact: Contact | None) -> tuple[object, ...]:
    """Return what a record says; a new revision of the same says nothing new."""
    if contact is None:
        return ()
    names = ("first_name", "last_name", "email", "job_title", "company", "consent_email")
    return tuple(contact.value(name) for name in names)


def reports_come_once(office: Office) -> None:
    """I9: one report per week, and at most one more where its answer was lost, or we died over it.

    A mail is known by its Message-ID, which follows from its week. A database that was replaced by
    an older copy may not know that it was sent: then it does not come at all.
    """
    for week, number in Counter(office.post.taken).items():
        most = 2 if week in office.post.doubted else 1
        assert number <= most, "I9: a report came too often"


def erased_people_are_nowhere(office: Office) -> None:
    """I10: in no file of ours is anything of a person who was erased, not in the free pages either.

    Copies that were made before are not ours to change; they are kept for 35 days at most. One that
    is put back is cleaned by `restore`, or, put there by hand, before anything is written.
    """
    if office.unreplayed or not office.erased:
        return
    copies = {kept.path for kept in office.copies}
    for path in office.folder.iterdir():
        if path not in copies:
            content = path.read_bytes().lower()
            assert not any(mark.lower().encode() in content for mark in office.erased), "I10"


INVARIANTS = (
    nothing_is_verified_twice,
    nothing_takes_effect_twice,
    nothing_is_sent_without_intent,
    nothing_is_sent_under_a_lost_lease,
    nobody_is_overwritten,
    limits_hold,
    nobody_becomes_reachable,
    nothing_unseen_is_skipped,
    reports_come_once,
    erased_people_are_nowhere,
)
