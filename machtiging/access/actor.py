"""The actor of a request: a citizen, or a gemachtigde under one machtiging."""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.delegation.rules import Act, Capacity, Machtiging
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance, lowest_assurance
from machtiging.kernel.ids import PersonId, TokenId


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated person, the machtiging in use and the permitted acts.

    `acts` comes from the token or the portal. `machtiging` is None for the own box; otherwise it was read in this
    request. `organisation_kvk` is the organisation of the session or token; None for a private person.
    """

    person_id: PersonId
    machtiging: Machtiging | None
    assurance: Assurance
    acts: frozenset[Act]
    client_id: str | None
    token_id: TokenId | None
    oauth_scope: frozenset[str] = frozenset()
    organisation_kvk: str | None = None

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """The person whose box is used."""
        return self.person_id if self.machtiging is None else self.machtiging.vertegenwoordigde_id

    @property
    def capacity(self) -> Capacity:
        """The capacity of the actor; SELF without a machtiging."""
        return Capacity.SELF if self.machtiging is None else self.machtiging.capacity

    @property
    def effective_assurance(self) -> Assurance:
        """The lowest assurance of this login, the giving and the accepting (Wdo art. 6)."""
        if self.machtiging is None:
            return self.assurance
        accepted = self.machtiging.accepted_assurance or Assurance.LOW
        return lowest_assurance(self.assurance, self.machtiging.assurance, accepted)


def build_citizen_actor(visitor: Visitor) -> Actor:
    """Build the actor of a citizen on the portal: own box, every act."""
    return Actor(
        person_id=visitor.person_id,
        machtiging=None,
        assurance=visitor.assurance,
        acts=frozenset(Act),
        client_id=None,
        token_id=None,
        organisation_kvk=visitor.organisation_kvk,
    )
