"""Who acts: a person for the own box, or a gemachtigde under one machtiging, who never passes for the other."""

from __future__ import annotations

from dataclasses import dataclass

from machtiging.delegation.rules import Act, Capacity, Machtiging
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance, lowest
from machtiging.kernel.ids import PersonId, TokenId


@dataclass(frozen=True, slots=True)
class Actor:
    """`acts` is what the token (or the portal) gives; `machtiging` is None for the own box, else as read just now.

    `organisation_kvk`: the organisation of the session or token; None: a private person.
    """

    person_id: PersonId
    machtiging: Machtiging | None
    assurance: Assurance
    acts: frozenset[Act]
    client_id: str | None
    token_id: TokenId | None
    scope: frozenset[str] = frozenset()
    organisation_kvk: str | None = None

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """Whose box this is about."""
        return self.person_id if self.machtiging is None else self.machtiging.vertegenwoordigde_id

    @property
    def capacity(self) -> Capacity:
        """In which capacity."""
        return Capacity.SELF if self.machtiging is None else self.machtiging.capacity

    @property
    def level(self) -> Assurance:
        """The lowest of this login, the giving and the accepting: a chain is as strong as that (Wdo art. 6)."""
        if self.machtiging is None:
            return self.assurance
        accepted = self.machtiging.accepted_assurance or Assurance.LOW
        return lowest(self.assurance, self.machtiging.assurance, accepted)


def own_actor(visitor: Visitor) -> Actor:
    """The citizen on the portal, in the own box: every act is theirs."""
    return Actor(
        person_id=visitor.person_id,
        machtiging=None,
        assurance=visitor.assurance,
        acts=frozenset(Act),
        client_id=None,
        token_id=None,
        organisation_kvk=visitor.organisation_kvk,
    )
