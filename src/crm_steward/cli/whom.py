"""Whom `crm-steward erase` and `subject export` are about: options, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crm_steward.store.subject import Sought

EmailsOption = Annotated[
    list[str] | None, typer.Option("--email", help="Whoever has this address (may be repeated).")
]
PhonesOption = Annotated[
    list[str] | None,
    typer.Option("--phone", help="Whoever has this number, as +33612345678 (may be repeated)."),
]
RecordsOption = Annotated[
    list[str] | None,
    typer.Option("--record", help="Whose record this is, connection:id (may be repeated)."),
]


def sought(
    emails: Sequence[str] | None, phones: Sequence[str] | None, records: Sequence[str] | None
) -> Sought:
    """Return who is meant.

    Raises:
        typer.BadParameter: Nobody, or something that is no address, number or record. What was
            typed is personal data and is not repeated.
    """
    from crm_steward.model import RecordRef
    from crm_steward.normalize import email_key, phone_e164
    from crm_steward.store.subject import Sought

    if not (emails or phones or records):
        raise typer.BadParameter("say who: --email, --phone or --record.")
    try:
        refs = frozenset(RecordRef.parse(one) for one in records or ())
    except ValueError as error:
        said = "write it as connection:id."
        raise typer.BadParameter(said, param_hint="--record") from error
    return Sought(
        emails=_keys(emails, email_key, "--email", "this is no e-mail address."),
        phones=_keys(
            phones,
            lambda one: phone_e164(one, None),
            "--phone",
            "this is no number; write it with its country, +33612345678.",
        ),
        refs=refs,
    )


def _keys(
    typed: Iterable[str] | None, key: Callable[[str], str | None], option: str, said: str
) -> frozenset[str]:
    keys = [key(one) for one in typed or ()]
    if not all(keys):
        raise typer.BadParameter(said, param_hint=option)
    return frozenset(filter(None, keys))
