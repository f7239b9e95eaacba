"""Getting in: a static token, or access tokens that an installed app's refresh token buys.

Source: developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens.
HubSpot gives the same refresh token back each time; should it give another, that one counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sdk import Clock, Context, RetryableError, Token, TokenSource, fixed_token
from crm_steward_hubspot import HubSpotSettings

Form = Mapping[str, str]
_TOKEN = re.compile(r"[!-~]{1,4096}")
"""What may stand in a header: no space, no line break."""
_LONGEST = 30 * 86_400


def token_source(
    settings: HubSpotSettings, context: Context, buy: Callable[[Form], Mapping[str, Any]]
) -> TokenSource:
    """Return what gives this connection its access token.

    Args:
        settings: The connection's settings.
        context: What the core gives.
        buy: Sends a form to the token endpoint; raises AuthError when HubSpot refuses for good.
    """
    if settings.token:
        return fixed_token(settings.token.get_secret_value())
    configured = _revealed(settings.refresh_token)

    def issue(refresh: str) -> Token:
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": _revealed(settings.client_secret),
            "refresh_token": refresh or configured,
        }
        return read_token(context.connection, buy(form), context.clock)

    return context.tokens(f"{settings.client_id} {configured}", issue)


def read_token(connection: str, answer: Mapping[str, Any], clock: Clock) -> Token:
    """Read what the token endpoint answered.

    Raises:
        RetryableError: It is not what HubSpot documents.
    """
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise RetryableError(
            f"{connection}: HubSpot's answer holds no access token",
            hint="A proxy may stand in between; check base_url if it lasts.",
        )
    usable = refresh if isinstance(refresh, str) and _TOKEN.fullmatch(refresh) else ""
    return Token(access, expires_at=_expiry(answer.get("expires_in"), clock), refresh=usable)


def _expiry(seconds: Any, clock: Clock) -> datetime | None:
    usable = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return clock() + timedelta(seconds=seconds) if usable and 0 < seconds <= _LONGEST else None


def _revealed(secret: Any) -> str:
    return secret.get_secret_value() if secret else ""
