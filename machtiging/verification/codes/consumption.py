"""Use of a verification code by an agency.

A code works once, for one agency and purpose, within its life.

Every failure gives the same answer. The exact reason is in the journal. Failed tries are counted (`code_tries`), except
text that cannot be a code: the check character already tells everybody that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.crypto.keyring import KeyRing
from machtiging.identity.people import load_data_key
from machtiging.kernel.errors import InvalidInput, TooMany
from machtiging.kernel.readable_code import normalise_code
from machtiging.notifications.kinds import NotificationKind
from machtiging.notifications.outbox import enqueue_notification
from machtiging.verification.codes.code_tries import count_failed_try, require_tries_left
from machtiging.verification.codes.journal_lines import journal_try
from machtiging.verification.codes.queries import answer_context, find_by_code_for_update, update_code
from machtiging.verification.codes.rules import (
    CODE_INVALID,
    CodeAsker,
    CodeProblem,
    VerificationCode,
    is_well_formed_code,
)


async def consume_code(
    session: AsyncSession,
    keyring: KeyRing,
    asker: CodeAsker,
    purpose: str,
    dienst: str | None,
    typed_code: str,
    *,
    at: datetime,
) -> VerificationCode:
    """Use the code up and return it. Of two concurrent uses exactly one succeeds.

    The caller then answers about `machtiging_id`, and calls `save_answer` in the same transaction. `dienst`: the code
    of the dienst that the agency asks about. Raises InvalidInput `code_niet_geldig` for every code that gives no
    answer, and TooMany `te_vaak_geprobeerd`. Both are journalled, and must commit.
    """
    code = normalise_code(typed_code)
    try:
        failed = await require_tries_left(session, asker, at=at)
    except TooMany as refusal:
        await journal_try(session, asker, purpose, dienst, None, refusal.code, at=at)
        raise
    found, problem = None, None
    if not is_well_formed_code(code):
        problem = CodeProblem.MALFORMED
    else:
        found = await find_by_code_for_update(session, keyring, code)
        problem = CodeProblem.UNKNOWN if found is None else found.find_problem(asker.oin, purpose, dienst, at)
    await journal_try(session, asker, purpose, dienst, found, problem, at=at)
    if found is None or problem is not None:
        costs = 0 if problem is CodeProblem.MALFORMED else 1
        if costs:
            await count_failed_try(session, asker, at=at)
        raise InvalidInput(CODE_INVALID, params={"advice": failed.advise(at, costs)}, private=problem or "")
    used = {"used_at": at, "used_by": asker.person_id, "used_client": asker.client_id, "used_dienst": dienst}
    await update_code(session, found.id, {**used, "code_sealed": None})
    return replace(found, used_at=at, used_by=asker.person_id, used_dienst=dienst)


async def save_answer(
    session: AsyncSession,
    keyring: KeyRing,
    used: VerificationCode,
    answer_id: UUID,
    *,
    is_yes: bool,
    agency_name: str,
    document: bytes | None = None,
    at: datetime,
) -> None:
    """Save the answer to this code. Sends an e-mail to maker and represented party.

    `answer_id`: the decision id. `document`: what the employee saw, which is encrypted for the represented party.
    """
    sealed = None
    if document is not None:
        key = await load_data_key(session, keyring, used.vertegenwoordigde_id)
        sealed = key.encrypt(document, *answer_context(used.id))
    await update_code(session, used.id, {"is_yes": is_yes, "answer_id": answer_id, "answer_sealed": sealed})
    facts = {"organisation": agency_name, "answer": "ja" if is_yes else "nee"}
    await enqueue_notification(session, used.maker_id, NotificationKind.CONTROLECODE_GEBRUIKT_DOOR_U, facts, at=at)
    if used.vertegenwoordigde_id != used.maker_id:
        kind = NotificationKind.CONTROLECODE_GEBRUIKT
        await enqueue_notification(session, used.vertegenwoordigde_id, kind, facts, at=at)
