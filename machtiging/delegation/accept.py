"""Acceptance of an offer: verify the machtigingscode and the giver's birth date, then accept.

Every failure gives the same answer, costs the same work and is counted in the database. Failures are counted per code
(wrong birth date on an existing code: five, or three when only the year is known) and per helper (any failure: five an
hour). A refusal commits, so the counts persist. The exact reason is in the journal. Two cases cost no try, because they
reveal nothing: text that cannot be a code, and a code that this helper has redeemed before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import same
from machtiging.delegation.code_check import (
    CheckAnswer,
    CheckKind,
    birth_date_matches,
    check_kind_of,
    word_index,
)
from machtiging.delegation.codes import PURPOSE, normalise, well_formed
from machtiging.delegation.move import apply, witness
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import (
    OTHER_ORGANISATION,
    Deed,
    Machtiging,
    State,
    needs_substantial,
    organisation_matches,
    step,
)
from machtiging.delegation.tables import CodeTry, Machtigingscode
from machtiging.delegation.terms import check_taker
from machtiging.identity.particulars import Profile, same_particulars
from machtiging.identity.people import both_have_bsn, profile_of
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import BirthDate, DateParts
from machtiging.kernel.errors import InvalidInput, NotAllowed, TooMany
from machtiging.kernel.ids import PersonId, uuid7

TRIES_PER_HELPER = 5
WINDOW = timedelta(hours=1)
_CODE: Table = Machtigingscode.__table__  # type: ignore[attr-defined]
_TRY: Table = CodeTry.__table__  # type: ignore[attr-defined]
_MACHTIGING = machtiging_table()
_OWN = ("tries_left", "expires_at", "used_at", "used_by", "word_hash")
_PUBLIC = (
    "Deze code werkt niet met wat u invulde. "
    "Controleer de code, de geboortedatum en, als u dat kreeg, het controlewoord."
)
_NO_CODE = (
    "Dit kan geen machtigingscode zijn: een code heeft tien letters en cijfers. Controleer of u alles goed overnam."
)
_OTHERWISE = (
    "U heeft deze machtiging aangenomen toen u anders was ingelogd: als uzelf, of voor een andere organisatie. "
    "Log weer zo in."
)


@dataclass(frozen=True, slots=True)
class Helper:
    """The person who redeems a code, with assurance and organisation (None: a private person)."""

    person_id: PersonId
    assurance: Assurance
    kvk: str | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The result of redeeming a code. `is_new` is False if this helper redeemed it earlier."""

    machtiging: Machtiging
    anew: bool


@dataclass(frozen=True, slots=True)
class _Offer:
    """The offer of a verified code, its code row locked; or an earlier redemption.

    `already_redeemed` is True if this helper accepted or refused it earlier.
    """

    code_id: UUID
    machtiging: Machtiging
    before: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    code_id: UUID
    tries_left: int
    expires_at: datetime
    used_at: datetime | None
    used_by: UUID | None
    word_hash: bytes | None
    machtiging: Machtiging


async def preview(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, answer: DateParts | CheckAnswer, *, at: datetime
) -> Machtiging:
    """Return the offered machtiging without using the code up. Returns and raises as `accept_offer`."""
    return (await _present(session, keyring, helper, (code, answer), at=at)).machtiging


async def accept(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, answer: DateParts | CheckAnswer, *, at: datetime
) -> Machtiging:
    """Accept the offer. Of several helpers with the same code exactly one succeeds.

    A helper who repeats it gets the current machtiging, accepted or refused. Raises InvalidInput `code_verschreven`
    (cannot be a code; costs no try) or `code_klopt_niet` (unknown, used, expired or withdrawn code, or wrong birth
    date; not told which). Raises TooMany `te_vaak_geprobeerd`. Raises NotAllowed `niveau_te_laag`, `eigen_machtiging`,
    `alleen_voor_organisatie`, `alleen_voor_naaste` or `andere_organisatie`.
    """
    redeemed = await redeem(session, keyring, helper, (code, answer), Deed.ACCEPT, at=at)
    if redeemed.anew:
        await witness(session, Deed.ACCEPT, redeemed.machtiging, helper.person_id, at=at)
    return redeemed.machtiging


async def _present(
    session: AsyncSession,
    keyring: KeyRing,
    helper: Helper,
    typed: tuple[str, DateParts | CheckAnswer],
    *,
    at: datetime,
) -> _Offer:
    """Verify a code with its answer, journal the try, and return the offer.

    Raises as `accept_offer`.
    """
    code = normalise(typed[0])
    failed = await _spend_patience(session, helper, code, at)
    found = await _find(session, keyring, code)
    if found is not None and _handed_in_by(found, helper):
        return await _before(session, helper, found, at)
    # For an unknown code the helper's own profile is decrypted instead, so that timing reveals nothing.
    whose = helper.person_id if found is None else found.machtiging.vertegenwoordigde_id
    profile = await profile_of(session, keyring, whose)
    born = None if profile is None else profile.birth_date
    wrong = _wrong_answer(keyring, code, found, born, typed[1])
    problem = "code_onbekend" if found is None else _problem(found, at) or wrong
    kind = None if found is None else CheckKind.WORD if found.word_hash is not None else check_kind_of(born)
    if found is None or problem is not None:
        await _fail(session, helper, found, problem or "", failed, kind=kind, at=at)
    try:
        await _may_take(session, keyring, helper, found.machtiging, profile)
    except NotAllowed as refusal:
        await _note(session, helper, found.machtiging, refusal.code, at, kind)
        raise
    await _note(session, helper, found.machtiging, None, at, kind)
    return _Offer(found.code_id, found.machtiging)


