"""An issued access token: its immutable facts and its current state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from machtiging.access_tokens.representation import Representation
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId

RepresentationT_co = TypeVar("RepresentationT_co", bound=Representation, covariant=True)


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
    acts: frozenset[str]
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

    @property
    def is_for_other_resource(self) -> bool:
        """True for a token with an audience other than our own API."""
        return bool(self.audience)


@dataclass(frozen=True, slots=True)
class TokenState(Generic[RepresentationT_co]):
    """The current state of a token and of its representation (None: the own box)."""

    facts: IssuedTokenFacts
    revoked_at: datetime | None
    representation: RepresentationT_co | None

    def is_active_at(self, at: datetime) -> bool:
        """Return True for a token that RFC 7662 calls active at `at`."""
        return self.revoked_at is None and at < self.facts.expires_at and self.representation_refusal(at) is None

    def representation_refusal(self, at: datetime) -> str | None:
        """Return the reason code if the holder cannot act for another now; else None."""
        if self.representation is None:
            return None
        facts = self.facts
        return self.representation.refusal(facts.person_id, facts.organisation_kvk, facts.assurance, at)


def api_audience(issuer: str) -> str:
    """Return the `aud` of every access token: our own API (RFC 9068 section 3)."""
    return issuer + "/api/v1"
