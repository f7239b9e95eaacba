"""CRMs and a mail server that go wrong now and then, for a simulation of days."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from crm_steward.sandbox import Emulator, Request, Response, Server
from crm_steward.testing.postbox import Postbox, Reply
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

SHARE = 0.02
"""How many calls go wrong."""
_MISHAPS = (("mail", "451 4.3.0 try later"), ("rcpt", "450 4.2.1 busy"), ("data", "cut"), ("mail", "cut"))  # fmt: skip
"""What befalls the first sessions with the mail server, one each."""


class Kind(NamedTuple):
    """What an emulated CRM calls things."""

    make: Callable[..., Emulator]
    first: str
    last: str
    phone: str
    delete: str
    tasks: str


KINDS = {
    "hubspot": Kind(HubSpotSandbox, "firstname", "lastname", "phone", "archive", "tasks"),
    "salesforce": Kind(SalesforceSandbox, "FirstName", "LastName", "Phone", "delete", "Task"),
    "zoho": Kind(ZohoSandbox, "First_Name", "Last_Name", "Phone", "delete", "tasks"),
    "pipedrive": Kind(PipedriveSandbox, "first_name", "last_name", "phone", "delete", "activities"),
}


def faults(kind: str) -> list[dict[str, Any]]:
    """Return what goes wrong with calls to a CRM; slow answers are the server's part."""
    # Salesforce has no 429; it says 503 when it is overloaded.
    put_off = 503 if kind == "salesforce" else 429
    each = SHARE / 6
    return [
        {"name": "put off", "status": put_off, "retry_after": 5, "probability": each},
        {"name": "error", "status": 500, "probability": each},
        {"name": "lost request", "reset": "before", "probability": each},
        {"name": "lost answer", "reset": "after", "probability": each},
        {"name": "half an answer", "half_body": True, "probability": each},
    ]


class Crm(Server):
    """Serves an emulator; each call takes its time and lets something happen."""

    def __init__(self, emulator: Emulator, meanwhile: Callable[[], None]) -> None:
        super().__init__(emulator)
        self._meanwhile = meanwhile
        self.calls = 0

    def answer(self, request: Request) -> Response:
        """Answer."""
        self.calls += 1
        self._meanwhile()
        return super().answer(request)


@dataclass
class Mailbox:
    """A mail server that refuses and breaks off, and keeps what it took.

    Args:
        rng: What decides.
        taken: Raw mails whose taking it confirmed.
        refused: How often it did something else.
    """

    rng: random.Random
    taken: list[bytes] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    calm: bool = False
    _planned: list[tuple[str, str]] = field(default_factory=lambda: list(_MISHAPS))

    def __post_init__(self) -> None:
        self.postbox = Postbox(
            mail=partial(self._at, "mail"), rcpt=lambda _: self._at("rcpt"), data=self._content
        )

    def _at(self, step: str) -> Reply:
        if self._planned and self._planned[0][0] == step:
            return self._note(*self._planned.pop(0))
        if step == "mail" and not self.calm and self.rng.random() < SHARE:
            return self._note(step, self.rng.choice(["421 4.3.2 closing", "cut"]))
        return None

    def _note(self, step: str, answer: str) -> str:
        self.refused[f"{step} {answer}"] += 1
        return answer

    def _content(self) -> Reply:
        answer = self._at("data")
        if answer is None:
            self.taken.append(self.postbox.arrived[-1])
        return answer
