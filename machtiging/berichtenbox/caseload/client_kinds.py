"""The kinds of terms among the clients of an employee, decided once for each.

So a list of a thousand clients is ordered and counted in SQL, and only the clients of one page are loaded. Each of
those is decided on again, with its MACs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, Uuid, bindparam, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import find_listing_limits
from machtiging.berichtenbox.caseload.clients import CaseloadClient, build_actor, build_client, covers_client
from machtiging.berichtenbox.helping.listing_limits import describe_limits
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.queries import (
    authority_from_row,
    build_unverified_authority,
    select_authorities,
)
from machtiging.delegation.caseload.assigned_clients import MAX_ASSIGNED, build_assigned_client
from machtiging.delegation.caseload.search_index import compute_search_keys
from machtiging.delegation.caseload.search_terms import parse_search
from machtiging.delegation.caseload.standing_clients import select_standing_clients
from machtiging.storage.statement import ResultRow, Statement

_KINDS = (
    func.jsonb_to_recordset(bindparam("kinds", type_=JSONB))
    .table_valued(
        column("organisation_id", Uuid()),
        column("pairs", ARRAY(Text)),
        column("afzenders", ARRAY(Text)),
        column("diensten", ARRAY(Text)),
        column("letters", ARRAY(Uuid())),
        column("clients", JSONB()),
    )
    .render_derived("kinds", with_types=True)
)
_LIMITS_OF_KIND = ("pairs", "afzenders", "diensten", "letters")
_AT = DateTime(timezone=True)
_OF_CLIENT: dict[str, TypeEngine[Any]] = {
    "machtiging_id": Uuid(),
    "owner_id": Uuid(),
    "since": _AT,
    "ends_at": _AT,
    "assigned_at": _AT,
}
_CLIENTS = (
    func.jsonb_to_recordset(_KINDS.c.clients)
    .table_valued(*(column(name, kind) for name, kind in _OF_CLIENT.items()))
    .render_derived("clients", with_types=True)
)
# The clients of a `ListedClients` as a table, with the columns of `LIMITS` and more.
LISTED = select(
    *(_CLIENTS.c[name] for name in _OF_CLIENT), *(_KINDS.c[name] for name in ("organisation_id", *_LIMITS_OF_KIND))
).select_from(_KINDS.join(_CLIENTS, true()))


@dataclass(frozen=True, slots=True)
class ListedClients:
    """The clients whose letters a reader may list now: the parameters of `LISTED`."""

    params: dict[str, Any]

    @property
    def is_empty(self) -> bool:
        """True without any client."""
        return not self.params["kinds"]


async def load_listed_clients(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    reader: Actor,
    *,
    search: str | None = None,
    machtiging_id: UUID | None = None,
    at: datetime,
) -> ListedClients:
    """Decide on each kind of client of this reader, in one statement.

    A search takes one more. `machtiging_id`: only this one. Raises InvalidInput as `parse_search`.
    """
    params: dict[str, Any] = {"person_id": reader.person_id, "organisation_kvk": reader.organisation_kvk}
    params |= {"limit": MAX_ASSIGNED, "at": at}
    if search is not None:
        terms = parse_search(search)
        keys = await compute_search_keys(session, keyring, reader.person_id, reader.organisation_kvk, terms)
        params["search_keys"] = keys
    if (ids := _list_readable_ids(reader, machtiging_id)) is not None:
        params["ids"] = ids
    filters = frozenset(params) & {"search_keys", "ids"}
    rows = await _build_kinds_statement(filters).all(session, params)
    kinds = [kind for row in rows if (kind := _decide_kind(policy, reader, row, at)) is not None]
    return ListedClients({"at": at, "reader": reader.person_id, "kinds": kinds})


def list_one_client(policy: Policy, client: CaseloadClient, *, at: datetime) -> ListedClients:
    """Return this client alone, as it was loaded; nobody if the policy refuses the list."""
    found, kinds = find_listing_limits(policy, client.actor, at), []
    if found is not None:
        limits = describe_limits(client.actor, found)
        row = {name: limits[name] for name in _OF_CLIENT if name in limits}
        row["assigned_at"] = client.assigned.assigned_at.isoformat()
        kinds.append(_describe_kind(client.actor, limits, [row]))
    return ListedClients({"at": at, "reader": client.actor.person_id, "kinds": kinds})


def _list_readable_ids(reader: Actor, machtiging_id: UUID | None) -> list[UUID] | None:
    """Return the ids that the token and this choice leave; None for all."""
    ids: Collection[UUID] | None = None
    if reader.client_id is not None:
        if reader.machtigingen is not None:
            ids = reader.machtigingen.ids
        else:
            ids = [] if reader.authority is None else [reader.authority.machtiging_id]
    if machtiging_id is None:
        return None if ids is None else sorted(ids)
    return [machtiging_id] if ids is None or machtiging_id in ids else []


def _decide_kind(policy: Policy, reader: Actor, row: ResultRow, at: datetime) -> dict[str, Any] | None:
    """Return the limits of the lists of this kind; None if the policy refuses them."""
    actor = build_actor(reader, build_unverified_authority(row))
    found = find_listing_limits(policy, actor, at)
    if found is None:
        return None
    return _describe_kind(actor, describe_limits(actor, found), row["clients"])


def _describe_kind(actor: Actor, limits: dict[str, Any], clients: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of `_KINDS` with these clients."""
    of_kind = {name: limits[name] for name in _LIMITS_OF_KIND}
    return {"clients": clients, "organisation_id": str(actor.organisation_id), **of_kind}


@cache
def _build_kinds_statement(filters: frozenset[str]) -> Statement:
    """Select the clients by kind, with the chain of one of them. Built once: compiling costs more than running."""
    standing = select_standing_clients(*sorted(filters))
    members = [part for name in _OF_CLIENT for part in (literal(name, Text()), standing.c[name])]
    clients = func.jsonb_agg(func.jsonb_build_object(*members), type_=JSONB).label("clients")
    first = func.array_agg(standing.c.machtiging_id, type_=ARRAY(Uuid()))[1].label("first_id")
    kinds = select(first, clients).group_by(standing.c.kind).cte("kinds")
    chain = select_authorities(select(kinds.c.first_id)).subquery("chain_of_first")
    return Statement(select(kinds.c.clients, chain).select_from(kinds.join(chain, chain.c.m_id == kinds.c.first_id)))


async def open_clients(
    session: AsyncSession, policy: Policy, reader: Actor, rows: Sequence[ResultRow], *, at: datetime
) -> dict[UUID, CaseloadClient]:
    """Build the clients of these rows of `select_assigned_clients`, by id. One that gives nothing is left out."""
    clients: dict[UUID, CaseloadClient] = {}
    for row in rows:
        if row["m_id"] is None or row["m_id"] in clients:
            continue
        authority = await authority_from_row(session, row, at=at)
        client = build_client(reader, await build_assigned_client(session, authority, row, at))
        if covers_client(reader, authority) and find_listing_limits(policy, client.actor, at) is not None:
            clients[row["m_id"]] = client
    return clients
