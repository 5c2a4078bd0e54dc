"""Opening of a help request with its code. It binds the request to the citizen who opens it.

Every failure gives the same answer and is counted (`code_tries`). The exact reason is in the journal. Two cases cost no
try: text that cannot be a code, and a code that this citizen opened before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.code_tries import count_failed_try, require_tries_left
from machtiging.delegation.help_requests.journal_lines import journal_request
from machtiging.delegation.help_requests.queries import find_by_code_for_update, update_request
from machtiging.delegation.help_requests.rules import HelpRequest, require_waiting
from machtiging.delegation.machtigingscode import is_well_formed_code
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import require_substantial_assurance
from machtiging.identity.people import are_same_person
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, Refusal
from machtiging.kernel.readable_code import normalise_code


async def open_help_request(
    session: AsyncSession, keyring: KeyRing, citizen: Giver, typed_code: str, *, at: datetime
) -> UUID:
    """Open the request of this code and return its id. Only this citizen can answer it from then on.

    Raises InvalidInput `hulpvraagcode_verschreven` (cannot be a code) or `hulpvraagcode_klopt_niet` (unknown, expired,
    withdrawn, or opened by another person; not told which). Raises TooMany `te_vaak_geprobeerd`, NotAllowed
    `niveau_te_laag`, `eigen_hulpvraag` or `rij_ongeldig`.
    """
    code = normalise_code(typed_code)
    if not is_well_formed_code(code):
        raise InvalidInput("hulpvraagcode_verschreven")
    try:
        require_substantial_assurance(citizen.assurance)
        failures = await require_tries_left(
            session, citizen.person_id, at=at, message="te_vaak_geprobeerd.help_request"
        )
        request = await find_by_code_for_update(session, keyring, code)
        if request is not None and request.opened_by == citizen.person_id:
            return request.id
        if request is not None and await are_same_person(session, keyring, citizen.person_id, request.requester_id):
            raise NotAllowed("eigen_hulpvraag")
    except Refusal as refusal:
        await journal_request(session, JournalAct.HULPVRAAG_GEOPEND, citizen.person_id, None, refusal.code, at=at)
        raise
    problem = _find_problem(request, at)
    if request is None or problem is not None:
        advice = await count_failed_try(session, citizen.person_id, failures, at=at)
        await journal_request(session, JournalAct.HULPVRAAG_GEOPEND, citizen.person_id, None, problem, at=at)
        raise InvalidInput("hulpvraagcode_klopt_niet", params={"advice": advice}, private=problem or "")
    await update_request(session, request.id, {"opened_by": citizen.person_id, "opened_at": at})
    opened = replace(request, opened_by=citizen.person_id)
    await journal_request(session, JournalAct.HULPVRAAG_GEOPEND, citizen.person_id, opened, at=at)
    return request.id


def _find_problem(request: HelpRequest | None, at: datetime) -> str | None:
    """Return the reason code if nobody, or somebody else, can answer it; else None."""
    if request is None:
        return "code_onbekend"
    if request.opened_by is not None:
        return "hulpvraag_van_ander"
    try:
        require_waiting(request, at)
    except Conflict as refusal:
        return refusal.code
    return None
