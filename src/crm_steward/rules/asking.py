"""What has to be asked to write a rule: the keys that a check kind cannot do without."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from crm_steward.rules.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Question:
    """One key of a check that has to be given.

    Args:
        key: As it is written in the rule.
        about: What it is for.
        choices: The words that can be given; empty where it is not a choice.
        several: Whether it takes a list.
    """

    key: str
    about: str
    choices: tuple[str, ...]
    several: bool

    def written(self, answer: str) -> str:
        """Return `answer` as it stands in a rule file; a list may be given with commas alone."""
        bare = self.several and not answer.lstrip().startswith("[")
        return f"[{answer.strip()}]" if bare else answer.strip()


def questions(kind: str) -> tuple[Question, ...]:
    """Return what a check of `kind` cannot do without, in the order of its keys."""
    return tuple(
        Question(
            info.alias or name,
            " ".join((info.description or "").split()),
            _choices(info.annotation),
            _is_list(info.annotation),
        )
        for name, info in KINDS[kind].model_fields.items()
        if name != "kind" and info.is_required()
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    inner = get_args(annotation)
    return next(filter(None, map(_choices, inner)), ()) if inner else ()


def _is_list(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_list(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return any(map(_is_list, get_args(annotation)))
    return origin is tuple
