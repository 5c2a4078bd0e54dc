"""`/beheer/cijfers` and `/beheer/opvallend`: counts of machtigingen, and use that differs from the ordinary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse

from machtiging.access.dependencies import access_services
from machtiging.access.oversight.unusual_use import (
    NIGHT_ENDS_AT_HOUR,
    ORDINARY_DAYS,
    THRESHOLDS,
    TIMES_ORDINARY,
    UnusualRule,
    find_unusual_use,
)
from machtiging.delegation.oversight.figures import MAX_COUNTED, ROUNDED_TO, HolderKind, count_machtigingen
from machtiging.delegation.rules import Channel, EffectiveState
from machtiging.identity.session import Overseer
from machtiging.kernel.clock import to_dutch_date
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal.forms import EMPTY_IS_NONE
from machtiging.portal.operator.policy_pages import CAPACITY_LABELS
from machtiging.storage.unit_of_work import Transaction
from machtiging.web.pages import render_page

router = APIRouter(include_in_schema=False)
CHANNEL_LABELS: Mapping[Channel, str] = CatalogueLabels("operator.channel", Channel)
STATE_LABELS: Mapping[EffectiveState, str] = CatalogueLabels("operator.state", EffectiveState)
HOLDER_LABELS: Mapping[HolderKind, str] = CatalogueLabels("operator.holder", HolderKind)
RULE_LABELS: Mapping[UnusualRule, str] = CatalogueLabels("operator.unusual.rule", UnusualRule)
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)


class UnusualUseQuery(BaseModel):
    """The day in the address of the page."""

    dag: Annotated[Annotated[date, Field(ge=_FIRST_DAY, le=_LAST_DAY)] | None, EMPTY_IS_NONE] = None


@router.get("/beheer/cijfers")
async def show_figures(request: Request, _visitor: Overseer, session: Transaction) -> HTMLResponse:
    """Show counts of machtigingen, rounded, with the moment of counting."""
    at = access_services(request).clock.now()
    figures = await count_machtigingen(session, at=at)
    tables: list[tuple[str, Mapping[Any, int], Mapping[Any, str]]] = [
        (get_sentence("operator.figures.by_state"), figures.by_state, STATE_LABELS),
        (get_sentence("operator.figures.by_holder"), figures.by_holder, HOLDER_LABELS),
        (get_sentence("operator.figures.by_ground"), figures.by_capacity, CAPACITY_LABELS),
        (get_sentence("operator.figures.by_channel"), figures.by_channel, CHANNEL_LABELS),
    ]
    described = [(title, [(labels[one], count) for one, count in counts.items()]) for title, counts, labels in tables]
    return render_page(
        request,
        "operator_figures.html",
        figures=figures,
        tables=described,
        counted_at=at,
        rounded_to=ROUNDED_TO,
        max_counted=MAX_COUNTED,
    )


@router.get("/beheer/opvallend")
async def show_unusual_use(
    request: Request, wanted: Annotated[UnusualUseQuery, Query()], _visitor: Overseer, session: Transaction
) -> HTMLResponse:
    """Show what was unusual on one day, by rule. No row names a person or a letter."""
    today = to_dutch_date(access_services(request).clock.now())
    day = today if wanted.dag is None else wanted.dag
    found = await find_unusual_use(session, day)
    rules = [
        (RULE_LABELS[rule], _describe_rule(rule), [row for row in found.rows if row.rule is rule])
        for rule in UnusualRule
    ]
    return render_page(
        request,
        "operator_unusual.html",
        day=day,
        rules=rules,
        found=found,
        earlier=f"/beheer/opvallend?dag={day - timedelta(days=1)}",
        later=f"/beheer/opvallend?dag={day + timedelta(days=1)}" if day < today else "",
    )


def _describe_rule(rule: UnusualRule) -> str:
    """Say in words what a rule counts, with its threshold."""
    number = THRESHOLDS[rule]
    sentences = {
        UnusualRule.MANY_LETTERS: get_sentence(
            "operator.unusual.explain.letters", number=number, times=TIMES_ORDINARY, days=ORDINARY_DAYS
        ),
        UnusualRule.AT_NIGHT: get_sentence("operator.unusual.explain.night", number=number, hour=NIGHT_ENDS_AT_HOUR),
        UnusualRule.REFUSALS: get_sentence("operator.unusual.explain.refusals", number=number),
        UnusualRule.MANY_MACHTIGINGEN: get_sentence("operator.unusual.explain.machtigingen", number=number),
        UnusualRule.MANY_CHECKS: get_sentence(
            "operator.unusual.explain.checks", number=number, times=TIMES_ORDINARY, days=ORDINARY_DAYS
        ),
        UnusualRule.CHECKS_OF_PERSON: get_sentence("operator.unusual.explain.checks_of_person", number=number),
    }
    return sentences[rule]
