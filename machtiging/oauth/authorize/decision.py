"""Authorization decisions: prepare the consent page, write the grant and code, or return an error.

A decision that is sent twice gets the same answer. The code is derived from the request URI with a secret key, so the
second answer can carry the same code although only its hash is stored.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import insert, select

from machtiging.access_tokens.representation import find_represented_person
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import NewJournalLine, record
from machtiging.crypto import secrets
from machtiging.identity.session import Visitor, lock_session
from machtiging.kernel.errors import Conflict, InvalidInput, NotAuthenticated
from machtiging.kernel.ids import uuid7
from machtiging.oauth import queries
from machtiging.oauth.authorization_details.handler import ConsentChoice
from machtiging.oauth.authorize import pushed_requests
from machtiging.oauth.authorize.grantable_access import list_grantable_access
from machtiging.oauth.authorize.pushed_requests import PushedAuthorizationRequest, RequestReference, verify_redirect_uri
from machtiging.oauth.client import Client
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.oauth.grant_management.rules import GRANT_MANAGEMENT_ACTION
from machtiging.oauth.issuer import Issuer
from machtiging.oauth.openid import step_up
from machtiging.oauth.openid.authentication_request import load_authentication_request
from machtiging.oauth.openid.prior_consent import has_prior_consent
from machtiging.oauth.protocol.authorization_request import build_authorization_server
from machtiging.oauth.protocol.server import RequestContext, run_authlib
from machtiging.oauth.request_parameters.resource_indicators import ResourceTarget, find_target
from machtiging.oauth.rules import AUTHORIZATION_CODE_LIFETIME, CONSENT_MANAGEMENT_SCOPE
from machtiging.oauth.tables import SEALED_CODE, SEALED_GRANT, AuthorizationCode, OAuthGrant
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_CODE = table_of(AuthorizationCode)
_GRANT = table_of(OAuthGrant)


@dataclass(frozen=True, slots=True)
class ConsentPrompt:
    """The content of the consent page, its person, and the redirect URI of the answer.

    `is_key_unknown`: she chose another access, which is not possible.
    """

    client: Client
    reference: RequestReference
    redirect_uri: str
    parameters: dict[str, Any]
    grantable: ConsentChoice
    target: ResourceTarget
    visitor: Visitor
    has_choice: bool = False
    is_key_unknown: bool = False


@dataclass(frozen=True, slots=True)
class ChoicePrompt:
    """The content of the page before the consent page: a choice of several."""

    client: Client
    reference: RequestReference
    redirect_uri: str
    choices: Sequence[ConsentChoice]
    visitor: Visitor
    is_key_unknown: bool


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to the client or to a login page.

    The client gets a code or an error, always with `iss` (RFC 9207).
    """

    location: str


async def prepare_consent(
    context: RequestContext, visitor: Visitor | None, reference: RequestReference, key: str | None, *, practice: bool
) -> ConsentPrompt | ChoicePrompt | Redirect:
    """Prepare the consent page for this person, or build the redirect in its place.

    When the person can grant several accesses, and `key` is of none of them, she chooses one first. Redirects to a
    login page for step-up, and to the client when the request cannot be granted. With `prompt=none` there is no page:
    the answer goes to the client at once. Raises InvalidInput for a bad reference.
    """
    pushed = await pushed_requests.find_pending_request(context, reference)
    client, redirect_uri = await _load_client_and_redirect_uri(context, pushed)
    asking = _build_pending_authorization(context, client, pushed)
    try:
        wish = step_up.find_required_login(asking, visitor)
        if wish is not None and not asking.authentication_request.is_prompt_none:
            if visitor is not None:
                await pushed_requests.mark_sent_to_login(context, reference)
            return Redirect(step_up.build_login_redirect(wish, asdict(reference), practice=practice))
        if visitor is None:
            raise OAuthRefusal(OAuthErrorCode.LOGIN_REQUIRED, "niet_ingelogd")
        choices = await _list_grantable_access(context, visitor, pushed, client)
        target = await find_target(context.session, context.issuer, pushed.parameters.get("resource"))
        if asking.authentication_request.is_prompt_none:
            # Managing consents covers all her apps: always ask.
            if CONSENT_MANAGEMENT_SCOPE in pushed.parameters.get("scope", "").split():
                raise OAuthRefusal(OAuthErrorCode.CONSENT_REQUIRED, "toestemming_nodig")
            await _require_prior_consent(context, visitor, asking, choices, target)
            return await decide_authorization(context, visitor, reference, None, approved=True)
    except OAuthRefusal as refusal:
        await pushed_requests.consume_request(context, reference)
        return await _redirect_refusal(context, visitor, pushed, redirect_uri, refusal)
    found = [choice for choice in choices if choice.key == key]
    is_key_unknown, has_choice = key is not None and not found, len(choices) > 1
    if has_choice and not found:
        return ChoicePrompt(client, reference, redirect_uri, choices, visitor, is_key_unknown)
    grantable = (found or choices)[0]
    return ConsentPrompt(
        client, reference, redirect_uri, pushed.parameters, grantable, target, visitor, has_choice, is_key_unknown
    )


