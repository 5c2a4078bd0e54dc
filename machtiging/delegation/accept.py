"""A helper hands in a machtigingscode with the giver's birth date, looks at what is offered, and accepts it.

Every failure looks the same, costs the same work, and is counted in the database.

Counted twice: per code (a wrong birth date on a known code, five in its life, three when only its year is known) and
per helper (any failure, five an hour). A refusal commits, so tries survive. What exactly was wrong stands in the
journal. Two things cost no try, for they tell nobody anything: what cannot be a code, and a code that this very helper
has handed in before.
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
    """Who hands in a code, how surely we know him, and for which organisation he logged in (none: as himself)."""

    person_id: PersonId
    assurance: Assurance
    kvk: str | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The result of handing in a code; not `anew`: this helper had done that before, and nothing happened now."""

    machtiging: Machtiging
    anew: bool


@dataclass(frozen=True, slots=True)
class _Offer:
    """An offer whose code was given rightly, its code row locked; or what this helper took or refused `before`."""

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
    """What would be accepted; the code stays good. Returns and raises as `accept`."""
    return (await _present(session, keyring, helper, (code, answer), at=at)).machtiging


async def accept(
    session: AsyncSession, keyring: KeyRing, helper: Helper, code: str, answer: DateParts | CheckAnswer, *, at: datetime
) -> Machtiging:
    """Take the offer: of any number of helpers with the same code exactly one gets it.

    The same helper a second time gets the machtiging as it is now: accepted, or refused if that is what he did.

    Raises InvalidInput `code_verschreven` (cannot be a code; costs no try) or `code_klopt_niet` (unknown, used,
    expired, withdrawn or wrong birth date: all the same), TooMany `te_vaak_geprobeerd`, NotAllowed `niveau_te_laag`,
    `eigen_machtiging`, `alleen_voor_organisatie`, `alleen_voor_naaste` or `andere_organisatie`.
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
    """The open offer behind a code and what was answered, with one journal line. Raises as `accept`."""
    code = normalise(typed[0])
    failed = await _spend_patience(session, helper, code, at)
    found = await _find(session, keyring, code)
    if found is not None and _handed_in_by(found, helper):
        return await _before(session, helper, found, at)
    # With no such code the helper's own profile is opened instead, so that the work done is the same.
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
    """The reason code when the answer is wrong. All that can be asked is worked out, whichever of it counts."""
    answer = told if isinstance(told, CheckAnswer) else CheckAnswer(told)
    index = word_index(keyring, code, answer.word)
    kept = None if found is None else found.word_hash
    # An index has 32 bytes, so nothing equals an absent one.
    word, date = same(kept or b"", index), birth_date_matches(born, answer.birth_date)
    if kept is not None:
        return None if word else "controlewoord_klopt_niet"
    return None if date else "geboortedatum_klopt_niet"


def _handed_in_by(found: _Found, helper: Helper) -> bool:
    """Tell if this helper used the code himself; of codes used before that was kept, who has the machtiging did."""
    if found.used_at is None or found.tries_left == 0:  # see renew_code: a code that was replaced has no tries left
        return False
    user = found.machtiging.gemachtigde_id if found.used_by is None else found.used_by
    return user is not None and user == helper.person_id


async def _before(session: AsyncSession, helper: Helper, found: _Found, at: datetime) -> _Offer:
    """Lead the helper back to what he took or refused. Raises NotAllowed `andere_organisatie`."""
    held = found.machtiging
    if held.gemachtigde_id is not None and not organisation_matches(held, helper.kvk):
        await _note(session, helper, held, OTHER_ORGANISATION, at, None)
        raise NotAllowed(OTHER_ORGANISATION, _OTHERWISE)
    await _note(session, helper, held, None, at, None)
    return _Offer(found.code_id, held, before=True)


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
    session: AsyncSession,
    keyring: KeyRing,
    helper: Helper,
    typed: tuple[str, DateParts | CheckAnswer],
    deed: Deed,
    *,
    at: datetime,
) -> Redeemed:
    """Use the code up and do the deed (ACCEPT or REFUSE) that it is for. Raises as `accept`."""
    offer = await _present(session, keyring, helper, typed, at=at)
    if offer.before:
        return Redeemed(offer.machtiging, anew=False)
    unused = (_CODE.c.id == offer.code_id, _CODE.c.used_at.is_(None), _CODE.c.tries_left > 0)
    using = update(_CODE).where(*unused).values(used_at=at, used_by=helper.person_id).returning(_CODE.c.id)
    claimed = await session.scalar(using)
    values = _taking(helper, at) if deed is Deed.ACCEPT else {}
    line = step(offer.machtiging, deed, at)
    moved = None if claimed is None else await apply(session, offer.machtiging, line, values, at=at)
    if moved is None:  # the giver withdrew between our look and our grasp
        found = _Found(offer.code_id, 0, at, at, None, None, offer.machtiging)
        failed = await _failed_lately(session, helper, at)
        await _fail(session, helper, found, "net_te_laat", failed, kind=None, at=at)
    return Redeemed(moved, anew=True)


def _taking(helper: Helper, at: datetime) -> dict[str, Any]:
    who = {"gemachtigde_id": helper.person_id, "gemachtigde_kvk": helper.kvk}
    return who | {"accepted_at": at, "accepted_assurance": helper.assurance}


@dataclass(frozen=True, slots=True)
class _Failed:
    """How often a helper failed within the last hour, and when the first of these is forgotten."""

    count: int
    until: datetime


async def _spend_patience(session: AsyncSession, helper: Helper, code: str, at: datetime) -> _Failed:
    """Let a helper try once more. Raises NotAllowed `niveau_te_laag`, InvalidInput `code_verschreven`, TooMany."""
    try:
        needs_substantial(helper.assurance)
        if not well_formed(code):
            raise InvalidInput("code_verschreven", _NO_CODE)
        # One try of one helper at a time: parallel guesses must not all see the same count.
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
    # The lock makes tries on one code queue up, whoever makes them.
    row = (await session.execute(statement.with_for_update(of=_CODE))).one_or_none()
    if row is None:
        return None
    own_values = {name: row._mapping[name] for name in _OWN}  # noqa: SLF001
    return _Found(code_id=row.id, machtiging=machtiging_from_mapping(row._mapping), **own_values)  # noqa: SLF001


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
    """Count the try, write down what was wrong, and say nothing but that it was, and how many tries he has left.

    Those of the helper, never those of the code: that would tell that there is one. Always raises.
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
    """Journal a try, and in which form the second thing beside the code was asked."""
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
