"""The clients whose post an employee may list now.

The Authority and the policy decide on every one of them, as when a box is opened. What is assigned but gives nothing
now is left out: a list, a count and a search tell the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access.actor import Actor
from machtiging.access.guard import Policy
from machtiging.access.listing_preview import find_listing_limits
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.caseload.assigned_clients import AssignedClient, load_assigned_clients
from machtiging.delegation.caseload.search_index import compute_search_keys
from machtiging.delegation.caseload.search_terms import parse_search
from machtiging.kernel.ids import PersonId


@dataclass(frozen=True, slots=True)
class CaseloadClient:
    """A client of this reader. `actor`: the reader under the machtiging of this client."""

    actor: Actor
    assigned: AssignedClient

    @property
    def authority(self) -> Authority:
        """The authority over this client's box."""
        return self.assigned.authority

    @property
    def machtiging_id(self) -> UUID:
        """The id of the machtiging that the employee holds."""
        return self.assigned.authority.machtiging_id


async def load_clients(
    session: AsyncSession,
    keyring: KeyRing,
    policy: Policy,
    reader: Actor,
    *,
    search: str | None = None,
    giver_ids: Collection[PersonId] | None = None,
    machtiging_id: UUID | None = None,
    at: datetime,
) -> list[CaseloadClient]:
    """Load the clients whose letters this reader may list now. `reader` is an actor without a machtiging.

    `giver_ids`: only these people. `machtiging_id`: only this one. A search takes one statement more. Raises
    InvalidInput as `parse_search`.
    """
    keys = None
    if search is not None:
        terms = parse_search(search)
        keys = await compute_search_keys(session, keyring, reader.person_id, reader.organisation_kvk, terms)
    found = await load_assigned_clients(
        session,
        reader.person_id,
        reader.organisation_kvk,
        search_keys=keys,
        giver_ids=giver_ids,
        only_id=machtiging_id,
        at=at,
    )
    clients = [build_client(reader, one) for one in found if covers_client(reader, one.authority)]
    return [one for one in clients if find_listing_limits(policy, one.actor, at) is not None]


def build_client(reader: Actor, assigned: AssignedClient) -> CaseloadClient:
    """Build the client of this reader, under the machtiging that the reader holds."""
    return CaseloadClient(build_actor(reader, assigned.authority), assigned)


def build_actor(reader: Actor, authority: Authority) -> Actor:
    """Return this reader under a machtiging."""
    return replace(reader, authority=authority, addressed_machtiging=str(authority.machtiging_id))


def covers_client(reader: Actor, authority: Authority) -> bool:
    """Return True if the portal, or the token of this reader, is for this machtiging."""
    if reader.client_id is None:
        return True
    if reader.machtigingen is not None:
        return reader.machtigingen.covers(authority, reader.person_id, reader.organisation_kvk)
    return reader.authority is not None and reader.authority.machtiging_id == authority.machtiging_id
