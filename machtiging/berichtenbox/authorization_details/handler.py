"""The handler for details of type `berichtenbox`: one's own box, or another's under a machtiging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from machtiging.berichtenbox.authorization_details import rules
from machtiging.berichtenbox.authorization_details.consent_choices import list_consent_choices, resolve_consent_choice
from machtiging.berichtenbox.authorization_details.consent_texts import describe_access, label_choices
from machtiging.berichtenbox.authorization_details.several import (
    are_all_given_by,
    find_given,
    find_set_refusal,
    select_covering_grants,
)
from machtiging.crypto.keyring import KeyRing
from machtiging.delegation.authority.holders import select_holder_id
from machtiging.delegation.authority.machtiging_set import read_machtiging_set
from machtiging.delegation.authority.queries import select_authority, verify_authority_row
from machtiging.delegation.authority.rules import Authority
from machtiging.delegation.queries import machtiging_table
from machtiging.identity.session import Visitor
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.oauth.authorization_details.handler import (
    AccessDescription,
    ChoiceLabel,
    ConsentChoice,
    RepresentationKey,
    RepresentedInSet,
    RequestedAuthorizationDetails,
)
from machtiging.storage.statement import Executor

_MACHTIGING_TABLE = machtiging_table()


@dataclass(frozen=True, slots=True)
class BerichtenboxHandler:
    """Implements `AuthorizationDetailsHandler` on machtigingen. It has no state, so all instances are equal."""

    detail_type: str = rules.BERICHTENBOX_DETAIL_TYPE

    def parse_detail(self, detail: dict[str, Any]) -> RequestedAuthorizationDetails:
        """Parse one requested detail. Raises OAuthRefusal."""
        return rules.parse_berichtenbox_detail(detail)

    def narrow_details(
        self, granted: list[dict[str, Any]], requested: RequestedAuthorizationDetails
    ) -> list[dict[str, Any]]:
        """Narrow granted details to the requested ones. Raises OAuthRefusal."""
        return rules.narrow_berichtenbox_details(granted, requested)

    def strip_own_app_acts(self, details: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Remove the acts that change the box. Raises OAuthRefusal when no act is left."""
        return rules.strip_box_changes(details)

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
        """List the machtiging that the client named, or else all that she can use. Raises OAuthRefusal."""
        if key is None and not requested.names_another:
            return await list_consent_choices(session, visitor, requested, at=at)
        return (await resolve_consent_choice(session, visitor, requested, key=key, lock=lock, at=at),)

    async def label_choices(
        self, session: AsyncSession, keyring: KeyRing, choices: Sequence[ConsentChoice]
    ) -> Sequence[ChoiceLabel]:
        """Label the own box first, then the machtigingen by the names of their givers."""
        return await label_choices(session, keyring, choices)

    async def describe_choice(
        self, session: AsyncSession, keyring: KeyRing, choice: ConsentChoice, visitor: Visitor, *, at: datetime
    ) -> AccessDescription:
        """Describe a choice of this handler for the consent page."""
        return await describe_access(session, keyring, choice, visitor, at=at)

    def select_representation(self, key: RepresentationKey, *, for_share: bool = False) -> Select[Any]:
        """Build the select of the authority over the machtiging with this id, as `authority.queries`."""
        return select_authority(key.machtiging_id, for_share=for_share)

    def read_representation(self, executor: Executor, row: Mapping[Any, Any]) -> Authority | None:
        """Read the authority from a row; None for the own box. With a forged row it is in force for nobody."""
        return None if row["m_id"] is None else verify_authority_row(executor, row)

    async def representation_set_refusal(
        self,
        executor: Executor,
        representation_set: Mapping[str, Any],
        person_id: PersonId | None,
        organisation_kvk: str | None,
        login: Assurance | None,
        at: datetime,
    ) -> str | None:
        """Return the reason code if this person can use none of these machtigingen."""
        several = read_machtiging_set(representation_set)
        return await find_set_refusal(executor, several, person_id, organisation_kvk, login, at=at)

    def select_given_ids(self, person_id: PersonId) -> Select[Any]:
        """Build the select of the ids of all machtigingen that this person gave."""
        return select(_MACHTIGING_TABLE.c.id).where(_MACHTIGING_TABLE.c.vertegenwoordigde_id == person_id)

    def select_covering_grants(self, person_id: PersonId, grants: Table) -> Select[Any]:
        """Build the select of the grants for several that this person is represented in."""
        return select_covering_grants(person_id, grants)

    async def find_represented_in_set(
        self,
        session: AsyncSession,
        representation_set: Mapping[str, Any],
        holder_id: PersonId,
        organisation_kvk: str | None,
        person_id: PersonId,
        at: datetime,
    ) -> RepresentedInSet | None:
        """Find which of these this person gave the holder; not what is over."""
        several = read_machtiging_set(representation_set)
        return await find_given(session, several, holder_id, organisation_kvk, person_id, at=at)

    async def represents_only(
        self, session: AsyncSession, representation_set: Mapping[str, Any], person_id: PersonId, at: datetime
    ) -> bool:
        """Tell if this person gave all of these machtigingen. Never of all that are assigned."""
        return await are_all_given_by(session, read_machtiging_set(representation_set), person_id, at=at)

    def select_holder_ids(self, machtiging_id: MachtigingId) -> Select[Any]:
        """Build the select of the person who holds this machtiging, as gemachtigde or as employee."""
        return select_holder_id(machtiging_id)
