"""The representation under which a token or grant is used, without its rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import MachtigingId, PersonId

# Reason codes of a representation: it is not in force, or a login for another organisation could use it.
UNUSABLE, OTHER_ORGANISATION = "machtiging_geldt_niet", "andere_organisatie"
# The members of a granted detail for several representations: named ones, or all that are assigned.
SEVERAL_MEMBERS = ("machtigingen", "clienten")


class Representation(Protocol):
    """A person acting for another one (OIDC-NLGOV 5.2.4), as it stands now.

    The box implements it on its machtigingen. Without one, a token or grant is for the person's own use.
    """

    @property
    def machtiging_id(self) -> MachtigingId:
        """The id that grants, tokens and journal lines refer to."""

    @property
    def vertegenwoordigde_id(self) -> PersonId:
        """The represented person."""

    @property
    def organisation_kvk(self) -> str | None:
        """The KvK number of the organisation through which the person acts, if any."""

    @property
    def capacity(self) -> str:
        """The capacity of the holder, for the journal."""

    @property
    def ends_at(self) -> datetime:
        """The end of the period. No token or grant lasts longer."""

    def is_current(self, organisation_kvk: str | None, at: datetime) -> bool:
        """Return True in force, or paused: consents under it are shown. False for another organisation."""

    @property
    def has_ended(self) -> bool:
        """True after a final end, which also revoked the tokens."""

    @property
    def organisation_id(self) -> UUID | None:
        """The organisation on whose behalf the person acts, for the journal."""

    def refusal(
        self, person_id: PersonId | None, organisation_kvk: str | None, login: Assurance | None, at: datetime
    ) -> str | None:
        """Return the reason code if this person cannot use it at `at`; else None.

        `organisation_kvk` and `login` are the organisation and the level of the token, grant or session. No
        organisation: a private person. No level: before the login.
        """


def find_represented_person(
    person_id: PersonId | None, representation: Representation | None, *, is_several: bool
) -> PersonId | None:
    """Return for whom a token or grant is used: the represented person, or its own.

    For the journal. None for several: only each use says for whom.
    """
    if representation is not None:
        return representation.vertegenwoordigde_id
    return None if is_several else person_id


def read_representation_set(detail: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the members of a granted detail that name several representations, or None."""
    found = {name: detail[name] for name in SEVERAL_MEMBERS if name in detail}
    return found or None