def _wrong_answer(
    keyring: KeyRing, code: str, found: _Found | None, born: BirthDate | None, told: DateParts | CheckAnswer
) -> str | None:
    """Return the reason code of a wrong answer, or None.

    Both checks are always computed, so timing does not reveal which one counts.
    """
    answer = told if isinstance(told, CheckAnswer) else CheckAnswer(told)
    index = word_index(keyring, code, answer.word)
    kept = None if found is None else found.word_hash
    # An index has 32 bytes, so an empty value matches nothing.
    word, date = same(kept or b"", index), birth_date_matches(born, answer.birth_date)
    if kept is not None:
        return None if word else "controlewoord_klopt_niet"
    return None if date else "geboortedatum_klopt_niet"


def _handed_in_by(found: _Found, helper: Helper) -> bool:
    """Return True if this helper redeemed the code.

    Rows from before `used_by` was stored have none; then the gemachtigde is taken.
    """
    if found.used_at is None or found.tries_left == 0:  # see code_renewal: a replaced code has no tries left
        return False
    user = found.machtiging.gemachtigde_id if found.used_by is None else found.used_by
    return user is not None and user == helper.person_id


async def _before(session: AsyncSession, helper: Helper, found: _Found, at: datetime) -> _Offer:
    """Return the machtiging of this helper's earlier redemption.

    Raises NotAllowed `andere_organisatie`.
    """
    held = found.machtiging
    if held.gemachtigde_id is not None and not organisation_matches(held, helper.kvk):
        await _note(session, helper, held, OTHER_ORGANISATION, at, None)
        raise NotAllowed(OTHER_ORGANISATION, _OTHERWISE)
    await _note(session, helper, held, None, at, None)
    return _Offer(found.code_id, held, before=True)


async def _may_take(
    session: AsyncSession, keyring: KeyRing, helper: Helper, machtiging: Machtiging, giver: Profile | None
) -> None:
    """Require that this helper may accept: not the giver, and the right kind of login.

    Raises NotAllowed `eigen_machtiging`, also for another account of the giver, or as `terms.require_eligible_login`.
    If both have a BSN, only the BSN decides. Otherwise two accounts are one person if both have the same name and birth
    date; a different name in each account is not detected.
    """
    giver_id = machtiging.vertegenwoordigde_id
    own = giver_id == helper.person_id
    if not own and giver is not None and not await both_have_bsn(session, giver_id, helper.person_id):
        profile = await profile_of(session, keyring, helper.person_id)
        own = profile is not None and same_particulars(profile, giver)
    if own:
        raise NotAllowed("eigen_machtiging", "Dit is uw eigen aanbod. U kunt uzelf niet machtigen.")
    check_taker(machtiging.capacity, helper.kvk)


async def redeem(
    session: AsyncSession,
    keyring: KeyRing,
    helper: Helper,
    typed: tuple[str, DateParts | CheckAnswer],
    deed: Deed,
    *,
    at: datetime,
) -> Redeemed:
    """Use the code up and apply the action (ACCEPT or REFUSE). Raises as `accept_offer`."""
    offer = await _present(session, keyring, helper, typed, at=at)
    if offer.before:
        return Redeemed(offer.machtiging, anew=False)
    unused = (_CODE.c.id == offer.code_id, _CODE.c.used_at.is_(None), _CODE.c.tries_left > 0)
    using = update(_CODE).where(*unused).values(used_at=at, used_by=helper.person_id).returning(_CODE.c.id)
    claimed = await session.scalar(using)
    values = _taking(helper, at) if deed is Deed.ACCEPT else {}
    line = step(offer.machtiging, deed, at)
    moved = None if claimed is None else await apply(session, offer.machtiging, line, values, at=at)
    if moved is None:  # the giver withdrew after the code was verified
        found = _Found(offer.code_id, 0, at, at, None, None, offer.machtiging)
        failed = await _failed_lately(session, helper, at)
        await _fail(session, helper, found, "net_te_laat", failed, kind=None, at=at)
    return Redeemed(moved, anew=True)


def _taking(helper: Helper, at: datetime) -> dict[str, Any]:
    who = {"gemachtigde_id": helper.person_id, "gemachtigde_kvk": helper.kvk}
    return who | {"accepted_at": at, "accepted_assurance": helper.assurance}


@dataclass(frozen=True, slots=True)
class _Failed:
    """The number of a helper's failures in the last hour, and its reset time.

    `resets_at` is the moment when the oldest of these no longer counts.
    """

    count: int
    until: datetime


