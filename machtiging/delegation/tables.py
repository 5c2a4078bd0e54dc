"""Tables of machtigingen, machtigingscodes, names for helpers and failed tries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from machtiging.storage import columns
from machtiging.storage.columns import table_of
from machtiging.storage.row_mac import MAC_COLUMN, SealedTable


class MachtigingRow(SQLModel, table=True):
    """One machtiging. The domain value is `rules.Machtiging`."""

    __tablename__ = "machtiging"

    id: UUID = Field(primary_key=True)
    vertegenwoordigde_id: UUID = Field(foreign_key="party.id", index=True)
    gemachtigde_id: UUID | None = Field(default=None, foreign_key="party.id", index=True)
    parent_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    employee_id: UUID | None = Field(default=None, foreign_key="employee.id")
    team_id: UUID | None = Field(default=None, foreign_key="team.id")
    stand_in_id: UUID | None = Field(default=None, foreign_key="stand_in.id")
    offered_to: UUID | None = Field(default=None, foreign_key="organisation.id")
    capacity: str = columns.text_column()
    purpose: str = columns.text_column()
    legal_ground: str = columns.text_column()
    state: str = columns.text_column()
    accepted_assurance: str | None = columns.text_column(default=None, nullable=True)
    offered_at: datetime = columns.timestamp_column()
    accepted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    paused_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    stopped_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    ended_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    end_reason: str | None = columns.text_column(default=None, nullable=True)
    agreement_number: int = 1
    mac: bytes = columns.bytes_column(default=b"")


class AgreementRow(SQLModel, table=True):
    """One version of what is agreed in a machtiging. Never changed: a change is a new version.

    `agreed_by` is None for a version that came from a register. `needs_confirmation` waits for a second person.
    """

    __tablename__ = "agreement"

    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id")
    number: int = Field(primary_key=True)
    afzenders: list[str] | None = columns.text_array_column(default=None, nullable=True)
    diensten: list[str] | None = columns.text_array_column(default=None, nullable=True)
    themes: list[str] | None = columns.text_array_column(default=None, nullable=True)
    excluded_themes: list[str] = columns.text_array_column()
    highest_sensitivity: str = columns.text_column()
    letters_from: date
    letters: list[UUID] | None = columns.uuid_array_column(default=None, nullable=True)
    acts: list[str] = columns.text_array_column()
    assurance: str = columns.text_column()
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime = columns.timestamp_column()
    only_employee_id: UUID | None = None
    excluded_team_ids: list[UUID] = columns.uuid_array_column(default_factory=list)
    bundle_version: str | None = columns.text_column(default=None, nullable=True)
    channel: str = columns.text_column()
    text_version: str = columns.text_column()
    agreed_by: UUID | None = Field(default=None, foreign_key="person.id")
    agreed_at: datetime = columns.timestamp_column()
    witness_id: UUID | None = Field(default=None, foreign_key="person.id")
    cooling_off_until: datetime | None = columns.timestamp_column(default=None, nullable=True)
    needs_confirmation: bool = False
    confirmed_by: UUID | None = Field(default=None, foreign_key="person.id")
    represented_born_on: date | None = None
    mac: bytes = columns.bytes_column(default=b"")


class AssignmentRow(SQLModel, table=True):
    """The work around an assignment: a machtiging to an employee or a team."""

    __tablename__ = "assignment"

    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id")
    kind: str = columns.text_column()
    case_reference_sealed: bytes | None = columns.bytes_column(default=None, nullable=True)
    replaces_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    assigned_by: UUID | None = Field(default=None, foreign_key="employee.id")
    confirmed_by: UUID | None = Field(default=None, foreign_key="employee.id")
    assigned_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


class MachtigingsverzoekRow(SQLModel, table=True):
    """A request of an organisation to a named party to let a machtiging run longer.

    `extends_id`: that machtiging. `round_id`: the round in which it was asked. A request to a citizen whom the
    organisation does not name is a `HelpRequestRow`: she opens it with its code.
    """

    __tablename__ = "machtigingsverzoek"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    requested_by: UUID = Field(foreign_key="employee.id")
    party_id: UUID | None = Field(default=None, foreign_key="party.id")
    purpose: str = columns.text_column()
    channel: str = columns.text_column()
    state: str = columns.text_column()
    scope: dict[str, Any] = columns.jsonb_column()
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    created_at: datetime = columns.timestamp_column()
    seen_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    decided_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    expires_at: datetime = columns.timestamp_column()
    extends_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    round_id: UUID | None = None
    mac: bytes = columns.bytes_column(default=b"")


class HelpRequestRow(SQLModel, table=True):
    """A request for a machtiging. It names no citizen until somebody opens it with its code.

    A relative makes one, or an organisation through an employee. `words_sealed`: encrypted with the data key of the
    requester.
    """

    __tablename__ = "help_request"

    id: UUID = Field(primary_key=True)
    requester_id: UUID = Field(foreign_key="person.id", index=True)
    requester_assurance: str = columns.text_column()
    code_hash: bytes = columns.bytes_column(unique=True)
    words_sealed: bytes = columns.bytes_column()
    scope: dict[str, Any] = columns.jsonb_column()
    last_day: date
    state: str = columns.text_column()
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    opened_by: UUID | None = Field(default=None, foreign_key="person.id", index=True)
    opened_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    decided_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    employee_id: UUID | None = Field(default=None, foreign_key="employee.id")
    mac: bytes = columns.bytes_column(default=b"")


class Handover(SQLModel, table=True):
    """The clients that an employee leaves behind, for colleagues to take over. Never changed."""

    __tablename__ = "handover"

    id: UUID = Field(primary_key=True)
    organisation_id: UUID = Field(foreign_key="organisation.id")
    employee_id: UUID
    occasion: str = columns.text_column()
    opened_at: datetime = columns.timestamp_column()
    mac: bytes = columns.bytes_column(default=b"")


class HandoverItem(SQLModel, table=True):
    """A client without a reader in a hand-over, by the machtiging that the organisation holds.

    `told_at`: since then the citizen knows that nobody reads.
    """

    __tablename__ = "handover_item"

    handover_id: UUID = Field(primary_key=True, foreign_key="handover.id")
    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id")
    state: str = columns.text_column()
    due_at: datetime = columns.timestamp_column()
    told_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    closed_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    assignment_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    mac: bytes = columns.bytes_column(default=b"")


class StatutoryRelation(SQLModel, table=True):
    """A relation by law or court, from a register. Neither party can end it.

    `register_name` is the OIN of the register, `relation_reference` its own number of the relation. While it stands,
    the represented person gives no machtiging in `closed_capacities` about `closed_themes` (None: about anything).
    """

    __tablename__ = "statutory_relation"

    id: UUID = Field(primary_key=True)
    vertegenwoordigde_id: UUID = Field(foreign_key="party.id")
    vertegenwoordiger_id: UUID = Field(foreign_key="party.id")
    kind: str = columns.text_column()
    extent: str = columns.text_column()
    register_name: str = columns.text_column()
    relation_reference: str = columns.text_column()
    evidence_reference: str = columns.text_column()
    registered_at: datetime = columns.timestamp_column()
    starts_at: datetime = columns.timestamp_column()
    ends_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    professional: bool
    machtiging_id: UUID | None = Field(default=None, foreign_key="machtiging.id")
    precedence_row: str | None = columns.text_column(default=None, nullable=True)
    closed_capacities: list[str] = columns.text_array_column()
    closed_themes: list[str] | None = columns.text_array_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class RegisterEventRow(SQLModel, table=True):
    """A received event of a register that was not refused at once. The domain value is `statutory.rules.RegisterEvent`.

    `is_ahead`: it was applied before its turn, because it takes authority away.
    """

    __tablename__ = "register_event"

    id: UUID = Field(primary_key=True)
    source: str = columns.text_column()
    source_event_id: str = columns.text_column()
    sequence_number: int | None = None
    type: str = columns.text_column()
    kind: str = columns.text_column()
    relation_reference: str = columns.text_column()
    vertegenwoordigde_id: UUID = Field(foreign_key="party.id")
    vertegenwoordiger_id: UUID | None = Field(default=None, foreign_key="party.id")
    is_organisation: bool
    effective_on: date
    ends_on: date | None = None
    themes: list[str] | None = columns.text_array_column(default=None, nullable=True)
    evidence_reference: str = columns.text_column()
    registered_on: date
    born_on: date | None = None
    body_hash: bytes = columns.bytes_column()
    received_at: datetime = columns.timestamp_column()
    applied_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    outcome: str = columns.text_column()
    reason: str | None = columns.text_column(default=None, nullable=True)
    is_ahead: bool = False
    mac: bytes = columns.bytes_column(default=b"")


class MajorityNotice(SQLModel, table=True):
    """A notice to a child about its eighteenth birthday that was sent. Each kind once."""

    __tablename__ = "majority_notice"

    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    kind: str = columns.text_column(primary_key=True)
    sent_at: datetime = columns.timestamp_column()


class OrganisationStopNotice(SQLModel, table=True):
    """A notice to a citizen that a decision stopped the organisation of a machtiging. Each decision once."""

    __tablename__ = "organisation_stop_notice"

    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id")
    recognition_number: int = Field(primary_key=True)
    told_at: datetime = columns.timestamp_column()


class EmergencyStopRow(SQLModel, table=True):
    """The last emergency stop of a person. While `lifted_at` is None nobody else reads her post."""

    __tablename__ = "emergency_stop"

    person_id: UUID = Field(primary_key=True, foreign_key="person.id")
    started_at: datetime = columns.timestamp_column()
    lifted_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    mac: bytes = columns.bytes_column(default=b"")


class Machtigingscode(SQLModel, table=True):
    """The code of an offer and its check word, if any, stored as blind indexes."""

    __tablename__ = "machtigingscode"

    id: UUID = Field(primary_key=True)
    machtiging_id: UUID = Field(foreign_key="machtiging.id")
    code_hash: bytes = columns.bytes_column(unique=True)
    tries_left: int
    created_at: datetime = columns.timestamp_column()
    expires_at: datetime = columns.timestamp_column()
    used_at: datetime | None = columns.timestamp_column(default=None, nullable=True)
    used_by: UUID | None = Field(default=None, foreign_key="person.id")
    word_hash: bytes | None = columns.bytes_column(default=None, nullable=True)


class HelperNameRow(SQLModel, table=True):
    """The giver's own name for the helper of a machtiging, encrypted with her data key."""

    __tablename__ = "helper_name"

    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id")
    sealed: bytes = columns.bytes_column()


