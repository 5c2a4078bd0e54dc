"""Resolve the access that a person can grant to a client, at the requested level."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, ConsentChoice
from machtiging.oauth.authorization_details.parsing import parse_authorization_details
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.openid.authentication_request import load_authentication_request
from machtiging.oauth.openid.step_up import satisfies_acr


async def resolve_grantable_access(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    visitor: Visitor,
    parameters: dict[str, Any],
    *,
    lock: bool = False,
    at: datetime,
) -> ConsentChoice:
    """Resolve the access that this person can grant. Without details it is only who she is.

    `lock`: for a caller that writes the consent in this transaction.

    Raises OAuthRefusal `invalid_authorization_details` and `unmet_authentication_requirements`.
    """
    wanted = parse_authorization_details(handler, parameters.get("authorization_details"))
    if wanted is None:
        choice = ConsentChoice(None, [], frozenset(), visitor.assurance)
    else:
        # The page offers one choice: the client named it.
        choice, *_ = await handler.list_consent_choices(session, visitor, wanted, lock=lock, at=at)
    _require_acr(choice.assurance, parameters)
    return choice


def _require_acr(assurance: Assurance, parameters: dict[str, Any]) -> None:
    """Require one value of every requested list of levels.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2). Raises OAuthRefusal.
    """
    acr_values = parameters.get("acr_values")
    acr_groups = [] if acr_values is None else [acr_values.split()]
    if not satisfies_acr(assurance, [*acr_groups, *load_authentication_request(parameters).levels]):
        raise OAuthRefusal(OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, "niveau_te_laag")
