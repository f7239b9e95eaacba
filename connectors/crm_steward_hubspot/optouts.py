"""Unsubscribing an address, and knowing whether it is: only ever restricting.

Opt-outs hang on the address, whatever becomes of the contact. Unsubscribing from everything needs
version 4 of the subscriptions API or its dated successor, which not every product and scope opens;
then each kind of e-mail is unsubscribed by itself (version 3). Sources: developers.hubspot.com,
"Subscription preferences", v4 and v3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context as Surroundings
from http import HTTPStatus
from typing import Any, TypeVar

from crm_steward.sdk import RetryableError
from crm_steward_hubspot import paths
from crm_steward_hubspot.consents import OptOuts, complained, opt_outs
from crm_steward_hubspot.documents import listed, results_of
from crm_steward_hubspot.errors import HubSpotForbiddenError, HubSpotRejectedError
from crm_steward_hubspot.wire import Wire

T = TypeVar("T")

LEGAL_BASIS = "LEGITIMATE_INTEREST_OTHER"
"""Why the status is changed, where data privacy settings ask: honouring a wish is our interest."""
_EXPLANATION = "crm-steward: {}"
_LONGEST = 200
_NOT_OPEN = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})
_WIDE = frozenset({"PORTAL_WIDE_STATUS", "BRAND_WIDE_STATUS"})
_EMAIL = {"channel": "EMAIL", "verbose": "true"}


class Unsubscriber:
    """Unsubscribes addresses of one account.

    Args:
        wire: The account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def is_out(self, address: str, shown: OptOuts) -> bool:
        """Whether an address gets no marketing e-mail at all.

        Args:
            address: The address.
            shown: What the contact whose primary address it is shows. Version 3 says the same of
                an address that was never asked and of one that opted out; this tells them apart.
        """
        return shown.all or self._wide_or(
            lambda: self._has_wide_status(address), lambda: self._is_out_of_each(address, shown)
        )

    def unsubscribe(self, address: str, shown: OptOuts, reason: str) -> bool:
        """Unsubscribe an address from everything.

        Returns:
            Whether HubSpot shows it now.

        Raises:
            HubSpotForbiddenError: The token lacks the scope for it, in every version.
            RetryableError: The answer was lost (`sent`), or HubSpot asks to wait.
        """

        def wide() -> bool:
            self._wire.request_open(
                "POST",
                paths.UNSUBSCRIBE_ALL,
                parts={"email": address},
                query=_EMAIL,
                repeatable=False,
            )
            with _sent():
                return Surroundings().run(self._has_wide_status, address)

        return self._wide_or(wide, lambda: self._unsubscribe_each(address, shown, reason))

    def unsubscribe_one(self, address: str, subscription: str, reason: str) -> bool:
        """Unsubscribe an address from one kind of e-mail; return whether HubSpot shows it."""
        explanation = _EXPLANATION.format(reason)[:_LONGEST]
        answer = self._wire.call(
            self._wire.subscriptions.unsubscribe,
            {
                "emailAddress": address,
                "subscriptionId": subscription,
                "legalBasis": LEGAL_BASIS,
                "legalBasisExplanation": explanation,
            },
            repeatable=False,
        )
        return answer.get("status") == "NOT_SUBSCRIBED"

    def carry(
        self, address: str, shown: OptOuts, others: Sequence[Mapping[str, Any]], reason: str
    ) -> None:
        """Withdraw under an address what the same person withdrew under others.

        Nothing is sent when nothing would be lost.

        Args:
            address: The one that will be written to.
            shown: What is known to be withdrawn under it.
            others: Properties of records whose primary addresses are the others.
            reason: Why, for HubSpot.

        Raises:
            StewardError: It could not be done.
        """
        if any(opt_outs(held).all or complained(held) for held in others):
            if not self.is_out(address, shown) and not self.unsubscribe(address, shown, reason):
                raise RetryableError("HubSpot does not show the opt-out")
            return
        lost = frozenset[str]().union(*(opt_outs(held).types for held in others)) - shown.types
        for subscription in sorted(lost if not shown.all else ()):
            if not self.unsubscribe_one(address, subscription, reason):
                raise HubSpotRejectedError("HubSpot does not show the opt-out", status=200)

    def _wide_or(self, wide: Callable[[], T], each: Callable[[], T]) -> T:
        """Do it for all kinds at once, or one by one where the account is not open to that."""
        try:
            return wide()
        except HubSpotForbiddenError:
            pass
        except HubSpotRejectedError as error:
            if error.status not in _NOT_OPEN:
                raise
        return each()

    def _has_wide_status(self, address: str) -> bool:
        """Whether HubSpot lists an opt-out of everything; it lists none where there is none."""
        answer = self._wire.request_open(
            "GET", paths.UNSUBSCRIBE_ALL, parts={"email": address}, query=_EMAIL, rows=True
        )
        return any(
            isinstance(item, dict)
            and item.get("status") == "UNSUBSCRIBED"
            and item.get("wideStatusType") == "PORTAL_WIDE"
            for item in results_of(answer)
        )

    def _is_out_of_each(self, address: str, shown: OptOuts) -> bool:
        """Whether each kind of e-mail is known to be unsubscribed, by version 3 and the contact."""
        answer = self._wire.call(self._wire.subscriptions.get_email_status, address)
        statuses = listed(answer.get("subscriptionStatuses"))
        return bool(statuses) and all(_is_out(item, shown) for item in statuses)

    def _unsubscribe_each(self, address: str, shown: OptOuts, reason: str) -> bool:
        answer = self._wire.call(self._wire.subscription_types.get_page)
        named = listed(answer.get("subscriptionDefinitions"))
        kinds = [item for item in named if isinstance(item, dict)]
        active = [
            str(item["id"])
            for item in kinds
            if item.get("id") and item.get("isActive") is not False
        ]
        left = [kind for kind in active if kind not in shown.types]
        done = [self.unsubscribe_one(address, kind, reason) for kind in left[:1]]
        with _sent():
            done += [self.unsubscribe_one(address, kind, reason) for kind in left[1:]]
        return bool(active) and all(done)


@contextmanager
def _sent() -> Iterator[None]:
    """Say of a quota that closes after something was sent that this may have taken effect.

    Raises:
        RetryableError: It closed, or another answer is missing (`sent`).
    """
    try:
        yield
    except RetryableError as error:
        raise RetryableError(
            f"it was sent, and could not be read back: {error.message}", hint=error.hint
        ) from error


def _is_out(status: Any, shown: OptOuts) -> bool:
    if not isinstance(status, dict) or status.get("status") != "NOT_SUBSCRIBED":
        return False
    return status.get("sourceOfStatus") in _WIDE or str(status.get("id")) in shown.types