class ClientSearchKey(SQLModel, table=True):
    """A keyed index by which an organisation finds a client.

    It gives no access: the Authority decides on what is found. See `caseload.search_index`.
    """

    __tablename__ = "client_search_key"

    organisation_id: UUID = Field(primary_key=True, foreign_key="organisation.id")
    search_key: bytes = columns.bytes_column(primary_key=True)
    machtiging_id: UUID = Field(primary_key=True, foreign_key="machtiging.id", index=True)


class CodeTry(SQLModel, table=True):
    """One failed try by one person, to limit guessing across codes."""

    __tablename__ = "code_try"

    id: UUID = Field(primary_key=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    tried_at: datetime = columns.timestamp_column()


def _seal_every_column(
    model: type[SQLModel], personal: tuple[str, ...] = (), added_later: tuple[str, ...] = ()
) -> SealedTable:
    table = table_of(model)
    covered = tuple(name for name in table.c.keys() if name != MAC_COLUMN)  # noqa: SIM118
    return SealedTable(table, 1, covered, {}, personal, added_later)


# Everything of a link decides, its state and its end too (docs/decisions/0008). A changed list needs a new version.
# The purpose is in the words of the citizen: destroying her data key makes it unreadable in the journal.
SEALED_MACHTIGING = _seal_every_column(MachtigingRow, personal=("purpose",), added_later=("stopped_at", "offered_to"))
SEALED_AGREEMENT = _seal_every_column(AgreementRow, added_later=("represented_born_on",))
SEALED_ASSIGNMENT = _seal_every_column(AssignmentRow)
SEALED_VERZOEK = _seal_every_column(MachtigingsverzoekRow, added_later=("extends_id", "round_id"))
SEALED_STATUTORY_RELATION = _seal_every_column(StatutoryRelation)
SEALED_REGISTER_EVENT = _seal_every_column(RegisterEventRow)
SEALED_EMERGENCY_STOP = _seal_every_column(EmergencyStopRow)
SEALED_HELP_REQUEST = _seal_every_column(HelpRequestRow, added_later=("organisation_id", "employee_id"))
SEALED_HANDOVER, SEALED_HANDOVER_ITEM = _seal_every_column(Handover), _seal_every_column(HandoverItem)
