"""The manual page, made from what the commands say of themselves: `python -m crm_steward.cli.manual`.

Written in the man macros, as man-pages(7) orders sections
(https://man7.org/linux/man-pages/man7/man-pages.7.html).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from crm_steward import __version__
from crm_steward.cli import exits
from crm_steward.cli.app import app

_NAME = "crm-steward"
_FILES = (
    (
        "./crm-steward.yaml",
        "The settings, unless --config or CRM_STEWARD_CONFIG names another file.",
    ),
    ("./secrets/", "Secret files, one per setting, beside the settings file."),
    (
        "./crm-steward.db",
        "The mirror, the findings, the journal and the outbox, unless the settings name PostgreSQL.",
    ),
    ("./STOP-WRITING", "While it exists, nothing is written to any CRM."),
)
_ENVIRONMENT = (
    ("CRM_STEWARD_CONFIG", "The settings file."),
    ("CRM_STEWARD_SECRETS", "The folder of secret files."),
    ("CRM_STEWARD_…", "Any setting, its path joined by two underscores: CRM_STEWARD_MAIL__HOST."),
    ("NO_COLOR", "Set to anything: output has no colours."),
)


_KIND = re.compile(r"<(?:list\[)?(\w+)\]?>")
_KINDS = {"str": "TEXT", "path": "PATH", "int": "NUMBER", "float": "NUMBER"}
"""What the command line calls the kind of a value → what people call it."""


def manual() -> str:
    """Return the page in roff."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name=_NAME)
    return "\n".join(
        [
            f'.TH CRM\\-STEWARD 1 "" "crm\\-steward {_plain(__version__)}" "User Commands"',
            ".SH NAME",
            f"{_plain(_NAME)} \\- {_plain('keep contacts clean in hosted CRMs')}",
            ".SH SYNOPSIS",
            f".B {_plain(_NAME)}",
            ".I COMMAND",
            "[OPTIONS] [ARGUMENTS]",
            ".SH DESCRIPTION",
            *_text(root.help or ""),
            ".PP",
            *_text(app.info.epilog or ""),
            ".SH COMMANDS",
            *_commands(root, context),
            ".SH EXIT STATUS",
            *_listed((f"{int(code)} {code.name}", said) for code, said in meanings()),
            ".SH FILES",
            *_listed(_FILES),
            ".SH ENVIRONMENT",
            *_listed(_ENVIRONMENT),
            "",
        ]
    )


def meanings() -> Iterator[tuple[exits.Exit, str]]:
    """Yield what each exit code says, in the order in which they win."""
    tree = ast.parse(Path(exits.__file__).read_text("utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    for node, following in pairwise(body):
        match node, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield exits.Exit[name], cleandoc(said)
            case _:
                continue


def _commands(group: Any, context: typer.Context) -> Iterator[str]:
    """Yield each command that does something, and those of a group after the group."""
    for name, command in group.commands.items():
        inner = typer.Context(command, info_name=name, parent=context)
        if command.hidden:
            continue
        group_only = hasattr(command, "commands") and not command.invoke_without_command
        if not group_only:
            yield from _command(command, inner)
        if hasattr(command, "commands"):
            yield from _commands(command, inner)


def _command(command: Any, context: typer.Context) -> Iterator[str]:
    pieces = re.sub(r"\[(\[.*?\])\]", r"\1", " ".join(command.collect_usage_pieces(context)))
    yield f'.SS "{_plain(context.command_path)} {_plain(pieces)}"'
    yield from _text(command.help or "")
    records = [one.get_help_record(context) for one in command.get_params(context)]
    yield from _listed(
        (_KIND.sub(lambda kind: _KINDS.get(kind[1].lower(), kind[0]), name), said)
        for name, said in filter(None, records)
        if "--help" not in name
    )


def _listed(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, said in items:
        yield ".TP"
        yield f".B {_plain(' '.join(name.split()))}"
        yield from _text(said)


def _text(markdown: str) -> Iterator[str]:
    """Yield running text: paragraphs, and commands in bold."""
    paragraphs = re.split(r"\n\s*\n", cleandoc(markdown).strip())
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        line = " ".join(paragraph.split())
        yield re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _plain(line))


def _plain(text: str) -> str:
    r"""Return text that roff takes as it is; `\-` is the hyphen that can be copied into a shell."""
    shown = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^([.'])", r"\\&\1", shown).replace('"', "\\(dq")


if __name__ == "__main__":
    print(manual(), end="")  # noqa: T201 -- it is made to be written to a file