def _build_pending_authorization(
    context: RequestContext, client: Client, pushed: PushedAuthorizationRequest
) -> step_up.PendingAuthorization:
    return step_up.PendingAuthorization(
        context.issuer, client, load_authentication_request(pushed.parameters), pushed.pushed_at, pushed.sent_to_login
    )


async def _require_prior_consent(
    context: RequestContext,
    visitor: Visitor,
    authorization: step_up.PendingAuthorization,
    choices: Sequence[ConsentChoice],
    target: ResourceTarget,
) -> None:
    """Require an earlier consent that covers this request.

    Raises OAuthRefusal `consent_required` when the person has to see the consent page.
    """
    has_consent = await has_prior_consent(
        context.session, visitor, authorization.client.client_id, authorization.authentication_request
    )
    if any(choice.details for choice in choices) or target.resource_server is not None or not has_consent:
        raise OAuthRefusal(OAuthErrorCode.CONSENT_REQUIRED, "toestemming_nodig")


async def decide_authorization(
    context: RequestContext, visitor: Visitor, reference: RequestReference, key: str | None, *, approved: bool
) -> Redirect:
    """Carry out the person's decision, once. `key`: the choice on the page that she agreed to.

    Raises InvalidInput for a bad reference, or `keuze_ontbreekt` when she can choose and did not: she can still decide.
    Raises Conflict `al_besloten`, NotAuthenticated when the session has ended.
    """
    # Lock order everywhere: session, then request. So two decisions at the same moment cannot deadlock.
    if not await lock_session(context.session, visitor):
        raise NotAuthenticated("niet_ingelogd")
    pushed = await pushed_requests.consume_request(context, reference)
    if pushed is None:
        return await _repeat_decision(context, visitor, reference)
    # A suspension waits for this lock, or came first. So a suspended client never gets a code.
    if not await queries.lock_active_client(context.session, pushed.client_id):
        raise pushed_requests.unknown_request_refusal()
    client, redirect_uri = await _load_client_and_redirect_uri(context, pushed)
    try:
        if not approved:
            raise OAuthRefusal(OAuthErrorCode.ACCESS_DENIED, "geweigerd_door_gebruiker")
        # Ending the machtiging waits for this lock, or came first: then the consent is refused.
        choices = await _list_grantable_access(context, visitor, pushed, client, key, lock=True)
        target = await find_target(context.session, context.issuer, pushed.parameters.get("resource"))
    except OAuthRefusal as refusal:
        return await _redirect_refusal(context, visitor, pushed, redirect_uri, refusal)
    if len(choices) > 1:
        await pushed_requests.restore_request(context, reference)
        raise InvalidInput("keuze_ontbreekt")
    code = _derive_code(context, reference)
    await _insert_grant(context, visitor, pushed, choices[0], target, code)
    return _redirect_to_client(context, redirect_uri, pushed, {"code": code})


async def _load_client_and_redirect_uri(
    context: RequestContext, pushed: PushedAuthorizationRequest
) -> tuple[Client, str]:
    client = await queries.find_active_client(context.session, pushed.client_id)
    if client is None:
        raise pushed_requests.unknown_request_refusal()
    return client, verify_redirect_uri(client, pushed)


async def _list_grantable_access(
    context: RequestContext,
    visitor: Visitor,
    pushed: PushedAuthorizationRequest,
    client: Client,
    key: str | None = None,
    *,
    lock: bool = False,
) -> list[ConsentChoice]:
    """Check the stored request again, then the login, then the grantable access.

    The client's registration may have changed since the push.
    """
    server = build_authorization_server(context)
    step_up.verify_login(_build_pending_authorization(context, client, pushed), visitor)
    await run_authlib(server, lambda it: pushed_requests.validate_authorization_request(it, context, pushed.parameters))
    handler = context.issuer.details_handler
    return await list_grantable_access(
        context.session, handler, visitor, pushed.parameters, key=key, lock=lock, at=context.at
    )


def _derive_code(context: RequestContext, reference: RequestReference) -> str:
    digest = context.issuer.keyring.blind_index("authorization_code", reference.request_uri)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def _repeat_decision(context: RequestContext, visitor: Visitor, reference: RequestReference) -> Redirect:
    pushed = await pushed_requests.find_consumed_request(context, reference)
    _, redirect_uri = await _load_client_and_redirect_uri(context, pushed)
    code = _derive_code(context, reference)
    query = select(_CODE.c.used_at, _CODE.c.expires_at, _GRANT.c.person_id).join_from(_CODE, _GRANT)
    row = (await context.session.execute(query.where(_CODE.c.code_hash == secrets.sha256_digest(code)))).one_or_none()
    if row is None:  # the first decision was a denial
        return _redirect_to_client(context, redirect_uri, pushed, {"error": OAuthErrorCode.ACCESS_DENIED})
    if row.person_id != visitor.person_id or row.used_at is not None or row.expires_at <= context.at:
        raise Conflict("al_besloten")
    return _redirect_to_client(context, redirect_uri, pushed, {"code": code})


