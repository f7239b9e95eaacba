"""How one name becomes a first and a last one."""

from __future__ import annotations


def split(name: str, rule: str) -> tuple[str | None, str | None]:
    """Part a name.

    Args:
        name: First and last name, or one of the two.
        rule: `first` cuts behind the first word, `last` before the last.

    Returns:
        First and last name; a single word is the first name.
    """
    words = name.split(" ")
    if len(words) == 1:
        return name, None
    if rule == "last":
        return " ".join(words[:-1]) or None, words[-1] or None
    return words[0] or None, " ".join(words[1:]) or None


def joined(first: str | None, last: str | None) -> str:
    """Return the name that Pipedrive makes of its two parts."""
    return " ".join(part for part in (first, last) if part)
