"""Creation and withdrawal of a verification code, by giver or holder of the machtiging."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.agencies.queries import AgencyView, DienstView, find_active_agency
from machtiging.audit.acts import JournalAct
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import (
    BerichtEnvelope,
    MachtigingScope,
    require_substantial_assurance,
    scope_violation,
)
from machtiging.identity.people import load_data_key
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotFound, Refusal, TooMany
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.organisations.rules import require_minimum_level
from machtiging.storage.row_mac import seal_row
from machtiging.verification.codes.journal_lines import journal_maker_act
from machtiging.verification.codes.queries import CODE, count_codes, encrypt_code, load_own_code, update_code
from machtiging.verification.codes.rules import (
    CODE_INDEX_PURPOSE,
    MAX_CODES_PER_DAY,
    MAX_OPEN_CODES,
    CodeRequest,
    CodeState,
    generate_code,
)
from machtiging.verification.codes.tables import SEALED_VERIFICATION_CODE

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CodeMaker:
    """The login that makes a code. `kvk`: that of the organisation; None for a private person."""

    person_id: PersonId
    kvk: str | None
    assurance: Assurance


def is_covered(scope: MachtigingScope, dienst: DienstView, at: datetime) -> bool:
    """Return True if letters of this dienst can be within the scope."""
    letter = BerichtEnvelope(dienst.oin, dienst.code, dienst.theme, dienst.sensitivity, at)
    return scope_violation(replace(scope, letters=None), letter) is None


def list_covered_diensten(authority: Authority, agency: AgencyView, at: datetime) -> list[DienstView]:
    """List the diensten of an agency that the machtiging covers."""
    return [dienst for dienst in agency.diensten if is_covered(authority.scope, dienst, at)]


def find_maker_stop(authority: Authority, maker: CodeMaker, at: datetime) -> str | None:
    """Return the reason code if this maker can make no code now; else None. Nobody else than giver and holder can.

    The giver makes one for the root. That an organisation assigned it to nobody yet does not matter to her.
    """
    is_giver = maker.kvk is None and authority.vertegenwoordigde_id == maker.person_id and len(authority.links) == 1
    if is_giver:
        stop = authority.team_stop_code(at) if authority.organisation is not None else None
        return stop or (None if authority.organisation is not None else next(authority.stop_codes(at), None))
    if authority.holder_refusal(maker.person_id, maker.kvk) is not None:
        raise NotFound("machtiging_onbekend")
    return next(authority.stop_codes(at), None)


async def create_code(
    session: AsyncSession,
    keyring: KeyRing,
    maker: CodeMaker,
    machtiging_id: MachtigingId,
    wanted: CodeRequest,
    idempotency_key: str,
    *,
    at: datetime,
) -> UUID:
    """Insert a code and return its id. The same key gives the same code.

    Raises NotFound `machtiging_onbekend` for anybody but its giver and holder; Conflict `code_machtiging_geldt_niet`
    or `te_veel_controlecodes`; TooMany `te_veel_controlecodes_vandaag`; NotAllowed or LevelTooLow `niveau_te_laag`;
    InvalidInput `afzender_onbekend`, `dienst_onbekend` or `code_dekt_niets`. A refusal is journalled.
    """
    code_id = derive_code_id(keyring, maker.person_id, machtiging_id, idempotency_key)
    authority = await load_authority(session, machtiging_id, at=at)
    try:
        authority = await _require_makeable(session, maker, authority, wanted, at)
        open_count, day_count = await count_codes(session, maker.person_id, machtiging_id, at - _DAY, at=at)
        if await load_own_code(session, keyring, code_id, maker.person_id) is not None:
            return code_id
        _require_few_codes(open_count, day_count)
    except Refusal as refusal:
        # A stranger to the machtiging gets no line in the journal of the represented party.
        shown_authority = None if isinstance(refusal, NotFound) else authority
        await _journal_creation(session, maker, shown_authority, wanted, at, refusal_code=refusal.code)
        raise
    await _insert_code(session, keyring, maker, authority, wanted, code_id, at)
    await _journal_creation(session, maker, authority, wanted, at, code_id=code_id)
    return code_id


async def _journal_creation(
    session: AsyncSession,
    maker: CodeMaker,
    authority: Authority | None,
    wanted: CodeRequest,
    at: datetime,
    *,
    code_id: UUID | None = None,
    refusal_code: str | None = None,
) -> None:
    facts = {"afnemer": wanted.oin, "doel": wanted.purpose.value, "geldig": wanted.life.value}
    await journal_maker_act(
        session,
        JournalAct.CONTROLECODE_GEMAAKT,
        maker.person_id,
        None if authority is None else authority.machtiging_id,
        None if authority is None else authority.vertegenwoordigde_id,
        at=at,
        code_id=code_id,
        refusal_code=refusal_code,
        facts=facts if wanted.dienst is None else {**facts, "dienst": wanted.dienst},
        organisation_id=_find_organisation_id(maker, authority),
    )


def _find_organisation_id(maker: CodeMaker, authority: Authority | None) -> UUID | None:
    """Return the organisation for which the maker acts."""
    return None if authority is None or maker.kvk is None else authority.organisation_id


def derive_code_id(keyring: KeyRing, maker_id: PersonId, machtiging_id: MachtigingId, idempotency_key: str) -> UUID:
    """Derive the id from maker, machtiging and form key (RFC 9562 section 5.5).

    So two presses make one code.
    """
    index = keyring.blind_index("controlecode-id", f"{maker_id}:{machtiging_id}:{idempotency_key}")
    return UUID(bytes=index[:16], version=5)


async def _require_makeable(
    session: AsyncSession, maker: CodeMaker, authority: Authority | None, wanted: CodeRequest, at: datetime
) -> Authority:
    if authority is None:
        raise NotFound("machtiging_onbekend")
    stop = find_maker_stop(authority, maker, at)
    require_substantial_assurance(maker.assurance)
    if maker.kvk is not None and authority.organisation is not None:
        require_minimum_level(authority.organisation.ceiling.minimum_level, maker.assurance)
    if stop is not None:
        raise Conflict("code_machtiging_geldt_niet", private=stop)
    agency = await find_active_agency(session, wanted.oin)
    if agency is None:
        raise InvalidInput("afzender_onbekend")
    codes = {dienst.code for dienst in agency.diensten}
    if wanted.dienst is not None and wanted.dienst not in codes:
        raise InvalidInput("dienst_onbekend")
    covered = {dienst.code for dienst in list_covered_diensten(authority, agency, at)}
    if not covered or (wanted.dienst is not None and wanted.dienst not in covered):
        raise InvalidInput("code_dekt_niets")
    return authority


def _require_few_codes(open_count: int, day_count: int) -> None:
    if open_count >= MAX_OPEN_CODES:
        raise Conflict("te_veel_controlecodes", params={"n": MAX_OPEN_CODES})
    if day_count >= MAX_CODES_PER_DAY:
        raise TooMany("te_veel_controlecodes_vandaag", params={"n": MAX_CODES_PER_DAY}, retry_after=86_400)


async def _insert_code(
    session: AsyncSession,
    keyring: KeyRing,
    maker: CodeMaker,
    authority: Authority,
    wanted: CodeRequest,
    code_id: UUID,
    at: datetime,
) -> None:
    code, key = generate_code(), await load_data_key(session, keyring, maker.person_id)
    row = {
        "id": code_id,
        "code_hash": keyring.blind_index(CODE_INDEX_PURPOSE, code),
        "code_sealed": encrypt_code(key, code_id, code),
        "machtiging_id": authority.machtiging_id,
        "vertegenwoordigde_id": authority.vertegenwoordigde_id,
        "maker_id": maker.person_id,
        "organisation_id": _find_organisation_id(maker, authority),
        "oin": wanted.oin,
        "dienst": wanted.dienst,
        "purpose": wanted.purpose.value,
        "created_at": at,
        "expires_at": at + wanted.life.duration,
    }
    await session.execute(insert(CODE).values(seal_row(session, SEALED_VERIFICATION_CODE, row)))


async def withdraw_code(
    session: AsyncSession, keyring: KeyRing, code_id: UUID, maker_id: PersonId, *, at: datetime
) -> None:
    """Withdraw an open code, which then gives no answer any more. Repeating it changes nothing.

    Raises NotFound `controlecode_onbekend` for a code of another, and Conflict `controlecode_niet_open` for one that is
    used or expired. A refusal is journalled.
    """
    found = await load_own_code(session, keyring, code_id, maker_id, lock=True)
    state = None if found is None else found.state_at(at)
    if found is not None and state is CodeState.WITHDRAWN:
        return
    refusal: Refusal | None = None
    if found is None:
        refusal = NotFound("controlecode_onbekend")
    elif state is not CodeState.OPEN:
        refusal = Conflict("controlecode_niet_open")
    else:
        await update_code(session, code_id, {"withdrawn_at": at, "code_sealed": None})
    await journal_maker_act(
        session,
        JournalAct.CONTROLECODE_INGETROKKEN,
        maker_id,
        None if found is None else found.machtiging_id,
        None if found is None else found.vertegenwoordigde_id,
        at=at,
        code_id=None if found is None else code_id,
        refusal_code=None if refusal is None else refusal.code,
        organisation_id=None if found is None else found.organisation_id,
    )
    if refusal is not None:
        raise refusal
