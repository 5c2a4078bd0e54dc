"""/api/v1/verificaties: an agency asks if somebody may act for somebody, and gets a signed answer."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from machtiging.access.bearer import VERIFICATION_SCOPE, Verifier
from machtiging.access.dependencies import AccessServices, access_services
from machtiging.audit.access_history.line_place import load_line_place
from machtiging.kernel.errors import InvalidInput, NotFound, Refusal
from machtiging.message_catalogue import describe_fields, describe_refusal
from machtiging.storage.unit_of_work import Transaction
from machtiging.verification.intake import read_question, read_reference
from machtiging.verification.journal_lines import AskingAgency, is_answer_to
from machtiging.verification.proof import describe_yes, sign_answer
from machtiging.verification.rules import NO_VALID_MACHTIGING, VerificationAnswer, VerificationResult
from machtiging.verification.schemas import (
    MAX_REQUEST_BYTES,
    VERIFICATIONS_PATH,
    JournaalplaatsOut,
    VerificatiesIn,
    VerificatiesOut,
    VerificationBatch,
)
from machtiging.verification.verify import VerificationContext, verify_questions
from machtiging.web.content_negotiation import require_acceptable, require_content_type
from machtiging.web.doors import Public
from machtiging.web.openapi import API_V1_PREFIX, declare_required_scope, describe_request_body
from machtiging.web.validation import parse_body

_JSON = "application/json"
_READS = [Depends(require_acceptable(_JSON))]
# For `web.body_limits`: streamed, and read only for a caller with a token.
VERIFICATION_BODY_LIMITS = {VERIFICATIONS_PATH: MAX_REQUEST_BYTES}
_OWN_PATH = VERIFICATIONS_PATH.removeprefix(API_V1_PREFIX)
PROOF_KEYS_PATH = "/.well-known/machtiging-bewijssleutels"
router, public_router = APIRouter(prefix=API_V1_PREFIX), APIRouter()


@router.post(
    _OWN_PATH,
    response_model=VerificatiesOut,
    response_model_exclude_none=True,
    summary="Vragen of iemand voor een ander mag handelen",
    operation_id="verifieerMachtigingen",
    tags=["Verificaties"],
    dependencies=[Depends(require_content_type(_JSON)), *_READS],
    openapi_extra=describe_request_body(VerificatiesIn, _JSON) | declare_required_scope(VERIFICATION_SCOPE),
)
async def post_verificaties(request: Request, verifier: Verifier, session: Transaction) -> dict[str, Any]:
    """Hooguit 1.000 per keer, over diensten van u.

    U moet bevoegd zijn voor de dienst, het doel en het soort nummer.

    Elk antwoord is een besluit met een eigen nummer en een ondertekend bewijs. De vertegenwoordigde ziet dat u het
    vroeg. Bestaat iemand niet, dan is het antwoord hetzelfde als zonder machtiging.
    """
    services = access_services(request)
    # A stranger fills no memory, and a slow sender holds no connection.
    await session.commit()
    items = parse_body(VerificationBatch, await request.body()).verificaties
    agency = AskingAgency(verifier.oin, verifier.client_id)
    policy = services.policy
    context = VerificationContext(services.keyring, policy.decide, policy.digest, services.entitlements)
    questions = [read_question(item) for item in items]
    results = await verify_questions(session, context, agency, questions, at=services.clock.now())
    described = [_describe_result(services, agency.oin, one) for one in results]
    references = [read_reference(item) for item in items]
    return {
        "resultaten": [{"kenmerk": name} | one for name, one in zip(references, described, strict=True)],
    }


@router.get(
    _OWN_PATH + "/{verificatieId}",
    response_model=JournaalplaatsOut,
    response_model_exclude_none=True,
    summary="De plaats van een antwoord in het verzegelde journaal",
    operation_id="leesVerificatie",
    tags=["Verificaties"],
    dependencies=_READS,
    openapi_extra=declare_required_scope(VERIFICATION_SCOPE),
)
async def get_verificatie(
    _request: Request,
    verifier: Verifier,
    session: Transaction,
    verificatie_id: Annotated[UUID, Path(alias="verificatieId")],
) -> dict[str, Any]:
    """Alleen van een antwoord aan u. Het journaal bewijst wanneer het antwoord is gegeven."""
    place = await load_line_place(session, verificatie_id)
    if place is None or not is_answer_to(verifier.oin, place):
        raise NotFound("verificatie_onbekend")
    return {
        "verificatieId": str(verificatie_id),
        "gevraagdOp": place.occurred_at,
        "antwoord": place.facts["antwoord"],
        "nummer": place.seq,
        "hash": None if place.hash is None else place.hash.hex(),
        "ondertekend": place.head,
    }


@public_router.get(PROOF_KEYS_PATH, include_in_schema=False)
async def get_proof_keys(request: Request, _door: Public) -> dict[str, Any]:
    """Publish every key that signed a proof, as a JWK Set (RFC 7517), with `van` and `tot`."""
    return {"keys": access_services(request).keyring.list_signing_keys("ES256")}


def _describe_result(services: AccessServices, oin: str, result: VerificationResult) -> dict[str, Any]:
    if isinstance(result, Refusal):
        fields = describe_fields(result) if isinstance(result, InvalidInput) else {}
        sentence = " ".join([describe_refusal(result), *(f"{name}: {text}" for name, text in fields.items())])
        return {"resultaat": "geweigerd", "code": result.code, "melding": sentence.strip()}
    return _describe_answer(services, oin, result)


def _describe_answer(services: AccessServices, oin: str, answer: VerificationAnswer) -> dict[str, Any]:
    proof = sign_answer(
        services.keyring, services.issuer, oin, answer, entitlements_digest=services.entitlements.digest
    )
    described: dict[str, Any] = {
        "resultaat": "beantwoord",
        "verificatieId": str(answer.id),
        "antwoord": answer.is_yes,
        "op": answer.as_of,
        "bewijs": proof,
        "zout": answer.question.salt,
    }
    if not answer.is_yes:
        described["reden"] = NO_VALID_MACHTIGING
    return described | describe_yes(services.keyring, oin, answer)
