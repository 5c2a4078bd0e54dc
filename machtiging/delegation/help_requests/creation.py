"""Creation and withdrawal of a help request, by a relative or an employee.

An employee makes it for the organisation.

The requester names nobody: the citizen is known only after she opened the request with its code. So it reveals of no
person whether that person exists here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.bundles import find_current_bundle
from machtiging.agencies.rules import BundleReference
from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.assignments.acting_employee import load_requesting_employee, require_helping
from machtiging.delegation.assignments.rules import EmployeeLogin
from machtiging.delegation.authority.holders import EmployeeAuthority
from machtiging.delegation.help_requests.journal_lines import journal_request
from machtiging.delegation.help_requests.queries import (
    REQUEST_CODE_INDEX_PURPOSE,
    count_requests_since,
    encrypt_words,
    load_own_request,
    update_request,
)
from machtiging.delegation.help_requests.rules import (
    MAX_OPEN_REQUESTS,
    MAX_OPEN_REQUESTS_OF_EMPLOYEE,
    MAX_REQUESTS_PER_DAY,
    MAX_REQUESTS_PER_DAY_OF_EMPLOYEE,
    HelpRequest,
    HelpRequestState,
    RequestWords,
    build_terms,
    compute_expiry,
    encode_scope,
    require_waiting,
    require_within_ceiling,
)
from machtiging.delegation.machtigingscode import format_code, generate_code
from machtiging.delegation.offer import require_valid_terms
from machtiging.delegation.rules import Capacity, MachtigingLimits, MachtigingScope, require_substantial_assurance
from machtiging.delegation.tables import SEALED_HELP_REQUEST, HelpRequestRow
from machtiging.delegation.terms import is_helper_name, require_eligible_login
from machtiging.identity.people import load_data_key
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound, Refusal, TooMany
from machtiging.kernel.ids import PersonId
from machtiging.kernel.text import require_plain_line
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.organisations.rules import require_minimum_level
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import seal_row

_REQUEST = table_of(HelpRequestRow)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RequestedHelp:
    """The content of a new request: words, letters and last day. `bundle`: the version that `scope` came from."""

    words: RequestWords
    scope: MachtigingScope
    last_day: date
    bundle: BundleReference | None = None


async def create_help_request(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    requester: CodeHolder,
    content: RequestedHelp,
    idempotency_key: str,
    *,
    at: datetime,
) -> UUID:
    """Insert a request with a new code and return its id. The same key gives the same request.

    Raises NotAllowed `niveau_te_laag` or `alleen_voor_naaste`, Conflict `te_veel_open_hulpvragen`, TooMany
    `te_veel_hulpvragen`, InvalidInput as `offer.offer_machtiging`. A refusal is journalled.
    """
    request_id = derive_request_id(keyring, requester.person_id, idempotency_key)
    try:
        require_substantial_assurance(requester.assurance)
        require_eligible_login(Capacity.RELATIVE, requester.kvk)
        counts = await count_requests_since(session, requester.person_id, at - _DAY, at=at)
        if await load_own_request(session, keyring, request_id, requester.person_id) is not None:
            return request_id
        _require_few_requests(counts, MAX_OPEN_REQUESTS, MAX_REQUESTS_PER_DAY)
        if not is_helper_name(content.words.requester_name):
            raise InvalidInput("naam_van_helper_ongeldig")
        request = await _build_valid_request(session, limits, requester, content, request_id, at)
    except Refusal as refusal:
        await journal_request(session, JournalAct.HULPVRAAG_GESTELD, requester.person_id, None, refusal.code, at=at)
        raise
    await _insert_request(session, keyring, request)
    await journal_request(session, JournalAct.HULPVRAAG_GESTELD, requester.person_id, request, at=at)
    await enqueue_notification(session, requester.person_id, NotificationKind.HULPVRAAG_GESTELD_DOOR_U, {}, at=at)
    return request_id


async def create_organisation_request(
    session: AsyncSession,
    keyring: KeyRing,
    limits: MachtigingLimits,
    login: EmployeeLogin,
    content: RequestedHelp,
    idempotency_key: str,
    *,
    at: datetime,
) -> UUID:
    """Insert a request of the organisation of this employee, as `create_help_request`.

    The name of the organisation takes the place of the requester's own name. Raises NotAllowed `geen_medewerker`, or
    as `stop_reasons.organisation_refusal` and `employee_refusal`; LevelTooLow `niveau_te_laag`; InvalidInput
    `verzoek_boven_plafond`, `bundel_onbekend` or `bundel_ongeldig`; Conflict `bundel_verouderd` if a newer version is
    published. A refusal is journalled.
    """
    request_id = derive_request_id(keyring, login.person_id, f"{login.kvk}:{idempotency_key}")
    act, organisation_id = JournalAct.HULPVRAAG_GESTELD, None
    try:
        acting = await load_requesting_employee(session, login, at=at)
        organisation_id = acting.organisation.id
        require_helping(acting, at)
        require_minimum_level(acting.organisation.ceiling.minimum_level, login.assurance)
        counts = await count_requests_since(session, login.person_id, at - _DAY, at=at, organisation_id=organisation_id)
        if await load_own_request(session, keyring, request_id, login.person_id, organisation_id=organisation_id):
            return request_id
        _require_few_requests(counts, MAX_OPEN_REQUESTS_OF_EMPLOYEE, MAX_REQUESTS_PER_DAY_OF_EMPLOYEE)
        await _require_current_bundle(session, content)
        named = replace(content, words=replace(content.words, requester_name=acting.organisation.name))
        holder = CodeHolder(login.person_id, login.assurance, login.kvk)
        request = await _build_valid_request(session, limits, holder, named, request_id, at, acting)
    except Refusal as refusal:
        await journal_request(session, act, login.person_id, None, refusal.code, at=at, organisation_id=organisation_id)
        raise
    await _insert_request(session, keyring, request)
    await journal_request(session, act, login.person_id, request, at=at)
    return request_id


async def _require_current_bundle(session: AsyncSession, content: RequestedHelp) -> None:
    """Require the version that is published now: the request is what the employee saw."""
    if content.bundle is None:
        return
    current = await find_current_bundle(session, content.bundle.code)
    if current is None:
        raise InvalidInput("bundel_onbekend")
    if current.reference != content.bundle:
        raise Conflict("bundel_verouderd")
    if content.scope.diensten != current.diensten:
        raise InvalidInput("bundel_ongeldig")


def _require_few_requests(counts: tuple[int, int], most_open: int, most_per_day: int) -> None:
    open_count, day_count = counts
    if open_count >= most_open:
        raise Conflict("te_veel_open_hulpvragen", params={"n": most_open})
    if day_count >= most_per_day:
        raise TooMany("te_veel_hulpvragen", params={"n": most_per_day}, retry_after=86_400)


def derive_request_id(keyring: KeyRing, requester_id: PersonId, idempotency_key: str) -> UUID:
    """Derive the id from requester and form key (RFC 9562 section 5.5).

    So a double submit makes one request.
    """
    index = keyring.blind_index("hulpvraag", f"{requester_id}:{idempotency_key}")
    return UUID(bytes=index[:16], version=5)


async def _build_valid_request(
    session: AsyncSession,
    limits: MachtigingLimits,
    requester: CodeHolder,
    content: RequestedHelp,
    request_id: UUID,
    at: datetime,
    acting: EmployeeAuthority | None = None,
) -> HelpRequest:
    """Build the request with its code, if the terms could be those of a machtiging. Raises InvalidInput."""
    words = content.words
    if not is_helper_name(words.for_whom):
        raise InvalidInput("naam_van_helper_ongeldig")
    request = HelpRequest(
        id=request_id,
        requester_id=requester.person_id,
        requester_assurance=requester.assurance,
        scope=content.scope,
        last_day=content.last_day,
        state=HelpRequestState.WAITING,
        created_at=at,
        expires_at=compute_expiry(content.last_day, at),
        opened_by=None,
        decided_at=None,
        machtiging_id=None,
        words=words,
        organisation_id=None if acting is None else acting.organisation.id,
        employee_id=None if acting is None else acting.employee.id,
        bundle=content.bundle,
    )
    terms = await require_valid_terms(session, limits, build_terms(request, at), at=at)
    if acting is not None:
        require_within_ceiling(terms.scope, content.last_day, acting.organisation.ceiling, at)
    names = (require_plain_line(words.for_whom), require_plain_line(words.requester_name))
    return replace(request, words=RequestWords(*names, terms.purpose, generate_code()))


async def _insert_request(session: AsyncSession, keyring: KeyRing, request: HelpRequest) -> None:
    key = await load_data_key(session, keyring, request.requester_id)
    row = {
        "id": request.id,
        "requester_id": request.requester_id,
        "requester_assurance": request.requester_assurance,
        "code_hash": keyring.blind_index(REQUEST_CODE_INDEX_PURPOSE, request.words.code),
        "words_sealed": encrypt_words(key, request.id, request.words),
        "scope": encode_scope(request.scope, request.bundle),
        "last_day": request.last_day,
        "state": request.state,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "opened_by": None,
        "opened_at": None,
        "decided_at": None,
        "machtiging_id": None,
        "organisation_id": request.organisation_id,
        "employee_id": request.employee_id,
    }
    await session.execute(insert(_REQUEST).values(seal_row(session, SEALED_HELP_REQUEST, row)))


async def withdraw_help_request(
    session: AsyncSession,
    keyring: KeyRing,
    request_id: UUID,
    requester_id: PersonId,
    *,
    at: datetime,
    organisation_id: UUID | None = None,
) -> None:
    """Withdraw a request that waits; its code stops working. Repeating it changes nothing.

    `organisation_id`: that of the requester's login.

    Raises NotFound `hulpvraag_onbekend`, Conflict `hulpvraag_al_beantwoord` or `hulpvraag_verlopen`. A refusal is
    journalled.
    """
    request = await load_own_request(
        session, keyring, request_id, requester_id, organisation_id=organisation_id, lock=True
    )
    if request is not None and request.state is HelpRequestState.WITHDRAWN:
        return
    try:
        if request is None:
            raise NotFound("hulpvraag_onbekend")
        require_waiting(request, at)
    except Refusal as refusal:
        act = JournalAct.HULPVRAAG_INGETROKKEN
        await journal_request(session, act, requester_id, request, refusal.code, at=at, organisation_id=organisation_id)
        raise
    await update_request(session, request.id, {"state": HelpRequestState.WITHDRAWN, "decided_at": at})
    await journal_request(session, JournalAct.HULPVRAAG_INGETROKKEN, requester_id, request, at=at)


def format_request_code(request: HelpRequest) -> str:
    """Format the code of a request for people."""
    return format_code(request.words.code)
