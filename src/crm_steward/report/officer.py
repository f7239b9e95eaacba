"""The weekly digest for the data-protection officer: consent, retention, erasure, the register."""

from __future__ import annotations

from crm_steward.report.digest import Digest
from crm_steward.report.pages import environment, inlined
from crm_steward.report.phrasing import LINES, bounds, phrasing
from crm_steward.report.render import Mail, shown_alike
from crm_steward.report.words import Words


def render_officer(digest: Digest, language: str) -> Mail:
    """Put what concerns data protection into words and colours.

    Args:
        digest: One week, as the report has it.
        language: `en` or `fr`.
    """
    words = Words(language, digest.zone)
    headline = _headline(digest, words)
    page = {
        **shown_alike(words),
        **phrasing(words),
        **bounds(LINES),
        "d": digest,
        "headline": headline,
    }
    return Mail(
        subject=words("officer.subject", week=str(digest.week.number), headline=headline),
        html=inlined(environment().get_template("officer.html").render(page)),
        text=environment().get_template("officer.txt").render(page),
    )


def _headline(digest: Digest, words: Words) -> str:
    """Return the one thing that matters: whose rights wait comes first."""
    objections, past = digest.consents.objections, sum(one.past for one in digest.retention.due)
    conflicts = sum(one.opposed for one in digest.consents.apart)
    choices = (
        (objections.late, "officer.late"),
        (digest.protection.returned, "officer.returned"),
        (objections.open, "officer.open"),
        (conflicts, "officer.conflicts"),
        (past, "officer.past"),
        (len(digest.protection.periods), "officer.periods"),
    )
    for count, key in choices:
        if count:
            return words(key, n=count)
    return words("officer.quiet")
