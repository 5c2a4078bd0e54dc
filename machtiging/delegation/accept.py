"""A helper hands in a machtigingscode with the giver's birth date, looks at what is offered, and accepts it.

Every failure looks the same, costs the same work, and is counted in the database.

Counted twice: per code (a wrong birth date on a known code, five in its life) and per helper (any failure, five an
hour). A refusal commits, so tries survive. What exactly was wrong stands in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.audit.acts import JournalAct, Outcome
from machtiging.audit.journal import Line, record
from machtiging.crypto.keyring import KeyRing
from machtiging.crypto.secrets import same
from machtiging.delegation.codes import PURPOSE, normalise, well_formed
from machtiging.delegation.move import apply, witness
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import Deed, Machtiging, State, needs_substantial, step
from machtiging.delegation.tables import CodeTry, Machtigingscode
from machtiging.delegation.terms import check_taker
from machtiging.identity.particulars import Profile, same_particulars
from machtiging.identity.people import both_have_bsn, profile_of
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import write_birth_date
from machtiging.kernel.errors import InvalidInput, NotAllowed, TooMany
from machtiging.kernel.ids import PersonId, uuid7

TRIES_PER_CODE = 5
TRIES_PER_HELPER = 5
WINDOW = timedelta(hours=1)
_CODE: Table = Machtigingscode.__table__  # type: ignore[attr-defined]
_TRY: Table = CodeTry.__table__  # type: ignore[attr-defined]
_MACHTIGING = machtiging_table()
_PUBLIC = "Deze code en geboortedatum horen niet bij een machtiging die u kunt aannemen. Controleer beide."


@dataclass(frozen=True, slots=True)
class Helper:
    """Who hands in a code, how surely we know him, and for which organisation he logged in (none: as himself)."""

    person_id: PersonId
    assurance: Assurance
    kvk: str | None = None


@dataclass(frozen=True, slots=True)
class _Offer:
    """An open offer whose code and birth date were given rightly. Its code row is locked."""

    code_id: UUID
    machtiging: Machtiging


@dataclass(frozen=True, slots=True)
class _Found:
    code_id: UUID
    tries_left: int
    expires_at: datetime
    used_at: datetime | None
    machtiging: Machtiging


async def preview(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, birth_date: date, *, at: datetime
) -> Machtiging:
    """What would be accepted; the code stays good. Raises as `accept`."""
    return (await _present(session, keyring, helper, (code, birth_date), at=at)).machtiging


async def accept(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, birth_date: date, *, at: datetime
) -> Machtiging:
    """Take the offer: of any number of helpers with the same code exactly one gets it.

    Raises InvalidInput `code_klopt_niet` (unknown, used, expired, withdrawn or wrong birth date: all the same),
    TooMany `te_vaak_geprobeerd`, NotAllowed `niveau_te_laag`, `eigen_machtiging`, `alleen_voor_organisatie` or
    `alleen_voor_naaste`.
    """
    accepted = await redeem(session, keyring, helper, (code, birth_date), Deed.ACCEPT, at=at)
    await witness(session, Deed.ACCEPT, accepted, helper.person_id, at=at)
    return accepted


async def _present(
    session: AsyncSession, keyring: KeyRing, helper: Helper, typed: tuple[str, date], *, at: datetime
) -> _Offer:
    """The open offer behind a code and a birth date, with one journal line. Raises as `accept`."""
    try:
        needs_substantial(helper.assurance)
        await _spend_patience(session, helper, at)
    except (NotAllowed, TooMany) as refusal:
        await _note(session, helper, None, refusal.code, at)
        raise
    code, birth_date = normalise(typed[0]), typed[1]
    found = await _find(session, keyring, code)
    # With no such code the helper's own profile is opened instead, so that the work done is the same.
    whose = helper.person_id if found is None else found.machtiging.vertegenwoordigde_id
    profile = await profile_of(session, keyring, whose)
    known = write_birth_date(profile.birth_date) if profile and profile.birth_date else "onbekend"
    right = same(known, birth_date.isoformat())
    if found is None:
        await _fail(session, helper, None, "code_onbekend" if well_formed(code) else "code_verschreven", at=at)
    problem = _problem(found, at) or (None if right else "geboortedatum_klopt_niet")
    if problem is not None:
        await _fail(session, helper, found, problem, at=at)
    try:
        await _may_take(session, keyring, helper, found.machtiging, profile)
    except NotAllowed as refusal:
        await _note(session, helper, found.machtiging, refusal.code, at)
        raise
    await _note(session, helper, found.machtiging, None, at)
    return _Offer(found.code_id, found.machtiging)


async def _may_take(
    session: AsyncSession, keyring: KeyRing, helper: Helper, machtiging: Machtiging, giver: Profile | None
) -> None:
    """Raises NotAllowed `eigen_machtiging`, also for another account of the giver, or as `terms.check_taker`.

    Where both have a BSN that alone decides. Where one has none, two accounts are taken for one person only by name
    and birth date, if both tell both: who has another name in each is not seen.
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
    session: AsyncSession, keyring: KeyRing, helper: Helper, typed: tuple[str, date], deed: Deed, *, at: datetime
) -> Machtiging:
    """Use the code up and do the deed (ACCEPT or REFUSE) that it is for. Raises as `accept`."""
    offer = await _present(session, keyring, helper, typed, at=at)
    unused = (_CODE.c.id == offer.code_id, _CODE.c.used_at.is_(None), _CODE.c.tries_left > 0)
    claimed = await session.scalar(update(_CODE).where(*unused).values(used_at=at).returning(_CODE.c.id))
    values = _taking(helper, at) if deed is Deed.ACCEPT else {}
    line = step(offer.machtiging, deed, at)
    moved = None if claimed is None else await apply(session, offer.machtiging, line, values, at=at)
    if moved is None:  # the giver withdrew between our look and our grasp
        found = _Found(offer.code_id, 0, at, at, offer.machtiging)
        await _fail(session, helper, found, "net_te_laat", at=at)
    return moved


