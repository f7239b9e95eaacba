"""What a finding says on one line of a terminal, for the person who may see the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_steward.cli.changes import plain

if TYPE_CHECKING:
    from crm_steward.model import Finding
    from crm_steward.report.words import Words


def in_words(finding: Finding, words: Words) -> str:
    """Return what a finding says: the report's words, and for a format what would be written.

    Evidence of a check kind that is not known here is listed as it is.

    Args:
        finding: What a rule found.
        words: The reader's language.
    """
    from crm_steward.report.sayings import say

    evidence = finding.evidence
    if finding.kind == "format" and evidence.get("now") is not None:
        said = say("format", {**evidence, "proposed": None}, words)
        values = [plain(evidence[name], 60) for name in ("now", "proposed") if evidence.get(name)]
        return f"{plain(said)} ({' → '.join(values)})"
    said = say(finding.kind, evidence, words, len(finding.refs))
    return plain(said or ", ".join(f"{name}: {value}" for name, value in evidence.items()), 200)