async def _insert_grant(
    context: RequestContext,
    visitor: Visitor,
    pushed: PushedAuthorizationRequest,
    grantable: ConsentChoice,
    target: ResourceTarget,
    code: str,
) -> None:
    session, at, representation = context.session, context.at, grantable.representation
    grant = {
        "id": uuid7(),
        "client_id": pushed.client_id,
        "person_id": visitor.person_id,
        "machtiging_id": None if representation is None else representation.machtiging_id,
        "authorization_details": grantable.details,
        "scope": pushed.parameters.get("scope", ""),
        "assurance": grantable.assurance.value,
        "authenticated_at": visitor.authenticated_at,
        "created_at": at,
        "session_id": visitor.sid,
        "requested_claims": load_authentication_request(pushed.parameters).claims_to_release,
        "managed": GRANT_MANAGEMENT_ACTION in pushed.parameters,
        "resource": target.stored_uri,
        "organisation_kvk": visitor.organisation_kvk,
    }
    await session.execute(insert(_GRANT), seal_row(session, SEALED_GRANT, grant))
    await _insert_code(context, pushed, grant, code)
    await _journal_grant(context, visitor, pushed.client_id, grantable, str(grant["id"]))


async def _journal_grant(
    context: RequestContext, visitor: Visitor, client_id: str, grantable: ConsentChoice, grant_id: str
) -> None:
    representation = grantable.representation
    line = NewJournalLine(
        act=JournalAct.GRANT_VERLEEND,
        outcome=JournalOutcome.DONE,
        reason="toestemming_gegeven",
        actor_id=visitor.person_id,
        capacity="self" if representation is None else representation.capacity,
        client_id=client_id,
        for_person_id=find_represented_person(visitor.person_id, representation, is_several=grantable.is_several),
        machtiging_id=None if representation is None else representation.machtiging_id,
        object_kind="grant",
        object_id=grant_id,
        on_behalf_of=None if representation is None else representation.organisation_id,
        facts={"toegang": grantable.details} if grantable.is_several else {},
    )
    await record(context.session, line, at=context.at)


async def _insert_code(
    context: RequestContext, pushed: PushedAuthorizationRequest, grant: dict[str, Any], code: str
) -> None:
    row = {
        "code_hash": secrets.sha256_digest(code),
        "client_id": pushed.client_id,
        "grant_id": grant["id"],
        "organisation_kvk": grant["organisation_kvk"],
        "redirect_uri": pushed.parameters["redirect_uri"],
        "scope": pushed.parameters.get("scope", ""),
        "nonce": pushed.parameters.get("nonce"),
        "code_challenge": pushed.parameters["code_challenge"],
        "jkt": pushed.parameters.get("dpop_jkt"),
        "resource": pushed.parameters.get("resource"),
        "created_at": context.at,
        "expires_at": context.at + AUTHORIZATION_CODE_LIFETIME,
    }
    await context.session.execute(insert(_CODE), seal_row(context.session, SEALED_CODE, row))


async def _redirect_refusal(
    context: RequestContext,
    visitor: Visitor | None,
    pushed: PushedAuthorizationRequest,
    redirect_uri: str,
    refusal: OAuthRefusal,
) -> Redirect:
    if visitor is not None:  # no journal line without a session
        await _journal_refusal(context, visitor, pushed, refusal)
    parameters = {"error": refusal.error.value, "error_description": refusal.build_description(practice=False)}
    return _redirect_to_client(context, redirect_uri, pushed, parameters)


async def _journal_refusal(
    context: RequestContext, visitor: Visitor, pushed: PushedAuthorizationRequest, refusal: OAuthRefusal
) -> None:
    line = NewJournalLine(
        act=JournalAct.GRANT_GEWEIGERD,
        outcome=JournalOutcome.REFUSED,
        reason=refusal.code,
        actor_id=visitor.person_id,
        client_id=pushed.client_id,
        facts={"fout": refusal.error.value},
    )
    await record(context.session, line, at=context.at)


def _redirect_to_client(
    context: RequestContext, redirect_uri: str, pushed: PushedAuthorizationRequest, response: dict[str, str]
) -> Redirect:
    return build_authorization_response(context.issuer, redirect_uri, pushed.parameters.get("state"), response)


def build_authorization_response(
    issuer: Issuer, redirect_uri: str, state: str | None, response: dict[str, str]
) -> Redirect:
    """Build the authorization response: with `state`, and `iss` against mix-up (RFC 6749 4.1.2, RFC 9207)."""
    query = response | ({"state": state} if state else {}) | {"iss": issuer.url}
    parts = urlsplit(redirect_uri)
    query_pairs = parse_qsl(parts.query, keep_blank_values=True)
    return Redirect(urlunsplit(parts._replace(query=urlencode([*query_pairs, *query.items()]))))
