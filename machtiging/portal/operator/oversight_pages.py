"""`/beheer/beleid` and `/beheer/journaal`: what the service decides with, and whether its records are sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import AccessServices
from machtiging.access.policy_file import PolicyRow
from machtiging.audit.journal_state import MAX_COUNTED, load_journal_state
from machtiging.delegation.rules import Capacity
from machtiging.dependencies import request_services
from machtiging.identity.session import Auditor
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal.labels import ACT_LABELS, THEME_LABELS
from machtiging.portal.operator.register_page import LEVEL_LABELS, SENSITIVITY_LABELS
from machtiging.portal.public_pages.dependencies import PortalServices
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
CAPACITY_LABELS: Mapping[Capacity, str] = CatalogueLabels("operator.capacity", Capacity)


@dataclass(frozen=True, slots=True)
class PolicyRowView:
    """One row of the policy in words. `allows`: False for a row that forbids."""

    id: str
    allows: bool
    capacities: str
    acts: str
    themes: str
    sensitivities: str
    levels: str
    because: str


def describe_policy_row(row: PolicyRow) -> PolicyRowView:
    """Describe a row of the policy in words. Its reason stands in the policy itself."""
    return PolicyRowView(
        id=row.id,
        allows=row.eft == "allow",
        capacities=_join(row.capacity, {one.value: label for one, label in CAPACITY_LABELS.items()}),
        acts=_join(row.act, {one.value: label for one, label in ACT_LABELS.items()}),
        themes=_join(row.theme, {one.value: label for one, label in THEME_LABELS.items()}),
        sensitivities=_join(row.sensitivity, {one.value: label for one, label in SENSITIVITY_LABELS.items()}),
        levels=_join(row.level, {one.value: label for one, label in LEVEL_LABELS.items()}),
        because=row.because,
    )


def _join(words: frozenset[str], labels: Mapping[str, str]) -> str:
    """Join the labels of these words; one word for all of them."""
    if words >= labels.keys():
        return get_sentence("operator.policy.all")
    return ", ".join(label for word, label in labels.items() if word in words)


@router.get("/beheer/beleid")
async def show_policy(request: Request, _visitor: Auditor) -> HTMLResponse:
    """Show every row of the policy that decides now, with its reason."""
    policy = request_services(request, AccessServices).policy
    rows = [describe_policy_row(row) for row in policy.rows]
    return render_page(request, "operator_policy.html", rows=rows, digest=policy.digest)


@router.get("/beheer/journaal")
async def show_journal_state(request: Request, _visitor: Auditor, session: Transaction) -> HTMLResponse:
    """Show how far the journal is sealed, and the background work that fails now."""
    problems = request_services(request, PortalServices).background.describe_problems()
    state = await load_journal_state(session)
    at = request_services(request, AccessServices).clock.now()
    late = 0 if state.oldest_waiting_at is None else max(0, int((at - state.oldest_waiting_at).total_seconds()))
    values: dict[str, Any] = {"state": state, "problems": problems, "late": late, "max_counted": MAX_COUNTED}
    return render_page(request, "operator_journal.html", **values)
