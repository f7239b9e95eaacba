"""What a plan leaves out, on a terminal: changes with their reasons, and people nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crm_steward.cli.changes import figure, plain
from crm_steward.cli.wording import word

if TYPE_CHECKING:
    from rich.console import Console

    from crm_steward.writing import Withheld
    from crm_steward.writing.routing import Nobody


def print_withheld(out: Console, withheld: Sequence[Withheld], language: str) -> None:
    """Print what was left out: how many, of which rule, and why."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from crm_steward.writing import explain, summary

    if not withheld:
        return
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title=word("withheld", language), title_justify="left"
    )
    table.add_column("", justify="right")
    table.add_column("")
    table.add_column("", overflow="fold")
    table.show_header = False
    for (rule, why, detail), number in summary(withheld).most_common():
        said = explain(why, plain(detail), language)
        table.add_row(figure(number, language), rule, Text(said))
    out.print(table)


def print_nobody(out: Console, nobody: Sequence[Nobody], language: str) -> None:
    """Print whom rules name and nobody is called: a task is made all the same, for nobody."""
    from rich.text import Text

    for one in nobody:
        said = word(
            "nobody", language, person=plain(one.person), connection=one.connection, rule=one.rule
        )
        out.print(Text(said, "yellow"))
