"""Puts a digest into a mail: subject, HTML and text, in one language."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from shlex import quote
from typing import Any

from crm_steward.model import Severity
from crm_steward.report.beside import about, excerpt, judge
from crm_steward.report.countries import country_lines
from crm_steward.report.digest import (
    Coverage,
    Decision,
    Digest,
    Example,
    Figure,
    OwnerShare,
)
from crm_steward.report.fitting import LARGEST, SHORTER, SHORTEST, Shorter, first_fitting
from crm_steward.report.groups import Person
from crm_steward.report.pages import environment, inlined
from crm_steward.report.phrasing import bounds, phrasing
from crm_steward.report.sayings import left_out, say
from crm_steward.report.sources import reconciled
from crm_steward.report.tasks import task_lines, task_owner
from crm_steward.report.trend import HIGH, WIDE, Picture, picture
from crm_steward.report.usage import quota_lines
from crm_steward.report.waterfall import waterfall
from crm_steward.report.words import Words, plain, safe_link

_WAITING, _FIXES, _REASONS, _APPROVALS, _LACKING = 12, 5, 12, 4, 4
_OWN_WAY = frozenset({"task", "close_task", "suppress"})
"""Kinds of change of which it is said how they are taken back."""
_MINUS, _NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent.

    Args:
        subject: One line.
        html: A complete document.
        text: The same content as plain text.
        pictures: What the document shows by `cid:`.
        attached: File name → the content of an XLSX file.
    """

    subject: str
    html: str
    text: str
    pictures: tuple[Picture, ...] = ()
    attached: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def alone(self) -> str:
        """The document with its pictures inside: for a browser; mail programs show none of those."""
        html = self.html
        for one in self.pictures:
            inside = f"data:image/png;base64,{b64encode(one.png).decode()}"
            html = html.replace(f"cid:{one.name}", inside)
        return html


def render(digest: Digest, language: str) -> Mail:
    """Put `digest` into words and colours.

    Args:
        digest: One week.
        language: `en` or `fr`.
    """
    words = Words(language, digest.zone)
    page, html = _fitting(_page(digest, words))
    return Mail(
        subject=words("subject", week=str(digest.week.number), headline=page["headline"]),
        html=html,
        text=environment().get_template("weekly.txt").render(page),
        pictures=(page["trend_picture"],) if page["trend_picture"] else (),
    )