async def _spend_patience(session: AsyncSession, helper: Helper, code: str, at: datetime) -> _Failed:
    """Enforce the assurance, the form of the code and the limit of failed tries.

    Raises NotAllowed `niveau_te_laag`, InvalidInput `code_verschreven`, TooMany.
    """
    try:
        needs_substantial(helper.assurance)
        if not well_formed(code):
            raise InvalidInput("code_verschreven", _NO_CODE)
        # Serialise the tries of one helper: parallel guesses must not all read the same count.
        key = func.hashtextextended(f"machtigingscode:{helper.person_id}", 0)
        await session.execute(select(func.pg_advisory_xact_lock(key)))
        failed = await _failed_lately(session, helper, at)
        if failed.count >= TRIES_PER_HELPER:
            wait = int((failed.until - at).total_seconds()) + 1
            public = f"U heeft te vaak een verkeerde code of geboortedatum ingevuld. {_none_left(failed, at)}"
            raise TooMany("te_vaak_geprobeerd", public, retry_after=wait)
    except (NotAllowed, TooMany) as refusal:
        await _note(session, helper, None, refusal.code, at, None)
        raise
    return failed


async def _failed_lately(session: AsyncSession, helper: Helper, at: datetime) -> _Failed:
    mine = (_TRY.c.person_id == helper.person_id, _TRY.c.tried_at > at - WINDOW)
    failed, first = (await session.execute(select(func.count(), func.min(_TRY.c.tried_at)).where(*mine))).one()
    return _Failed(failed, (first or at) + WINDOW)


def _none_left(failed: _Failed, at: datetime) -> str:
    minutes = ceil((failed.until - at).total_seconds() / 60)
    when = "1 minuut" if minutes == 1 else f"{minutes} minuten"
    return f"U kunt het over {when} weer proberen. Vraag intussen degene die u de code gaf om een nieuwe code te maken."


async def _find(session: AsyncSession, keyring: KeyRing, code: str) -> _Found | None:
    joined = _CODE.join(_MACHTIGING, _MACHTIGING.c.id == _CODE.c.machtiging_id)
    own = (_CODE.c.id, *(_CODE.c[name] for name in _OWN))
    index = keyring.blind_index(PURPOSE, code)
    statement = select(*own, *MACHTIGING_COLUMNS).select_from(joined).where(_CODE.c.code_hash == index)
    # The row lock serialises tries on one code by different helpers.
    row = (await session.execute(statement.with_for_update(of=_CODE))).one_or_none()
    if row is None:
        return None
    own_values = {name: row._mapping[name] for name in _OWN}  # noqa: SLF001
    return _Found(code_id=row.id, machtiging=machtiging_from_mapping(row._mapping), **own_values)  # noqa: SLF001


def _problem(found: _Found, at: datetime) -> str | None:
    if found.used_at is not None:  # see code_renewal: a redeemed code has tries left
        return "code_gebruikt" if found.tries_left > 0 else "code_vervangen"
    if at >= found.expires_at:
        return "code_verlopen"
    if found.tries_left == 0:
        return "code_op"
    if found.machtiging.state is not State.OFFERED:
        return "aanbod_ingetrokken"
    return "periode_voorbij" if at >= found.machtiging.period.ends_at else None


async def _fail(
    session: AsyncSession,
    helper: Helper,
    found: _Found | None,
    reason: str,
    failed: _Failed,
    *,
    kind: CheckKind | None,
    at: datetime,
) -> NoReturn:
    """Count and journal a failed try, then raise the general refusal.

    The message tells the tries left of the helper, never those of the code: that would reveal that the code exists.
    """
    mine = (_TRY.c.person_id == helper.person_id, _TRY.c.tried_at <= at - WINDOW)
    await session.execute(delete(_TRY).where(*mine))
    await session.execute(insert(_TRY).values(id=uuid7(), person_id=helper.person_id, tried_at=at))
    code_id = uuid7() if found is None else found.code_id
    fewer = update(_CODE).where(_CODE.c.id == code_id, _CODE.c.tries_left > 0, _CODE.c.used_at.is_(None))
    await session.execute(fewer.values(tries_left=_CODE.c.tries_left - 1))
    await _note(session, helper, None if found is None else found.machtiging, reason, at, kind)
    left = TRIES_PER_HELPER - failed.count - 1
    told = f"U kunt het nog {left} keer proberen." if left > 0 else _none_left(failed, at)
    raise InvalidInput("code_klopt_niet", f"{_PUBLIC} {told}", private=reason)


async def _note(
    session: AsyncSession,
    helper: Helper,
    machtiging: Machtiging | None,
    problem: str | None,
    at: datetime,
    kind: CheckKind | None,
) -> None:
    """Journal a try and the kind of check beside the code."""
    line = Line(
        act=JournalAct.CODE_GEPROBEERD,
        outcome=Outcome.ALLOWED if problem is None else Outcome.REFUSED,
        reason=problem or "code_klopt",
        actor_id=helper.person_id,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
        facts={} if kind is None else {"controle": kind.value},
    )
    await record(session, line, at=at)
