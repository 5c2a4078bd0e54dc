"""Issued access tokens by `jti`: insert, revoke, and load on every use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.issued.still import VERSION
from machtiging.access.tables import SEALED_TOKEN, IssuedToken
from machtiging.audit.forged_rows import authenticate_row
from machtiging.audit.journal import Line, as_values, line_beside
from machtiging.delegation.gate import enter_beside_others
from machtiging.delegation.queries import MACHTIGING_COLUMNS, machtiging_from_mapping, machtiging_table
from machtiging.delegation.rules import Act, Machtiging, is_usable
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId, uuid7
from machtiging.storage.row_mac import MAC, seal
from machtiging.storage.statement import Found, Statement, Work

_TOKEN: Table = IssuedToken.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class IssuedTokenFacts:
    """The immutable facts of one access token, of a person or of an agency (`oin`).

    A person's token is for the own box or under a machtiging.
    """

    id: TokenId
    client_id: str
    grant_id: GrantId | None
    person_id: PersonId | None
    machtiging_id: MachtigingId | None
    oin: str | None
    scope: str
    acts: frozenset[Act]
    assurance: Assurance
    issued_at: datetime
    expires_at: datetime
    # `audience`: the resource, empty for our own API. `jkt`, `x5t`: the binding. `parent_id`: the exchanged token.
    audience: str = ""
    jkt: str | None = None
    x5t: str | None = None
    parent_id: TokenId | None = None
    # The organisation (KvK) of the login session at consent; None for a private person.
    organisation_kvk: str | None = None


_REGISTERED = tuple(field.name for field in fields(IssuedTokenFacts))


@dataclass(frozen=True, slots=True)
class TokenState:
    """The current state of a token and of its machtiging."""

    facts: IssuedTokenFacts
    revoked_at: datetime | None
    machtiging: Machtiging | None

    def live_at(self, at: datetime) -> bool:
        """Return True for a token that RFC 7662 calls active at `at`."""
        return self.revoked_at is None and at < self.facts.expires_at and self.is_usable_at(at)

    def is_usable_at(self, at: datetime) -> bool:
        """Check that the machtiging, if any, is in force and usable by the holder.

        The organisation of token and machtiging must be the same.
        """
        facts = self.facts
        if self.machtiging is None:
            return True
        person_id = facts.person_id
        return person_id is not None and is_usable(self.machtiging, person_id, facts.organisation_kvk, at)


def audience(issuer: str) -> str:
    """Return the `aud` of every access token: our own API (RFC 9068 section 3)."""
    return issuer + "/api/v1"


async def register(session: AsyncSession, facts: IssuedTokenFacts) -> None:
    """Insert a token that is about to be issued."""
    await session.execute(insert(_TOKEN), seal(session, SEALED_TOKEN, _values(facts)))


def registering(gate: FromClause) -> tuple[CTE, CTE]:
    """Build CTEs that insert a token and its journal line.

    They insert only if `gate` returns a row.

    Parameters: see `insert_token_params`.
    """
    names = (*_REGISTERED, MAC)
    said = [bindparam(f"token_{name}", type_=_TOKEN.c[name].type).label(name) for name in names]
    token = insert(_TOKEN).from_select(list(names), select(*said).select_from(gate)).cte("registered")
    return token, line_beside(gate).cte("line")


def to_register(work: Work, facts: IssuedTokenFacts, line: Line) -> dict[str, Any]:
    """Return the parameters of `insert_token_cte` for a token and its journal line."""
    sealed = seal(work, SEALED_TOKEN, _values(facts))
    token = {f"token_{name}": value for name, value in sealed.items()}
    return token | as_values(line, uuid7(), facts.issued_at)


def _values(facts: IssuedTokenFacts) -> dict[str, Any]:
    # Not `asdict`: it deep-copies the values, which is slow on this hot path.
    row = {name: getattr(facts, name) for name in _REGISTERED}
    return row | {"acts": sorted(facts.acts), "assurance": facts.assurance.value}


async def revoke_one(session: AsyncSession, jti: TokenId, at: datetime) -> int:
    """Revoke one token and its descendants, and return the number revoked.

    The number is 0 for an unknown or revoked token.
    """
    return await _revoke(session, _TOKEN.c.id == jti, at)


async def revoke_of_grant(session: AsyncSession, grant_id: GrantId, at: datetime) -> int:
    """Revoke every token of a grant."""
    return await _revoke(session, _TOKEN.c.grant_id == grant_id, at)


async def revoke_of_grants(session: AsyncSession, grant_ids: Collection[GrantId], at: datetime) -> int:
    """Revoke every token of these grants in one statement, to avoid deadlocks between concurrent calls."""
    return await _revoke(session, _TOKEN.c.grant_id.in_(grant_ids), at)


async def revoke_of_machtiging(session: AsyncSession, machtiging_id: MachtigingId, at: datetime) -> int:
    """Revoke every token under a machtiging. It granted nothing already: every request reads the machtiging."""
    return await _revoke(session, _TOKEN.c.machtiging_id == machtiging_id, at)


async def revoke_of_client(session: AsyncSession, client_id: str, at: datetime) -> int:
    """Revoke every token of a client, for all its users."""
    return await _revoke(session, _TOKEN.c.client_id == client_id, at)


async def _revoke(session: AsyncSession, which: ColumnElement[bool], at: datetime) -> int:
    """Revoke the matching tokens and, level by level, the tokens exchanged for them.

    Each level is a statement of its own, so it sees tokens that were exchanged while the level before waited for locks.
    """
    level = await _close(session, which, at)
    closed = len(level)
    while level:
        level = await _close(session, _TOKEN.c.parent_id == any_(literal(level, ARRAY(Uuid))), at)
        closed += len(level)
    return closed


async def _close(session: AsyncSession, which: ColumnElement[bool], at: datetime) -> list[UUID]:
    # Lock in the order of the ids: two concurrent revocations of the same tokens (a machtiging ends, a client is
    # suspended) cannot deadlock.
    theirs = select(_TOKEN.c.id).where(which, _TOKEN.c.revoked_at.is_(None)).order_by(_TOKEN.c.id).with_for_update()
    closing = update(_TOKEN).where(_TOKEN.c.id.in_(theirs)).values(revoked_at=at).returning(_TOKEN.c.id)
    return list(await session.scalars(closing))


async def open_until(session: AsyncSession, grant_ids: Collection[GrantId], at: datetime) -> dict[GrantId, datetime]:
    """Return the latest expiry of each grant's active tokens.

    A grant without active tokens is left out.
    """
    theirs = _TOKEN.c.grant_id.in_(grant_ids)
    still = select(_TOKEN.c.grant_id, func.max(_TOKEN.c.expires_at)).where(
        theirs, _TOKEN.c.revoked_at.is_(None), _TOKEN.c.expires_at > at
    )
    return {GrantId(grant_id): ends for grant_id, ends in await session.execute(still.group_by(_TOKEN.c.grant_id))}


Beside = Callable[[FromClause], Select[Any]]


def _statement(*, hold: bool, beside: Beside | None = None) -> Select[Any]:
    token = select(*(c.label(f"t_{c.name}") for c in _TOKEN.c)).where(_TOKEN.c.id == bindparam("jti")).cte("token")
    machtiging = machtiging_table()
    theirs = select(*MACHTIGING_COLUMNS, VERSION).join_from(
        machtiging, token, machtiging.c.id == token.c.t_machtiging_id
    )
    if hold:
        # In the FROM, so that the advisory lock is taken before the row lock; the other order could deadlock.
        theirs = theirs.join(enter_beside_others(token.c.t_machtiging_id), true())
        theirs = theirs.with_for_update(read=True, of=machtiging)
    # PostgreSQL refuses FOR SHARE on the nullable side of an outer join; in a CTE it is allowed.
    held = theirs.cte("held")
    known = token.outerjoin(held, true())
    if beside is None:
        return select(token, held).select_from(known)
    more = beside(token).lateral("beside")
    return select(token, held, more).select_from(known.outerjoin(more, true()))


_LOOK, _HOLD = Statement(_statement(hold=False)), Statement(_statement(hold=True))


async def state_of(work: Work, jti: TokenId, at: datetime | None = None) -> TokenState | None:
    """Load a token with its machtiging; None for an unknown jti or a forged row."""
    return await _state(work, _LOOK, jti, at)


async def hold(work: Work, jti: TokenId, at: datetime | None = None) -> TokenState | None:
    """Load a token and lock its machtiging FOR SHARE until the transaction ends.

    A concurrent revocation waits. Returns as `load_token`.
    """
    return await _state(work, _HOLD, jti, at)


def looking(beside: Beside) -> Statement:
    """Build a statement for a token, its machtiging and the `joined` select.

    `joined` receives a FROM with columns `t_<name>`. Its columns are NULL when it selects nothing. Parameters: `jti`
    and those of `joined`. Read the row with `token_state_from_row`.
    """
    return Statement(looked_at(beside))


def looked_at(beside: Beside) -> Select[Any]:
    """Build the select of `token_query`, for a larger statement."""
    return _statement(hold=False, beside=beside)


async def _state(work: Work, statement: Statement, jti: UUID, at: datetime | None) -> TokenState | None:
    found = await statement.one(work, {"jti": jti})
    return None if found is None else await authentic_state(work, found, at)


async def authentic_state(work: Work, found: Found, at: datetime | None) -> TokenState | None:
    """Return the token state in a row of `token_query`, after the row MAC was verified.

    None, with a journal line, for a forged row.
    """
    return state_in(found) if await authenticate_row(work, SEALED_TOKEN, found, "t_", at=at) else None


def state_in(found: Found) -> TokenState:
    """Return the token state in a row of `token_query` with a verified MAC.

    Raises Fault `machtiging_ontbreekt`.
    """
    held = None if found["m_id"] is None else machtiging_from_mapping(found)
    if held is None and found["t_machtiging_id"] is not None:
        # Fail closed: without its machtiging this token would count as one for the own box.
        raise Fault("machtiging_ontbreekt", private=f"token {found['t_id']} hangs on a machtiging that is not there")
    return TokenState(_facts(found), found["t_revoked_at"], held)


def _facts(row: Mapping[Any, Any]) -> IssuedTokenFacts:
    return IssuedTokenFacts(
        id=row["t_id"],
        client_id=row["t_client_id"],
        grant_id=row["t_grant_id"],
        person_id=row["t_person_id"],
        machtiging_id=row["t_machtiging_id"],
        oin=row["t_oin"],
        scope=row["t_scope"],
        acts=frozenset(map(Act, row["t_acts"])),
        assurance=Assurance(row["t_assurance"]),
        issued_at=row["t_issued_at"],
        expires_at=row["t_expires_at"],
        audience=row["t_audience"],
        jkt=row["t_jkt"],
        x5t=row["t_x5t"],
        parent_id=row["t_parent_id"],
        organisation_kvk=row["t_organisation_kvk"],
    )