def _fitting(page: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the page and its HTML with as many groups of duplicates, examples and charts as fit.

    The text part shows the same groups, rules and lines, and all examples.
    """
    digest: Digest = page["d"]

    def shortened(shorter: Shorter) -> tuple[dict[str, Any], str] | None:
        cut: dict[str, Any] = {
            "rules": digest.rules[: shorter.rules],
            "more_rules": digest.rules[shorter.rules :],
            "groups": digest.twins.groups[: shorter.groups],
            "pictures": shorter.pictures,
            **bounds(shorter.lines),
        }
        fewer = [replace(rule, examples=rule.examples[: shorter.examples]) for rule in cut["rules"]]
        here = {**page, **cut, "rules": fewer, "charts": shorter.charts}
        html = inlined(environment().get_template("weekly.html").render(here))
        return ({**page, **cut}, html) if len(html.encode()) <= LARGEST else None

    for steps in (SHORTER, SHORTEST):
        found = first_fitting(steps, shortened)
        if found is not None:
            return found
    raise ValueError(f"the report of {digest.week} does not fit into a mail")


def shown_alike(words: Words) -> dict[str, Any]:
    """Return what templates of every mail use to show findings and records."""
    return {
        "t": words,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "example_line": lambda example: _line(example, words),
        "say": lambda example: _said(example, words),
        "title": lambda titles: title(titles, words),
        "label": label,
    }


def _page(digest: Digest, words: Words) -> dict[str, Any]:
    return {
        **shown_alike(words),
        "d": digest,
        "headline": headline(digest, words),
        "hero": digest.figures[0] if digest.figures else None,
        "contacts": sum(source.contacts for source in digest.coverage.sources),
        "gaps": _gaps(digest.coverage, words),
        "reconciled": lambda source: reconciled(source, words),
        "most_waiting": _WAITING,
        "most_fixes": _FIXES,
        "how_to_decide": how_to_decide,
        "undo": lambda fixes: f"crm-steward undo {quote(plain(fixes.run, 80))} --yes",
        "heights": heights,
        "trend_picture": _picture(digest),
        "wide": WIDE,
        "high": HIGH,
        "first": digest.figures[0].before is None if digest.figures else True,
        "undoable": lambda item: undoable(item.kind, item.reversibility),
        "most": max((rule.movement.open for rule in digest.rules), default=0),
        "country_lines": country_lines(digest.countries, words),
        "task_lines": task_lines(digest.tasks, words),
        "task_owner": lambda owner: task_owner(owner, words),
        "quota_lines": quota_lines(digest.quotas, words),
        "owner_name": lambda owner: _owner(owner, words),
        "value": lambda figure, number: _value(figure, number, words),
        "delta": lambda figure: _delta(figure, words),
        "trend": lambda figure: _trend(figure, words),
        "by_kind": lambda counts: by_kind(counts, words),
        "mood": mood,
        "about_group": lambda group: about(group, words),
        "excerpt": lambda group: excerpt(group, words),
        "waterfall": lambda link: waterfall(link, words),
        "judge": judge,
        **phrasing(words),
    }


def _picture(digest: Digest) -> Picture | None:
    """Draw the headline's weeks."""
    if not digest.figures:
        return None
    values = list(digest.figures[0].values.values())
    return picture(values, heights(values, 100))


def headline(digest: Digest, words: Words) -> str:
    """Return the one thing that matters this week: first what a person must act upon."""
    if digest.coverage.broken:
        return words("headline.rules")
    troubled = digest.coverage.troubled
    if troubled:
        return words("headline.trouble", n=len(troubled), connection=troubled[0].connection)
    if digest.coverage.halts or digest.coverage.restored:
        return words("headline.stopped")
    if digest.consents.objections.late:
        return words("officer.late", n=digest.consents.objections.late)
    if digest.decision and digest.decision.total:
        return words("headline.decision", n=digest.decision.total)
    return _news(digest, words)


def _news(digest: Digest, words: Words) -> str:
    serious = sum(rule.movement.new for rule in digest.rules if rule.severity >= Severity.HIGH)
    moved, clean = digest.movement, digest.figures[0].now if digest.figures else None
    if clean is None:
        return words("headline.empty")
    choices = (
        (serious, "headline.serious"),
        (moved.new + moved.reopened, "headline.new"),
        (moved.resolved, "headline.resolved"),
    )
    for count, key in choices:
        if count:
            return words(key, n=count)
    if not moved.open and not digest.sleep.snoozed:
        return words("headline.clean")
    return words("headline.quiet", clean=words.percent(clean))


def how_to_decide(decision: Decision) -> list[str]:
    """Return the commands that show a plan, and that approve and write one rule's part or all."""
    apply = f"crm-steward apply {decision.plan}"
    rules = dict.fromkeys(item.rule for item in decision.waiting)
    approve = [f"{apply} --approve {quote(plain(rule, 80))} --yes" for rule in rules]
    if len(approve) > 1:
        approve = [*approve[:_APPROVALS], f"{apply} --approve all --yes"]
    return [f"{apply} --all", *approve]


def undoable(kind: str, reversibility: str) -> str:
    """Return under which name the catalogue says how a kind of change can be taken back."""
    return kind if kind in _OWN_WAY else str(reversibility)


def by_kind(counts: Mapping[str, int], words: Words) -> str:
    """Return how many changes of each kind: 3 corrections and 1 merge."""
    return words.listed([words(f"change.{kind}", n=count) for kind, count in counts.items()])


def title(titles: Any, words: Words) -> str:
    """Return a rule's title in the reader's language."""
    return plain(titles.get(words.language) or next(iter(titles.values()), ""), 120)


def label(person: Person) -> str:
    """Return what a record is called: its name or its id; both where no link tells which it is."""
    name, ref = plain(person.name, 60), plain(f"{person.connection}:{person.id}", 60)
    if not name:
        return ref
    return name if safe_link(person.url) else f"{name} ({ref})"


def mood(figure: Figure) -> str:
    """Return `good`, `bad` or `even`: how a figure moved since last week."""
    now, before = figure.now, figure.before
    if now is None or before is None or figure.better is None or _still(figure):
        return "even"
    return "good" if (now > before) == (figure.better == "up") else "bad"


def _still(figure: Figure) -> bool:
    digits = 3 if figure.share else 0
    return round((figure.now or 0) - (figure.before or 0), digits) == 0


def _skipped(skipped: Iterable[tuple[str, int]], words: Words) -> list[str]:
    """Return for each connection the fields that it lacks and rules ask for."""
    lacking: dict[str, list[str]] = {}
    for missing, count in skipped:
        connection, _, name = missing.partition(": ")
        field = words("gaps.field", n=count, field=words.field(name))
        lacking.setdefault(connection, []).append(field)
    lines = []
    for connection, fields in list(lacking.items())[:_REASONS]:
        shown = fields[:_LACKING]
        if len(fields) > len(shown):
            shown.append(words("gaps.fields", n=len(fields) - len(shown)))
        lines.append(words("gaps.skipped", connection=connection, fields=words.listed(shown)))
    return lines


def _gaps(coverage: Coverage, words: Words) -> list[str]:
    """Return one line for everything that was left out."""
    lines = [
        words("gaps.quarantined", n=count, connection=connection, reason=reason)
        for connection, reason, count in coverage.quarantined[:_REASONS]
    ]
    lines += [
        words("gaps.set_aside", n=count, connection=connection, reason=reason)
        for connection, reason, count in coverage.set_aside[:_REASONS]
    ]
    lines += [
        words("gaps.withheld", n=count, reason=words.find(f"withheld.{reason}") or reason)
        for reason, count in coverage.withheld[:_REASONS]
    ]
    lines += [
        words("gaps.left_out", n=count, reason=left_out(reason, words))
        for reason, count in coverage.left_out[:_REASONS]
    ]
    lines += _skipped(coverage.skipped, words)
    lines += [words("gaps.missed", n=n, connection=name) for name, n in coverage.missed[:_REASONS]]
    for name in ("unsettled", "refused", "conflicts"):
        count = getattr(coverage, name)
        if count:
            lines.append(words(f"gaps.{name}", n=count))
    return lines


def _said(example: Example, words: Words) -> str:
    members = len(example.people) + example.more
    return say(example.kind, example.evidence, words, members)


def _line(example: Example, words: Words) -> str:
    """Return an example of the text part: who, then what."""
    who = ", ".join(label(person) for person in example.people)
    if example.more:
        who += f" {words('members.more', n=example.more)}"
    what = _said(example, words)
    return f"{who} {_NOTHING} {what}" if what else who


def _owner(owner: OwnerShare, words: Words) -> str:
    if not owner.owner:
        return words("owners.nobody")
    return plain(owner.name, 60) or words("owners.unknown", id=plain(owner.owner, 40))


def _value(figure: Figure, number: float | None, words: Words) -> str:
    if number is None:
        return _NOTHING
    return words.percent(number) if figure.share else words.number(number)


def _delta(figure: Figure, words: Words) -> str:
    """Write the change since last week with its sign; a dash when there is nothing to compare."""
    if figure.now is None or figure.before is None:
        return _NOTHING
    change = (figure.now - figure.before) * (100 if figure.share else 1)
    digits = 1 if figure.share else 0
    change = round(change, digits)
    sign = "+" if change > 0 else _MINUS if change < 0 else "±"
    return f"{sign}{words.number(abs(change), digits)}"


def _trend(figure: Figure, words: Words) -> str:
    if figure.now is None or figure.before is None:
        return words("trend.first")
    if _still(figure):
        return words("trend.same")
    points = words.points(abs(figure.now - figure.before))
    return words("trend.up" if figure.now > figure.before else "trend.down", points=points)


def heights(values: Sequence[float | None], tallest: int) -> list[int | None]:
    """Return the height of each bar of a small chart, in pixels; None where nothing was measured.

    The chart starts at zero unless all values lie close together, which would show nothing: then
    it starts at half the distance below the smallest.
    """
    known = [value for value in values if value is not None]
    if not known or max(known) <= 0:
        return [None if value is None else 1 for value in values]
    low, high = min(known), max(known)
    floor = max(0.0, low - (high - low)) if low > high / 2 else 0.0
    span = (high - floor) or high
    return [
        None if value is None else max(2, round((value - floor) / span * tallest))
        for value in values
    ]