def _taking(helper: Helper, at: datetime) -> dict[str, Any]:
    who = {"gemachtigde_id": helper.person_id, "gemachtigde_kvk": helper.kvk}
    return who | {"accepted_at": at, "accepted_assurance": helper.assurance}


async def _spend_patience(session: AsyncSession, helper: Helper, at: datetime) -> None:
    # One try of one helper at a time: parallel guesses must not all see the same count.
    key = func.hashtextextended(f"machtigingscode:{helper.person_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))
    mine = (_TRY.c.person_id == helper.person_id, _TRY.c.tried_at > at - WINDOW)
    failed, first = (await session.execute(select(func.count(), func.min(_TRY.c.tried_at)).where(*mine))).one()
    if failed >= TRIES_PER_HELPER:
        wait = int((first + WINDOW - at).total_seconds()) + 1
        public = "U heeft te vaak een verkeerde code of geboortedatum ingevuld. Probeer het over een uur weer."
        raise TooMany("te_vaak_geprobeerd", public, retry_after=wait)


async def _find(session: AsyncSession, keyring: KeyRing, code: str) -> _Found | None:
    joined = _CODE.join(_MACHTIGING, _MACHTIGING.c.id == _CODE.c.machtiging_id)
    own = (_CODE.c.id, _CODE.c.tries_left, _CODE.c.expires_at, _CODE.c.used_at)
    index = keyring.blind_index(PURPOSE, code)
    statement = select(*own, *MACHTIGING_COLUMNS).select_from(joined).where(_CODE.c.code_hash == index)
    # The lock makes tries on one code queue up, whoever makes them.
    row = (await session.execute(statement.with_for_update(of=_CODE))).one_or_none()
    if row is None:
        return None
    return _Found(row.id, row.tries_left, row.expires_at, row.used_at, machtiging_from_mapping(row._mapping))  # noqa: SLF001


def _problem(found: _Found, at: datetime) -> str | None:
    if found.used_at is not None:  # see renew_code: a code that was used had tries left
        return "code_gebruikt" if found.tries_left > 0 else "code_vervangen"
    if at >= found.expires_at:
        return "code_verlopen"
    if found.tries_left == 0:
        return "code_op"
    if found.machtiging.state is not State.OFFERED:
        return "aanbod_ingetrokken"
    return "periode_voorbij" if at >= found.machtiging.period.ends_at else None


async def _fail(session: AsyncSession, helper: Helper, found: _Found | None, reason: str, *, at: datetime) -> NoReturn:
    """Count the try, write down what was wrong, and say nothing but that it was. Always raises."""
    mine = (_TRY.c.person_id == helper.person_id, _TRY.c.tried_at <= at - WINDOW)
    await session.execute(delete(_TRY).where(*mine))
    await session.execute(insert(_TRY).values(id=uuid7(), person_id=helper.person_id, tried_at=at))
    code_id = uuid7() if found is None else found.code_id
    fewer = update(_CODE).where(_CODE.c.id == code_id, _CODE.c.tries_left > 0, _CODE.c.used_at.is_(None))
    await session.execute(fewer.values(tries_left=_CODE.c.tries_left - 1))
    await _note(session, helper, None if found is None else found.machtiging, reason, at)
    raise InvalidInput("code_klopt_niet", _PUBLIC, private=reason)


async def _note(
    session: AsyncSession, helper: Helper, machtiging: Machtiging | None, problem: str | None, at: datetime
) -> None:
    line = Line(
        act=JournalAct.CODE_GEPROBEERD,
        outcome=Outcome.ALLOWED if problem is None else Outcome.REFUSED,
        reason=problem or "code_klopt",
        actor_id=helper.person_id,
        for_person_id=None if machtiging is None else machtiging.vertegenwoordigde_id,
        machtiging_id=None if machtiging is None else machtiging.id,
    )
    await record(session, line, at=at)
