"""Grants of the token endpoint's fast path: same checks, other database access.

Authlib dispatches and calls the same hooks as on the transactional path. Credentials are only noted here. They are
consumed together when the tokens are persisted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from machtiging.access.proof import dpop
from machtiging.access.proof.binding import Binding
from machtiging.crypto import secrets
from machtiging.oauth.at_once.act import Uses, act
from machtiging.oauth.at_once.look import Seen, asks_with, look
from machtiging.oauth.client import CLIENT_CREDENTIALS, CODE, REFRESH, Client
from machtiging.oauth.errors import OAuthRefusal, Wire
from machtiging.oauth.issue import Consented
from machtiging.oauth.manage.grant import ManagementGrant
from machtiging.oauth.protocol.bridge import WireRequest, wait
from machtiging.oauth.protocol.grants import (
    AgencyGrant,
    Code,
    CodeGrant,
    check_code,
    check_organisation,
    consented_under,
)
from machtiging.oauth.protocol.handout import Handout
from machtiging.oauth.protocol.refresh_grant import RefreshGrant, refreshed
from machtiging.oauth.protocol.sender import ProofSeen
from machtiging.oauth.protocol.server import Asking, Server
from machtiging.oauth.refresh.tied import fits
from machtiging.oauth.requests.resources import Target, target_with

GRANT_TYPES = frozenset({CODE, REFRESH, CLIENT_CREDENTIALS})


def otherwise() -> NoReturn:
    """Leave the fast path: the transactional path decides and answers the refusal."""
    raise OAuthRefusal(Wire.INVALID_GRANT, "niet_ineens")


class ServerAtOnce(Server):
    """OAuth server of the fast path: notes credentials until the tokens are persisted."""

    def __init__(self, asking: Asking, form: Mapping[str, str]) -> None:
        super().__init__(asking)
        self._kind, self._text = form.get("grant_type", ""), asks_with(form)
        self._seen: dict[str, Seen] = {}
        self._uses = Uses()
        for grant in (CodeAtOnce, RefreshAtOnce, ManagementGrant, AgencyGrant):
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        """Find the active client, and load its credential in the same statement."""
        if self._text is None:
            return super().query_client(client_id)
        if client_id not in self._known:
            self._known[client_id] = wait(self._looked(client_id, self._text))
        return self._known[client_id]

    async def _looked(self, client_id: str, text: str) -> Client | None:
        seen = await look(self.exchange.work, self._kind, text, client_id)
        if seen is None:
            return None
        self._seen[client_id] = seen
        return seen.client

    def seen(self, client: Client) -> Seen:
        """Return the loaded context of this client."""
        return self._seen[client.client_id]

    def uses(self, kind: str, text: str) -> None:
        """Note the code or refresh token to consume."""
        self._uses = replace(self._uses, secret=(kind, secrets.digest(text)))

    async def use_assertion(self, values: dict[str, Any]) -> bool:
        """Note the assertion to consume."""
        self._uses = replace(self._uses, assertion=values)
        return True

    async def use_proof(self, proof: dpop.Proof) -> None:
        """Note the DPoP proof to consume."""
        self._uses = replace(self._uses, proof=dpop.to_take(proof, self.exchange.at))

    async def write_down(self, handout: Handout) -> None:
        """Consume all noted credentials and persist the tokens.

        Raises DpopReplay.

        Raises OAuthRefusal (fall back) when a row changed since it was read, or the assertion was used before.
        """
        outcome = await act(self.exchange.work, self._uses, handout)
        if outcome is None or not outcome.assertion:
            otherwise()
        if not outcome.proof:
            raise ProofSeen


class CodeAtOnce(CodeGrant):
    """Authorization code grant of the fast path, from the loaded context."""

    server: ServerAtOnce
    request: WireRequest

    async def _redeemed(self, code: str, client: Client) -> Code:
        seen, at = self.server.seen(client), self.server.exchange.at
        row = seen.secret
        if row is None or row.used_at is not None:
            otherwise()
        check_code(row, self.request.form, self.request.binding, at)
        self.server.uses(CODE, code)
        return Code(row.redirect_uri, row.nonce, _consented(seen, self.server), row.resource)

    async def _target(self, code: Code) -> Target:
        return target_with(self.server.exchange.issuer, code.resource, self.server.seen(self.request.client).guard)


class RefreshAtOnce(RefreshGrant):
    """Refresh grant of the fast path, from the loaded context."""

    server: ServerAtOnce
    request: WireRequest

    async def _refreshed(self) -> dict[str, Any]:
        server, request = self.server, self.request
        seen, exchange = server.seen(request.client), server.exchange
        row = seen.secret
        if row is None or row.used_at is not None or exchange.at >= row.expires_at:
            otherwise()
        if not fits(request.client, Binding(row.jkt, row.x5t), request.binding):
            otherwise()
        server.uses(REFRESH, request.form["refresh_token"])
        target = target_with(exchange.issuer, row.resource, seen.guard)
        handout = await refreshed(exchange, request, _consented(seen, server), target, row.resource)
        await server.write_down(handout)
        return handout.response


def _consented(seen: Seen, server: ServerAtOnce) -> Consented:
    if seen.grant.ended_at is not None:
        otherwise()
    check_organisation(seen.grant, seen.secret.organisation_kvk)
    return consented_under(seen.grant, seen.machtiging, server.exchange.at)
