"""`/beheer/beleid`: the policy that decides now, and what changed when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import AccessServices
from machtiging.access.oversight.policy_versions import list_policy_changes, load_policy_change
from machtiging.access.policy_file import PolicyRow
from machtiging.delegation.rules import Capacity
from machtiging.dependencies import request_services
from machtiging.identity.session import Auditor
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal.labels import ACT_LABELS, THEME_LABELS
from machtiging.portal.operator.register_page import LEVEL_LABELS, SENSITIVITY_LABELS
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
PAGE_SIZE = 20
# The highest value of the column `policy_version.number`, without one.
_MAX_NUMBER = 2**31 - 2
_VersionNumber = Annotated[int, Path(ge=1, le=_MAX_NUMBER)]
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
    """Join the labels of these words; one word for all of them. A word of an earlier policy may have no label."""
    if words >= labels.keys():
        return get_sentence("operator.policy.all")
    unknown = sorted(words - labels.keys())
    return ", ".join([*(label for word, label in labels.items() if word in words), *unknown])


@router.get("/beheer/beleid")
async def show_policy(
    request: Request,
    _visitor: Auditor,
    session: Transaction,
    voor: Annotated[int | None, Query(ge=1, le=_MAX_NUMBER)] = None,
) -> HTMLResponse:
    """Show every row of the policy that decides now, and the versions before it."""
    policy = request_services(request, AccessServices).policy
    found = await list_policy_changes(session, before=voor, limit=PAGE_SIZE + 1)
    versions = found[:PAGE_SIZE]
    return render_page(
        request,
        "operator_policy.html",
        rows=[describe_policy_row(row) for row in policy.rows],
        digest=policy.digest,
        versions=versions,
        newest="/beheer/beleid#versies" if voor else "",
        older=f"/beheer/beleid?voor={versions[-1].number}#versies" if len(found) > PAGE_SIZE else "",
    )


@router.get("/beheer/beleid/{nummer}")
async def show_policy_version(
    request: Request, nummer: _VersionNumber, _visitor: Auditor, session: Transaction
) -> HTMLResponse:
    """Show what one version changed: rows added, removed and changed. Raises NotFound `beleid_onbekend`."""
    version = await load_policy_change(session, nummer)
    changes = [
        (
            kind,
            None if one.before is None else describe_policy_row(one.before),
            None if one.after is None else describe_policy_row(one.after),
        )
        for kind, rows in (("changed", version.changed), ("added", version.added), ("removed", version.removed))
        for one in rows
    ]
    return render_page(request, "operator_policy_version.html", version=version, changes=changes)
