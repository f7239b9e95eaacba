"""What has to be asked to write a rule: the keys of a check kind, what they take, what fits a field."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticCustomError

from crm_steward.documented import description
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import OPERATORS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.operators import fits
from crm_steward.rules.questions import KEYS, either


@dataclass(frozen=True, slots=True)
class Question:
    """One key of a check.

    Args:
        key: As it is written in the rule.
        about: What it is for, in the language of whoever is asked.
        choices: The words that can be given; empty where it is not a choice.
        several: Whether it takes a list.
        needed: Whether the check cannot do without.
    """

    key: str
    about: str
    choices: tuple[str, ...]
    several: bool
    needed: bool

    def written(self, answer: str) -> str:
        """Return `answer` as it stands in a rule file; a list may be given with commas alone."""
        bare = self.several and not answer.lstrip().startswith("[")
        return f"[{answer.strip()}]" if bare else answer.strip()


def questions(kind: str, language: str) -> tuple[Question, ...]:
    """Return the keys of a check of `kind` that can be answered on one line, in their order."""
    words = KEYS.get(kind, {})
    return tuple(
        Question(
            key := info.alias or name,
            either(words[key], language)
            if key in words
            else " ".join(description(KINDS[kind], name).split()),
            _choices(info.annotation),
            _is_list(info.annotation),
            info.is_required(),
        )
        for name, info in KINDS[kind].model_fields.items()
        if name != "kind" and (info.is_required() or not _holds_blocks(info.annotation))
    )


def fitting(field: str) -> tuple[str, ...]:
    """Return the operators that make sense for what a known field holds."""
    return tuple(operator for operator in OPERATORS if _fits(field, operator))


def _fits(field: str, operator: str) -> bool:
    try:
        fits(field, operator)
    except PydanticCustomError:
        return False
    return True


def _holds_blocks(annotation: Any) -> bool:
    """Whether it takes more than words: a list of segments, a condition."""
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return True
    return any(map(_holds_blocks, get_args(annotation)))


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
