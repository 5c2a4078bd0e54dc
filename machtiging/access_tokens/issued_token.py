"""An issued access token: its immutable facts and its current state. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from machtiging.access_tokens.representation import UNUSABLE, Representation
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import GrantId, MachtigingId, PersonId, TokenId

RepresentationT_co = TypeVar("RepresentationT_co", bound=Representation, covariant=True)


@dataclass(frozen=True, slots=True)
class IssuedTokenFacts:
    """The immutable facts of one access token, of a person or of an agency (`oin`).

    A person's token is for the own box, under a machtiging, or for several.
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
    # The representations of a token for several, as its details name them; None for one, and for the own use.
    representation_set: Mapping[str, Any] | None = None

    @property
    def is_for_other_resource(self) -> bool:
        """True for a token with an audience other than our own API."""
        return bool(self.audience)


@dataclass(frozen=True, slots=True)
class TokenState(Generic[RepresentationT_co]):
    """The current state of a token and of its representation.

    None: the own box, or of a token for several no one of them.
    """

    facts: IssuedTokenFacts
    revoked_at: datetime | None
    representation: RepresentationT_co | None

    def is_active_at(self, at: datetime) -> bool:
        """Return True for a token that RFC 7662 calls active at `at`."""
        return self.is_unrevoked_at(at) and self.representation_refusal(at) is None

    def is_unrevoked_at(self, at: datetime) -> bool:
        """Return True if the token itself is neither expired nor revoked, whatever its representation says."""
        return self.revoked_at is None and at < self.facts.expires_at

    def representation_refusal(self, at: datetime) -> str | None:
        """Return the reason code if the holder cannot act for another now; else None."""
        facts = self.facts
        if self.representation is None:
            return None if facts.representation_set is None else UNUSABLE
        return self.representation.refusal(facts.person_id, facts.organisation_kvk, facts.assurance, at)


def api_audience(issuer: str) -> str:
    """Return the `aud` of every access token: our own API (RFC 9068 section 3)."""
    return issuer + "/api/v1"
