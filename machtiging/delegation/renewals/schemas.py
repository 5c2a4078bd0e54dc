"""Request and response models of renewal rounds, in Dutch wire terms."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.delegation.caseload.assigned_clients import AssignedClient
from machtiging.delegation.renewals.rules import MAX_ASKED_PER_ROUND, RenewalQuestion, RenewalState
from machtiging.web.validation import StrictRequestModel


class VerlengingsrondeIn(StrictRequestModel):
    """Wie u vraagt. Zonder lijst: elke cliënt van wie de machtiging binnen 30 dagen eindigt."""

    machtigingIds: list[UUID] | None = Field(default=None, min_length=1, max_length=MAX_ASKED_PER_ROUND)  # noqa: N815


class VerlengingOut(BaseModel):
    """De vraag aan één cliënt, en het antwoord."""

    machtigingId: UUID | None = Field(default=None, description="Ontbreekt als u er nu niets mee kunt.")  # noqa: N815
    status: RenewalState
    beantwoordOp: datetime | None = None  # noqa: N815
    geldigTot: datetime | None = Field(default=None, description="Zoals het nu is.")  # noqa: N815


class VerlengingsrondeOut(BaseModel):
    """Een ronde, met het resultaat per cliënt."""

    rondeId: UUID  # noqa: N815
    gevraagdOp: datetime  # noqa: N815
    resultaten: list[VerlengingOut]


def describe_question(question: RenewalQuestion, client: AssignedClient | None, at: datetime) -> dict[str, Any]:
    """Describe one question. `client`: None for one whose post may not be read now."""
    return {
        "machtigingId": None if client is None else client.authority.machtiging_id,
        "status": question.state_at(at),
        "beantwoordOp": question.decided_at,
        "geldigTot": None if client is None else client.authority.ends_at,
    }
