"""Tables of organisations, recognitions, employees, teams and stand-ins."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import SealedTable


class Organisation(SQLModel, table=True):
    """An organisation with its numbers, its ceiling and the number of its current recognition."""

    __tablename__ = "organisation"

    id: UUID = Field(primary_key=True, foreign_key="party.id")
    party_kind: str = columns.text_column()
    kvk: str | None = columns.text_column(default=None, nullable=True)
    vestiging: str | None = columns.text_column(default=None, nullable=True)
    rsin: str | None = columns.text_column(default=None, nullable=True)
    oin: str | None = columns.text_column(default=None, nullable=True)
    name: str = columns.text_column()
    kind: str = columns.text_column()
    contact_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    ceiling_themes: list[str] | None = columns.text_array_column(default=None, nullable=True)
    ceiling_afzenders: list[str] | None = columns.text_array_column(default=None, nullable=True)
    ceiling_sensitivity: str = columns.text_column()
    ceiling_days: int
    minimum_level: str = columns.text_column()
    recognition_number: int | None = None
    epoch: int = 0
    four_eyes_from: str | None = columns.text_column(default=None, nullable=True)
    created_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


class Recognition(SQLModel, table=True):
    """A proposed or confirmed recognition of an organisation. A decision is never changed."""

    __tablename__ = "recognition"

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    number: int = Field(primary_key=True)
    status: str = columns.text_column()
    ground: str = columns.text_column()
    decision_reference: str = columns.text_column()
    proposed_by: UUID | None = Field(default=None, foreign_key="person.id")
    proposed_at: datetime = columns.timestamp_column()
    confirmed_by: UUID | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    dropped_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class FourEyesProposal(SQLModel, table=True):
    """A proposal of one administrator that fewer assignments need a second person. A decision is never changed."""

    __tablename__ = "four_eyes_proposal"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    four_eyes_from: str | None = columns.text_column(default=None, nullable=True)
    proposed_by: UUID
    proposed_at: datetime = columns.timestamp_column()
    decided_by: UUID | None = None
    decided_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    is_confirmed: bool = False
    mac: bytes = columns.bytes_column(default=b"")


class Employee(SQLModel, table=True):
    """An employee of an organisation, with roles. The person is known from the first login."""

    __tablename__ = "employee"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    person_id: UUID | None = Field(default=None, foreign_key="person.id")
    broker_issuer: str | None = columns.text_column(default=None, nullable=True)
    broker_subject: str | None = columns.text_column(default=None, nullable=True)
    display_name_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    roles: list[str] = columns.text_array_column()
    state: str = columns.text_column()
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    invited_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


class Team(SQLModel, table=True):
    """A team of an organisation."""

    __tablename__ = "team"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    name: str = columns.text_column()
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class TeamMembership(SQLModel, table=True):
    """The membership of an employee in a team of the same organisation."""

    __tablename__ = "team_membership"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    team_id: UUID
    employee_id: UUID
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class StandIn(SQLModel, table=True):
    """The replacement of an absent employee by a colleague, for at most 42 days."""

    __tablename__ = "stand_in"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID
    absent_employee_id: UUID
    replacement_id: UUID
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime = columns.timestamp_column()
    created_by: UUID
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class SavedFilterRow(SQLModel, table=True):
    """A saved filter of an employee, encrypted with the data key of the organisation."""

    __tablename__ = "saved_filter"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    person_id: UUID = Field(foreign_key="person.id")
    sealed: bytes = columns.bytes_column()
    saved_at: datetime = columns.timestamp_column()


# Columns covered by the row MAC (docs/decisions/0008). A changed list needs a new version.
SEALED_ORGANISATION = SealedTable(
    table_of(Organisation),
    version=1,
    covered=(
        *("id", "kvk", "vestiging", "rsin", "oin", "name", "kind", "contact_sealed", "ceiling_themes"),
        *("ceiling_afzenders", "ceiling_sensitivity", "ceiling_days", "minimum_level", "recognition_number", "epoch"),
        *("four_eyes_from", "created_at"),
    ),
    exempt={"party_kind": "one constant, by a check"},
    added_later=("four_eyes_from",),
)
SEALED_FOUR_EYES_PROPOSAL = SealedTable(
    table_of(FourEyesProposal),
    version=1,
    covered=(
        *("id", "organisation_id", "four_eyes_from", "proposed_by", "proposed_at", "decided_by", "decided_at"),
        "is_confirmed",
    ),
    exempt={},
)
SEALED_RECOGNITION = SealedTable(
    table_of(Recognition),
    version=1,
    covered=(
        *("organisation_id", "number", "status", "ground", "decision_reference", "proposed_by", "proposed_at"),
        *("confirmed_by", "confirmed_at", "dropped_at"),
    ),
    exempt={},
)
SEALED_EMPLOYEE = SealedTable(
    table_of(Employee),
    version=1,
    covered=(
        *("id", "organisation_id", "person_id", "broker_issuer", "broker_subject", "display_name_sealed", "roles"),
        *("state", "starts_at", "ends_at", "invited_at"),
    ),
    exempt={},
    personal=("broker_subject",),
)
SEALED_TEAM = SealedTable(
    table_of(Team),
    version=1,
    covered=("id", "organisation_id", "name", "ended_at"),
    exempt={},
    added_later=("ended_at",),
)
SEALED_TEAM_MEMBERSHIP = SealedTable(
    table_of(TeamMembership),
    version=1,
    covered=("id", "organisation_id", "team_id", "employee_id", "starts_at", "ends_at"),
    exempt={},
)
SEALED_STAND_IN = SealedTable(
    table_of(StandIn),
    version=1,
    covered=(
        *("id", "organisation_id", "absent_employee_id", "replacement_id", "starts_at", "ends_at", "created_by"),
        "ended_at",
    ),
    exempt={},
)
