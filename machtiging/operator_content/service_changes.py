"""Changes of the service that people asked for. A declined change has a reason."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from machtiging.operator_content.yaml_file import PRACTICE_FOLDER, BilingualText, OperatorItem, read_items


class ChangeStatus(StrEnum):
    """The state of a requested change."""

    DONE = "klaar"
    STARTED = "bezig"
    PLANNED = "gepland"
    DECLINED = "afgewezen"


class DeclineReason(StrEnum):
    """The reason why a change cannot be made, or not now."""

    SAFETY = "veiligheid"
    COST = "kosten"
    LAW = "wet"
    LATER = "later"


class ServiceChange(OperatorItem):
    """One requested change. A declined one has a reason; another one has none."""

    title: BilingualText
    text: BilingualText
    # Words in a file, so not strict: strict mode accepts members of the enum only.
    status: Annotated[ChangeStatus, Field(strict=False)]
    reason: Annotated[DeclineReason | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _require_reason(self) -> ServiceChange:
        declined = self.status is ChangeStatus.DECLINED
        if declined and self.reason is None:
            raise ValueError(f"a declined change needs a reason: {', '.join(DeclineReason)}")
        if not declined and self.reason is not None:
            raise ValueError("only a declined change has a reason")
        return self


def load_service_changes(path: Path | None) -> tuple[ServiceChange, ...]:
    """Read the changes; invented ones without a path. Raises Fault `aanpassingen_onleesbaar`."""
    return read_items(path or PRACTICE_FOLDER / "service_changes.yaml", ServiceChange, "aanpassingen_onleesbaar")
