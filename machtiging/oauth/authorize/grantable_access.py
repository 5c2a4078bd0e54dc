"""List the access that a person can grant to a client, at the requested level."""

from __future__ import annotations

from collections.abc import Sequence
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
from machtiging.oauth.rules import CONSENT_MANAGEMENT_SCOPE


async def list_grantable_access(
    session: AsyncSession,
    handler: AuthorizationDetailsHandler,
    visitor: Visitor,
    parameters: dict[str, Any],
    *,
    key: str | None = None,
    lock: bool = False,
    at: datetime,
) -> list[ConsentChoice]:
    """List the accesses that this person can grant: at least one. Without details it is only who she is.

    `key`: only the choice with this key. `lock`: for a caller that writes the consent in this transaction.

    Managing consents is for her own access only. Raises OAuthRefusal `invalid_authorization_details`, `invalid_scope`
    and `unmet_authentication_requirements`.
    """
    wanted = parse_authorization_details(handler, parameters.get("authorization_details"))
    if wanted is None:
        choices: Sequence[ConsentChoice] = [ConsentChoice(None, [], frozenset(), visitor.assurance)]
    else:
        choices = await handler.list_consent_choices(session, visitor, wanted, key=key, lock=lock, at=at)
    if CONSENT_MANAGEMENT_SCOPE in parameters.get("scope", "").split():
        choices = [choice for choice in choices if choice.is_own]
        if not choices:
            raise OAuthRefusal(OAuthErrorCode.INVALID_SCOPE, "toestemmingen_alleen_eigen")
    at_level = [choice for choice in choices if _satisfies_acr(choice.assurance, parameters)]
    if not at_level:
        raise OAuthRefusal(OAuthErrorCode.UNMET_AUTHENTICATION_REQUIREMENTS, "niveau_te_laag")
    return at_level


def _satisfies_acr(assurance: Assurance, parameters: dict[str, Any]) -> bool:
    """Return True if the level is one of every requested list of levels.

    A token never states a lower level than was requested (OIDC-NLGOV 5.2.2).
    """
    acr_values = parameters.get("acr_values")
    acr_groups = [] if acr_values is None else [acr_values.split()]
    return satisfies_acr(assurance, [*acr_groups, *load_authentication_request(parameters).levels])
