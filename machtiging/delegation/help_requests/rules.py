"""The rules of a help request: its states, its limits and its scope. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from machtiging.agencies.rules import BundleReference, Sensitivity, Theme
from machtiging.delegation.amendments.rules import Narrowing, narrow_scope, require_something_left
from machtiging.delegation.authority.chain import intersect_scopes
from machtiging.delegation.rules import Act, Capacity, MachtigingScope
from machtiging.delegation.terms import MachtigingTerms
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, Message
from machtiging.kernel.ids import MachtigingId, PersonId
from machtiging.kernel.period import Period
from machtiging.organisations.rules import Ceiling

REQUEST_LIFETIME = timedelta(days=14)
MAX_OPEN_REQUESTS, MAX_OPEN_REQUESTS_OF_EMPLOYEE = 5, 30
MAX_REQUESTS_PER_DAY, MAX_REQUESTS_PER_DAY_OF_EMPLOYEE = 10, 60
REQUEST_ALREADY_ANSWERED = "hulpvraag_al_beantwoord"
ABOVE_CEILING = "verzoek_boven_plafond"
_ABOVE_CEILING_KEYS = {
    "afzenders": "verzoek_boven_plafond.afzenders",
    "themes": "verzoek_boven_plafond.themes",
    "highest_sensitivity": "verzoek_boven_plafond.highest_sensitivity",
    "last_day": "verzoek_boven_plafond.last_day",
}
_CONSENT_BASIS = "toestemming"
# Stands for all senders: it is in no ceiling.
_EVERY_SENDER = frozenset({""})


class HelpRequestState(StrEnum):
    """The state of a help request. EXPIRED is never stored: it follows from the time."""

    WAITING = "waiting"
    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RequestWords:
    """The words of the requester, and the code.

    `for_whom` is only for himself. `requester_name` is what the citizen calls him.
    """

    for_whom: str
    requester_name: str
    purpose: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class HelpRequest:
    """One help request. `opened_by`: the citizen who opened it with the code, and alone may answer it.

    `organisation_id` and `employee_id`: the organisation that asks, through this employee. Both are None for a
    relative. `bundle`: the version whose diensten are asked; they stand in `scope`.
    """

    id: UUID
    requester_id: PersonId
    requester_assurance: Assurance
    scope: MachtigingScope
    last_day: date
    state: HelpRequestState
    created_at: datetime
    expires_at: datetime
    opened_by: PersonId | None
    decided_at: datetime | None
    machtiging_id: MachtigingId | None
    words: RequestWords
    organisation_id: UUID | None = None
    employee_id: UUID | None = None
    bundle: BundleReference | None = None

    @property
    def capacity(self) -> Capacity:
        """The capacity in which the requester would read."""
        return Capacity.RELATIVE if self.organisation_id is None else Capacity.PROFESSIONAL

    def state_at(self, at: datetime) -> HelpRequestState:
        """Return the state at an instant."""
        has_expired = self.state is HelpRequestState.WAITING and at >= self.expires_at
        return HelpRequestState.EXPIRED if has_expired else self.state


_NOT_WAITING_CODES: Mapping[HelpRequestState, str] = {
    HelpRequestState.AGREED: REQUEST_ALREADY_ANSWERED,
    HelpRequestState.REFUSED: REQUEST_ALREADY_ANSWERED,
    HelpRequestState.WITHDRAWN: "hulpvraag_ingetrokken",
    HelpRequestState.EXPIRED: "hulpvraag_verlopen",
}


def require_waiting(request: HelpRequest, at: datetime) -> None:
    """Require a request that waits for an answer.

    Raises Conflict `hulpvraag_al_beantwoord`, `hulpvraag_ingetrokken` or `hulpvraag_verlopen`.
    """
    state = request.state_at(at)
    if state is not HelpRequestState.WAITING:
        raise Conflict(_NOT_WAITING_CODES[state])


def compute_expiry(last_day: date, at: datetime) -> datetime:
    """Compute until when a new request can be answered.

    Whole days, at most until the last day of what it requests.
    """
    last_waiting_day = to_dutch_date(at) + REQUEST_LIFETIME - timedelta(days=1)
    return min(end_of_day(last_waiting_day), at + REQUEST_LIFETIME, end_of_day(last_day))


def build_terms(request: HelpRequest, at: datetime) -> MachtigingTerms:
    """Build the terms as requested, for a machtiging that begins now.

    Raises InvalidInput `periode_omgekeerd` after the last day.
    """
    period = Period(at, end_of_day(request.last_day))
    return MachtigingTerms(request.capacity, request.words.purpose, _CONSENT_BASIS, request.scope, period)


def require_within_ceiling(scope: MachtigingScope, last_day: date, ceiling: Ceiling, at: datetime) -> None:
    """Require that an organisation asks no more than its ceiling allows.

    Raises InvalidInput `verzoek_boven_plafond`, with every field that is above it.
    """
    above = {
        "afzenders": ceiling.afzenders is not None and not (scope.afzenders or _EVERY_SENDER) <= ceiling.afzenders,
        "themes": ceiling.themes is not None and not open_themes(scope) <= ceiling.themes,
        "highest_sensitivity": not scope.highest_sensitivity.is_at_most(ceiling.sensitivity),
        "last_day": last_day > to_dutch_date(at) + timedelta(days=ceiling.days),
    }
    fields = {field: Message(_ABOVE_CEILING_KEYS[field], {"days": ceiling.days}) for field in above if above[field]}
    if fields:
        raise InvalidInput(ABOVE_CEILING, fields=fields)


def cut_to_ceiling(terms: MachtigingTerms, ceiling: Ceiling) -> MachtigingTerms:
    """Return what both the terms and the ceiling of this moment cover.

    Raises InvalidInput `niets_over`.
    """
    most = MachtigingScope(
        afzenders=ceiling.afzenders,
        diensten=None,
        themes=ceiling.themes,
        excluded_themes=frozenset(),
        highest_sensitivity=ceiling.sensitivity,
        letters_from=terms.scope.letters_from,
        acts=terms.scope.acts,
    )
    scope, period = intersect_scopes(terms.scope, most), terms.period
    last_day = to_dutch_date(period.starts_at) + timedelta(days=ceiling.days)
    if last_day < period.last_day:
        period = Period(period.starts_at, end_of_day(last_day))
    require_something_left(scope, period)
    return replace(terms, scope=scope, period=period)


def cut_request(request: HelpRequest, ceiling: Ceiling, at: datetime) -> HelpRequest:
    """Return the request as the ceiling leaves it, to show. What nothing is left of is shown as it was made."""
    try:
        terms = cut_to_ceiling(build_terms(request, at), ceiling)
    except InvalidInput:
        return request
    return replace(request, scope=terms.scope, last_day=terms.period.last_day)


def open_themes(scope: MachtigingScope) -> frozenset[Theme]:
    """Return the themes of which letters can fall under a scope."""
    return (frozenset(Theme) if scope.themes is None else scope.themes) - scope.excluded_themes


def narrow_terms(terms: MachtigingTerms, narrowing: Narrowing, themes: frozenset[Theme] | None) -> MachtigingTerms:
    """Return what both the terms and the narrowing cover. `themes`: the themes that stay, None for all.

    Raises InvalidInput `hulpvraag_niet_smaller` if nothing becomes less or the last day is later, `niets_over`,
    `einddatum_te_vroeg`.
    """
    period, last_day = terms.period, narrowing.last_day
    if last_day is not None:
        if last_day > period.last_day:
            raise InvalidInput("hulpvraag_niet_smaller")
        if end_of_day(last_day) <= period.starts_at:
            raise InvalidInput("einddatum_te_vroeg")
        period = Period(period.starts_at, end_of_day(last_day))
    scope = narrow_scope(terms.scope, narrowing)
    if themes is not None:
        scope = replace(scope, themes=themes if scope.themes is None else scope.themes & themes)
    if scope == terms.scope and period == terms.period:
        raise InvalidInput("hulpvraag_niet_smaller")
    require_something_left(scope, period)
    return replace(terms, scope=scope, period=period)


def encode_scope(scope: MachtigingScope, bundle: BundleReference | None = None) -> dict[str, Any]:
    """Encode a scope as JSON, with the bundle that it came from. A request names no single letters."""
    of_bundle = {} if bundle is None else {"bundle": list(bundle), "diensten": sorted(scope.diensten or ())}
    return of_bundle | {
        "afzenders": None if scope.afzenders is None else sorted(scope.afzenders),
        "themes": None if scope.themes is None else sorted(scope.themes),
        "excluded_themes": sorted(scope.excluded_themes),
        "highest_sensitivity": scope.highest_sensitivity.value,
        "letters_from": scope.letters_from.isoformat(),
        "acts": sorted(scope.acts),
    }


def decode_scope(document: Mapping[str, Any]) -> MachtigingScope:
    """Decode a scope from JSON. Raises KeyError or ValueError for another document."""
    afzenders, themes, diensten = document["afzenders"], document["themes"], document.get("diensten")
    return MachtigingScope(
        afzenders=None if afzenders is None else frozenset(afzenders),
        diensten=None if diensten is None else frozenset(diensten),
        themes=None if themes is None else frozenset(map(Theme, themes)),
        excluded_themes=frozenset(map(Theme, document["excluded_themes"])),
        highest_sensitivity=Sensitivity(document["highest_sensitivity"]),
        letters_from=date.fromisoformat(document["letters_from"]),
        acts=frozenset(map(Act, document["acts"])),
    )


def decode_bundle(document: Mapping[str, Any]) -> BundleReference | None:
    """Decode the bundle of a scope; None if it came from none."""
    return BundleReference(*document["bundle"]) if "bundle" in document else None
