"""The port for authorization details: between the authorization server and the service behind it.

The server knows clients, grants and tokens. The handler knows what `authorization_details` of one type mean, and on
whose behalf a person may act. `machtiging.app` chooses the handler.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, Protocol

from sqlalchemy import Select, Table
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.access_tokens.representation import Representation
from machtiging.crypto.keyring import KeyRing
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.oauth.errors import OAuthErrorCode, OAuthRefusal
from machtiging.storage.statement import Executor


@dataclass(frozen=True, slots=True)
class RequestedAuthorizationDetails:
    """The requested machtiging and acts. None means the own box, and all acts that are allowed.

    `own_app_only`: some of these acts are only for the person's own app, at our own API. `representation_set`: the
    members of the detail that name several representations; then there is no `machtiging_id`.
    """

    machtiging_id: MachtigingId | None
    acts: frozenset[str] | None
    own_app_only: bool = False
    representation_set: Mapping[str, Any] | None = None

    @property
    def names_another(self) -> bool:
        """True if it names a representation: it is not for the own use."""
        return self.machtiging_id is not None or self.representation_set is not None


@dataclass(frozen=True, slots=True)
class ConsentChoice:
    """One access that a person can consent to.

    `left_out`: acts that the client requested and the person cannot give. `assurance`: the level that tokens state.
    `key`: the value by which the consent page names it; None without access. `is_several`: it is for several
    representations, and has no single one.
    """

    representation: Representation | None
    details: list[dict[str, Any]]
    left_out: frozenset[str]
    assurance: Assurance
    key: str | None = None
    is_several: bool = False

    @property
    def is_own(self) -> bool:
        """True for the person's own use."""
        return self.representation is None and not self.is_several


class AccessFact(NamedTuple):
    """One row about the access on the consent page. A value can be a list."""

    label: str
    value: str | Sequence[str]


@dataclass(frozen=True, slots=True)
class AccessDescription:
    """The texts about one choice on the consent page. `person` is None for the own box.

    `is_several`: the post of several persons, which `person` names together.
    """

    person: str | None
    acts: Sequence[str]
    left_out: Sequence[str]
    warnings: Sequence[AccessFact]
    limits: Sequence[AccessFact]
    is_several: bool = False


class ChoiceLabel(NamedTuple):
    """One choice in the list of the consent page. `note`: what tells namesakes apart."""

    key: str | None
    name: str
    note: str


class RepresentedInSet(NamedTuple):
    """The acts for which a set represents one person. `stands`: one is in force."""

    acts: frozenset[str]
    stands: bool


class RepresentationKey(NamedTuple):
    """The columns or values of a grant, token or request that find its representation."""

    machtiging_id: Any
    person_id: Any
    organisation_kvk: Any


class AuthorizationDetailsHandler(Hashable, Protocol):
    """The meaning of `authorization_details` of one type.

    Compiled statements are kept by handler, so it is hashable. Methods that refuse raise OAuthRefusal, mostly by
    `refuse_authorization_details`.
    """

    @property
    def detail_type(self) -> str:
        """The `type` of the details."""

    def parse_detail(self, detail: dict[str, Any]) -> RequestedAuthorizationDetails:
        """Parse one requested detail. Refuses unknown members and values (RFC 9396 section 5)."""

    def narrow_details(
        self, granted: list[dict[str, Any]], requested: RequestedAuthorizationDetails
    ) -> list[dict[str, Any]]:
        """Narrow granted details to the requested ones (RFC 9396 section 6). Refuses wider ones."""

    def strip_own_app_acts(self, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Remove the acts that are not for another resource server. Refuses when no act is left."""

    async def list_consent_choices(
        self,
        session: AsyncSession,
        visitor: Visitor,
        requested: RequestedAuthorizationDetails,
        *,
        key: str | None,
        lock: bool,
        at: datetime,
    ) -> Sequence[ConsentChoice]:
        """List what this person can consent to, for these details. Refuses when there is nothing.

        `key`: only the choice with this key. `lock`: its representation stays as it is until the transaction ends.
        """

    async def label_choices(
        self, session: AsyncSession, keyring: KeyRing, choices: Sequence[ConsentChoice]
    ) -> Sequence[ChoiceLabel]:
        """Label several choices for the list on the consent page, in their order there."""

    async def describe_choice(
        self, session: AsyncSession, keyring: KeyRing, choice: ConsentChoice, visitor: Visitor, *, at: datetime
    ) -> AccessDescription:
        """Describe a choice of this visitor for the consent page."""

    def select_representation(self, key: RepresentationKey, *, for_share: bool = False) -> Select[Any]:
        """Build the select of the representation with this key, for a LATERAL join.

        It gives one row or none. `for_share`: lock it until the transaction ends.
        """

    def read_representation(self, executor: Executor, row: Mapping[Any, Any]) -> Representation | None:
        """Read the representation from a row with the columns of `select_representation`. None: they are NULL."""

    async def representation_set_refusal(
        self,
        executor: Executor,
        representation_set: Mapping[str, Any],
        person_id: PersonId | None,
        organisation_kvk: str | None,
        login: Assurance | None,
        at: datetime,
    ) -> str | None:
        """Return the reason code if this person can use none of these representations.

        The parameters are those of `Representation.refusal`.
        """

    def select_given_ids(self, person_id: PersonId) -> Select[Any]:
        """Build the select of the ids of all representations of this person by others."""

    def select_covering_grants(self, person_id: PersonId, grants: Table) -> Select[Any]:
        """Build the select of the grants for several that this person is represented in.

        Some may be over: `find_represented_in_set` decides.
        """

    async def find_represented_in_set(
        self,
        session: AsyncSession,
        representation_set: Mapping[str, Any],
        holder_id: PersonId,
        organisation_kvk: str | None,
        person_id: PersonId,
        at: datetime,
    ) -> RepresentedInSet | None:
        """Find how the holder represents this person, by those that stand or stand still. None: by none of them."""

    async def represents_only(
        self, session: AsyncSession, representation_set: Mapping[str, Any], person_id: PersonId, at: datetime
    ) -> bool:
        """Tell if this person gave all of these: the holder represents nobody else."""

    def select_holder_ids(self, machtiging_id: MachtigingId) -> Select[Any]:
        """Build the select of the persons who use this representation."""


def refuse_authorization_details(code: str) -> NoReturn:
    """Raise `invalid_authorization_details`, with one text for all causes. Only the journal gets the code."""
    raise OAuthRefusal(OAuthErrorCode.INVALID_AUTHORIZATION_DETAILS, code)
