"""Request and response models of tasks, in the Dutch terms of the wire."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from machtiging.delegation.assignments.schemas import ToewijzingIn, ToewijzingResultaatOut, describe_assigned
from machtiging.kernel.ids import MachtigingId
from machtiging.organisations.schemas import PaginaOut
from machtiging.tasks.queries import TaskItemView, TaskView
from machtiging.tasks.rules import MAX_ITEMS_PER_TASK, TaskItemState, TaskKind
from machtiging.web.openapi import API_V1_PREFIX
from machtiging.web.validation import StrictRequestModel

# Ten thousand items with a case reference of 60 characters, in two bytes each.
MAX_REQUEST_BYTES = 4 * 1024 * 1024
TASK_REQUEST_PATH = f"{API_V1_PREFIX}/toewijzingen/_taak"


class ToewijzingstaakIn(StrictRequestModel):
    """De machtigingen die u in een taak toewijst."""

    # Described and not enforced by the model: a longer list is refused as a whole, with a code and a journal line.
    toewijzingen: list[ToewijzingIn] = Field(min_length=1, json_schema_extra={"maxItems": MAX_ITEMS_PER_TASK})


class TaakOut(BaseModel):
    """Een taak, en hoe ver zij is."""

    taakId: UUID  # noqa: N815
    soort: TaskKind
    status: Literal["bezig", "klaar"]
    aantal: int
    aantalGedaan: int  # noqa: N815
    aantalGeweigerd: int  # noqa: N815
    aantalGestopt: int = Field(description="Zoveel zijn niet meer gedaan, omdat iemand de taak stopte.")  # noqa: N815
    aantalWacht: int = Field(description="Zoveel moeten er nog.")  # noqa: N815
    gevraagdOp: datetime  # noqa: N815
    klaarOp: datetime | None = Field(default=None, description="Ontbreekt zolang de taak bezig is.")  # noqa: N815


class TaakResultaatOut(ToewijzingResultaatOut):
    """Wat er met één machtiging uit de taak is gedaan."""

    nummer: int = Field(description="De plaats in uw verzoek, vanaf 0.")
    resultaat: Literal["wacht", "toegewezen", "voorgesteld", "geweigerd", "gestopt"] = Field(  # type: ignore[assignment]
        description="`wacht`: nog niet gedaan. `voorgesteld`: geeft pas toegang als een tweede persoon bevestigt."
    )


class TaakResultatenOut(BaseModel):
    """Een deel van de resultaten, in de volgorde van uw verzoek."""

    resultaten: list[TaakResultaatOut]
    links: PaginaOut = Field(alias="_links")


def describe_task(task: TaskView) -> dict[str, Any]:
    """Describe a task with its progress."""
    return {
        "taakId": task.id,
        "soort": task.kind,
        "status": "bezig" if task.finished_at is None else "klaar",
        "aantal": task.total,
        "aantalGedaan": task.done,
        "aantalGeweigerd": task.refused,
        "aantalGestopt": task.cancelled,
        "aantalWacht": task.waiting,
        "gevraagdOp": task.created_at,
        "klaarOp": task.finished_at,
    }


def describe_item(item: TaskItemView, proposed: Collection[UUID]) -> dict[str, Any]:
    """Describe the result of one item. `proposed`: the assignments that wait for a second person."""
    if item.state is TaskItemState.WAITING:
        return {"nummer": item.number, "machtigingId": item.subject_id, "resultaat": "wacht"}
    if item.is_cancelled:
        return {"nummer": item.number, "machtigingId": item.subject_id, "resultaat": "gestopt"}
    result = item.refusal or MachtigingId(item.result_id or item.subject_id)
    return {"nummer": item.number} | describe_assigned(item.subject_id, result, proposed)
