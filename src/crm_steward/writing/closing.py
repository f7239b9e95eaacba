"""Closing: tasks that we made are closed in the CRM once what they asked for is settled.

A task stands as long as its finding does. When a scan resolves the finding, because somebody put
the record right, because it is gone, or because the rule was changed or taken away, nobody should
go on working on it. A finding that comes back later gets a new task.
"""

from __future__ import annotations

from collections.abc import Mapping

from crm_steward.model import Ability, Capability, CloseTask
from crm_steward.rules import RuleBook
from crm_steward.store.database import Database
from crm_steward.store.tasks import MadeTask, settled_tasks
from crm_steward.writing.wanted import Candidate, Terms

_SETTLED = {"en": "what it asked for is settled", "fr": "ce qu'elle demandait est réglé"}
_RETIRED = {"en": "its rule no longer exists", "fr": "sa règle n'existe plus"}


def closings(
    database: Database, book: RuleBook, abilities: Mapping[str, Ability], language: str
) -> Mapping[str, list[Candidate]]:
    """Return by rule, the ones no longer there included, the closing of each task that is settled.

    Tasks in a connection that cannot close any are left to people, as they were before.

    Args:
        database: The store.
        book: The rules.
        abilities: What each enabled connection holds and can do.
        language: In which reasons are written.
    """
    rules = {rule.id: rule for rule in book.rules}
    terms: dict[str, Terms] = {}
    found: dict[str, list[Candidate]] = {}
    for task in settled_tasks(database):
        ability = abilities.get(task.change.ref.connection)
        if ability is not None and Capability.CLOSE_TASK in ability.can:
            if task.rule not in terms:
                rule = rules.get(task.rule)
                title = rule.title(language) if rule else ""
                # Nobody answers for what a rule asked that is gone: a person decides.
                terms[task.rule] = Terms(task.rule, rule, title)
            found.setdefault(task.rule, []).append(_closing(task, terms[task.rule], language))
    return found


def _closing(task: MadeTask, terms: Terms, language: str) -> Candidate:
    reason = (_SETTLED if terms.rule else _RETIRED)["fr" if language == "fr" else "en"]
    change = CloseTask(ref=task.change.ref, task=task.id, marker=task.change.marker, reason=reason)
    return Candidate(terms, task.finding, change.ref, change)
