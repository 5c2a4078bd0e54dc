"""The actor of a request: a citizen, or a gemachtigde with an authority."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from machtiging.delegation.authority.machtiging_set import MachtigingSet
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.rules import Act, Capacity
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId, TokenId


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated person, the authority in use and the permitted acts.

    `acts` comes from the token or the portal. `authority` is None for the own box; otherwise it was loaded in this
    request. `organisation_kvk` is the organisation of the session or token; None for a private person.
    `addressed_machtiging` is the machtiging id in the path of the request, as the client wrote it; None on other paths.
    `machtigingen` are those of a token for several: then `authority` is the addressed one, and None without one.
    `session_id` is the login session of a person on the portal; None for a token.
    """

    person_id: PersonId
    authority: Authority | None
    assurance: Assurance
    acts: frozenset[Act]
    client_id: str | None
    token_id: TokenId | None
    oauth_scope: frozenset[str] = frozenset()
    organisation_kvk: str | None = None
    addressed_machtiging: str | None = None
    machtigingen: MachtigingSet | None = None
    session_id: UUID | None = None

    @property
    def must_address_machtiging(self) -> bool:
        """True for a token for several on a path without a machtiging."""
        return self.machtigingen is not None and self.authority is None

    @property
    def holds_addressed_machtiging(self) -> bool:
        """False if the path names another machtiging. Only the canonical form is accepted: one has one name."""
        if self.addressed_machtiging is None:
            return True
        return self.authority is not None and self.addressed_machtiging == str(self.authority.machtiging_id)

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """The person whose box is used."""
        return self.person_id if self.authority is None else self.authority.vertegenwoordigde_id

    @property
    def machtiging_id(self) -> MachtigingId | None:
        """The machtiging that the actor holds; None for the own box."""
        return None if self.authority is None else self.authority.machtiging_id

    @property
    def organisation_id(self) -> UUID | None:
        """The organisation on whose behalf the actor acts."""
        return None if self.authority is None else self.authority.organisation_id

    @property
    def capacity(self) -> Capacity:
        """The capacity of the actor; SELF in the own box."""
        return Capacity.SELF if self.authority is None else self.authority.capacity

    @property
    def effective_assurance(self) -> Assurance:
        """The lowest assurance of login, giving, accepting and channels (Wdo art. 6)."""
        return self.assurance if self.authority is None else self.authority.assurance(self.assurance)

    @property
    def minimum_assurance(self) -> Assurance:
        """The level that the organisation of the actor asks for; LOW without one."""
        organisation = None if self.authority is None else self.authority.organisation
        return Assurance.LOW if organisation is None else organisation.ceiling.minimum_level


def build_citizen_actor(visitor: Visitor) -> Actor:
    """Build the actor of a citizen on the portal: own box, every act."""
    return Actor(
        person_id=visitor.person_id,
        authority=None,
        assurance=visitor.assurance,
        acts=frozenset(Act),
        client_id=None,
        token_id=None,
        organisation_kvk=visitor.organisation_kvk,
        session_id=visitor.session_id,
    )


def build_helper_actor(visitor: Visitor, authority: Authority | None, addressed_machtiging: str) -> Actor:
    """Build the actor of a helper on the portal, under the addressed machtiging.

    `authority` is None if this visitor does not hold it. Then the guard refuses as for one that does not exist. The
    machtiging and the policy limit the acts.
    """
    return replace(build_citizen_actor(visitor), authority=authority, addressed_machtiging=addressed_machtiging)
