"""Journal lines in words, for the page and its exports.

The journal is append-only, so every line it admits must be displayed; unknown values get general words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from machtiging.audit.access_history.line_groups import LineGroup
from machtiging.audit.acts import JournalAct, JournalOutcome
from machtiging.audit.journal import OPERATOR
from machtiging.audit.queries import JournalEntry
from machtiging.delegation.rules import Capacity
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.ids import BerichtId
from machtiging.message_catalogue import CatalogueLabels, get_sentence
from machtiging.portal import labels
from machtiging.portal.access_history.names import LineNames

# Years of the journal. Years 1 and 9999 would overflow in a conversion to UTC.
JOURNAL_YEARS = range(2000, 2101)
_OUTCOMES = frozenset(JournalOutcome)
_OVERSIGHT_ACTS = frozenset({JournalAct.DOSSIER_BEVESTIGD.value, JournalAct.DOSSIER_INGEZIEN.value})
# The role is named, and not the person.
OVERSEER_LABELS: Mapping[str, str] = CatalogueLabels("history.who", ("auditor", "privacyfunctionaris"))
_AGENCY_ACTS = frozenset({JournalAct.CONTROLECODE_GEPROBEERD.value, JournalAct.VERIFICATIE_GEVRAAGD.value})
_REGISTER_ACTS = frozenset({JournalAct.MACHTIGING_GEREGISTREERD.value, JournalAct.MACHTIGING_VERVALLEN.value})


@dataclass(frozen=True, slots=True)
class JournalLineView:
    """One journal line in words. `bericht_id` links to the letter, which is the reader's own.

    `at` is None for an impossible time in the journal. `times`: number of equal lines, the first of which was at
    `first_at`.
    """

    at: datetime | None
    who: str
    what: str
    refused: bool
    reason: str | None
    bericht_id: BerichtId | None
    app: str | None
    machtiging_id: UUID | None
    purpose: str | None
    is_own: bool
    object_id: str | None
    times: int = 1
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DayView:
    """The lines of one day: acts of others that were allowed, and own acts. `day` is None if impossible."""

    day: date | None
    lines: list[JournalLineView]
    own: list[JournalLineView]


def describe_group(group: LineGroup, names: LineNames) -> JournalLineView:
    """Return a group of equal lines in words."""
    return replace(describe_line(group.line, names), times=group.count)


def describe_line(line: JournalEntry, names: LineNames) -> JournalLineView:
    """Return one line in words."""
    refused = line.outcome == JournalOutcome.REFUSED
    letter, app = names.find_letter(line), names.name_app(line.client_id)
    is_possible = line.occurred_at.year in JOURNAL_YEARS
    purpose = names.purposes.get(str(line.machtiging_id))
    return JournalLineView(
        at=line.occurred_at if is_possible else None,
        who=_describe_actor(names, line, app) + _describe_organisation(names, line),
        what=_describe_act(line, letter[1] if letter else None, refused=refused),
        refused=refused,
        reason=_describe_reason(line),
        bericht_id=letter[0] if letter else None,
        app=None if line.actor_id is None and line.capacity != OPERATOR else app,
        machtiging_id=None if purpose is None else line.machtiging_id,
        purpose=purpose,
        is_own=line.actor_id == names.viewer_id and line.capacity != OPERATOR,
        object_id=line.object_id,
        first_at=line.occurred_at if is_possible else None,
    )


def split_refusals(lines: Iterable[JournalLineView]) -> tuple[list[JournalLineView], list[JournalLineView]]:
    """Return the refused lines of others, and all other lines. Equal lines of a day are one."""
    folded = fold_equal_lines(lines)
    refusals = [line for line in folded if line.refused and not line.is_own]
    return refusals, [line for line in folded if not line.refused or line.is_own]


def fold_equal_lines(lines: Iterable[JournalLineView]) -> list[JournalLineView]:
    """Fold equal lines of a day into the newest one, with their number."""
    folded: dict[object, JournalLineView] = {}
    for number, line in enumerate(lines):
        # A line without a possible time has no day in which to fold it.
        key = (number,) if line.at is None else make_day_key(line, to_dutch_date(line.at))
        newest = folded.get(key)
        folded[key] = (
            line
            if newest is None
            else replace(newest, times=newest.times + line.times, first_at=line.first_at or newest.first_at)
        )
    return list(folded.values())


def make_day_key(line: JournalLineView, day: date) -> object:
    """Return what is the same in equal lines of one day."""
    return replace(line, at=None, first_at=None, times=1), day


def group_by_day(lines: Sequence[JournalLineView]) -> list[DayView]:
    """Return the lines by day, in their order."""
    grouped = [(day, list(group)) for day, group in groupby(lines, lambda line: line.at and to_dutch_date(line.at))]
    return [
        DayView(day, [line for line in group if not line.is_own], [line for line in group if line.is_own])
        for day, group in grouped
    ]


def _describe_organisation(names: LineNames, line: JournalEntry) -> str:
    """Return the organisation for which somebody acted, as the end of a name."""
    name = names.organisations.get(str(line.on_behalf_of))
    is_shown = name is not None and line.capacity != Capacity.SELF
    return get_sentence("history.line.organisation", name=name) if is_shown else ""


def _describe_reason(line: JournalEntry) -> str | None:
    if line.outcome not in _OUTCOMES:
        return get_sentence("labels.outcome_unknown")
    return labels.describe_reason(line.reason) if line.outcome == JournalOutcome.REFUSED else None


def _describe_act(line: JournalEntry, sender: str | None, *, refused: bool) -> str:
    by_app = line.actor_id is None and line.client_id is not None and line.capacity != OPERATOR
    description = labels.describe_act(line.act, refused=refused, sender=sender, by_app=by_app)
    return description + labels.describe_check_kind(line.facts) + labels.describe_answer(line.facts)


def _describe_actor(names: LineNames, line: JournalEntry, app: str | None) -> str:
    if line.capacity == OPERATOR:
        return get_sentence("history.who.operator")
    if line.act in _OVERSIGHT_ACTS and line.capacity is not None and line.capacity in OVERSEER_LABELS:
        return OVERSEER_LABELS[line.capacity]
    if line.act in _REGISTER_ACTS:
        return get_sentence("history.who.register")
    if line.act == JournalAct.VERIFICATIE_GEVRAAGD:  # the agency asks, by its software or an employee
        return names.name_agency(line.facts.get("afzender"))
    if line.act in _AGENCY_ACTS and line.actor_id not in (None, names.viewer_id):  # its employee is not named
        return get_sentence("history.who.employee")
    if line.actor_id is None:  # then the app acted by itself
        return get_sentence("history.who.somebody") if app is None else get_sentence("history.who.app", name=app)
    return (
        get_sentence("history.who.you") if line.actor_id == names.viewer_id else names.name_actor(line, line.actor_id)
    )
