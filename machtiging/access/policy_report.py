"""Reports on the policy: the full table, scenario checks, and the explanation of one decision.

All use the same engine as the guard and return rows; the caller formats them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from machtiging.access.policy_decision import PolicyAllowed, PolicyDecision
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import COLUMN_ENUMS
from machtiging.access.policy_request import FACT_FIELDS, PolicyRequest
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault

_LETTER_FIELDS = {"hoedanigheid": "capacity", "thema": "theme", "gevoeligheid": "sensitivity", "niveau": "level"}
_FACT_FIELDS = {
    "geldt": "in_force",
    "binnen_afspraak": "covered",
    "handeling_gegeven": "act_given",
    "keten_compleet": "chain_complete",
}
_YES_NO = {"ja": True, "nee": False}
_EXPECTATION_MEMBERS = ("mag", "mag_niet", "wie", "wie_niet")


@dataclass(frozen=True, slots=True)
class PolicyTableRow:
    """The acts allowed to a capacity at these levels on these themes.

    All facts of the request are true.
    """

    capacity: Capacity
    sensitivity: Sensitivity
    levels: tuple[Assurance, ...]
    acts: tuple[Act, ...]
    themes: tuple[Theme, ...]


def build_policy_table(policy: Policy) -> list[PolicyTableRow]:
    """List everything that the policy allows. Anything not listed is refused."""
    rows: list[PolicyTableRow] = []
    for capacity, sensitivity in product(Capacity, Sensitivity):
        alike: dict[tuple[tuple[Assurance, ...], tuple[Act, ...]], list[Theme]] = {}
        for theme in Theme:
            for levels, acts in _group_acts_by_levels(policy, capacity, sensitivity, theme).items():
                alike.setdefault((levels, tuple(acts)), []).append(theme)
        rows += [PolicyTableRow(capacity, sensitivity, *key, tuple(themes)) for key, themes in alike.items()]
    return rows


def _group_acts_by_levels(
    policy: Policy, capacity: Capacity, sensitivity: Sensitivity, theme: Theme
) -> dict[tuple[Assurance, ...], list[Act]]:
    cells: dict[tuple[Assurance, ...], list[Act]] = {}
    for act in Act:
        policy_request = PolicyRequest(capacity, act, theme, sensitivity, Assurance.LOW, *[True] * len(FACT_FIELDS))
        levels = tuple(level for level in Assurance if _is_allowed(policy.decide(replace(policy_request, level=level))))
        if levels:
            cells.setdefault(levels, []).append(act)
    return cells


@dataclass(frozen=True, slots=True)
class PolicyExplanation:
    """A decision, the missing facts, and the matching rows as (id, effect, because)."""

    decision: PolicyDecision
    missing_facts: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]


def explain_decision(policy: Policy, policy_request: PolicyRequest) -> PolicyExplanation:
    """Explain the decision on one policy request."""
    missing = tuple(fact for fact in FACT_FIELDS if not getattr(policy_request, fact))
    speaking = [
        row
        for row in policy.rows
        if all(getattr(policy_request, name) in row.column_values(name) for name in COLUMN_ENUMS)
    ]
    return PolicyExplanation(
        policy.decide(policy_request), missing, tuple((row.id, row.eft, row.because) for row in speaking)
    )


@dataclass(frozen=True, slots=True)
class PolicyScenario:
    """A story with its policy request, the acts and the capacities that must be allowed."""

    location: str
    story: str
    policy_request: PolicyRequest
    allowed_acts: frozenset[Act]
    allowed_capacities: frozenset[Capacity]


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The result of one scenario; it passed when `problems` is empty."""

    location: str
    story: str
    problems: tuple[str, ...]


def check_scenarios(policy: Policy, scenarios: Iterable[PolicyScenario]) -> Iterator[ScenarioResult]:
    """Run every scenario against the policy, lazily."""
    return (
        ScenarioResult(scenario.location, scenario.story, tuple(_find_differences(policy, scenario)))
        for scenario in scenarios
    )


def _find_differences(policy: Policy, scenario: PolicyScenario) -> Iterable[str]:
    """Compare allowed acts, allowed capacities and listing with the scenario, and with each other."""
    policy_request = scenario.policy_request
    may = {act for act in Act if _is_allowed(policy.decide(replace(policy_request, act=act)))}
    yield from _describe_differences("mag", scenario.allowed_acts, may)
    who = {capacity for capacity in Capacity if _is_allowed(policy.decide(_with_capacity(policy_request, capacity)))}
    yield from _describe_differences("wie", scenario.allowed_capacities, who)
    listed = {
        (theme, sensitivity)
        for theme, sensitivity in product(Theme, Sensitivity)
        if _is_listed(policy, policy_request, theme, sensitivity)
    }
    in_list = (policy_request.theme, policy_request.sensitivity) in listed
    if not in_list == (Act.READ in may) == (policy_request.capacity in who):
        yield f"lijst, lezen en wie zijn het niet eens: {in_list}, {Act.READ in may}, {policy_request.capacity in who}"


def _describe_differences(name: str, expected: frozenset[Any], actual: set[Any]) -> Iterable[str]:
    yield from (f"{name}: '{word}' mag volgens het beleid wel" for word in sorted(actual - expected))
    yield from (f"{name}: '{word}' mag volgens het beleid niet" for word in sorted(expected - actual))


def _with_capacity(policy_request: PolicyRequest, capacity: Capacity) -> PolicyRequest:
    """Return the same request to read, by another capacity.

    The citizen needs no machtiging, so all facts become true for SELF.
    """
    theirs = replace(policy_request, act=Act.READ, capacity=capacity)
    if capacity is Capacity.SELF and policy_request.capacity is not Capacity.SELF:
        return replace(theirs, in_force=True, covered=True, act_given=True, chain_complete=True)
    return theirs


def _is_listed(policy: Policy, policy_request: PolicyRequest, theme: Theme, sensitivity: Sensitivity) -> bool:
    return _is_allowed(policy.decide(replace(policy_request, act=Act.LIST, theme=theme, sensitivity=sensitivity)))


def _is_allowed(decision: PolicyDecision) -> bool:
    return isinstance(decision, PolicyAllowed)


def read_scenarios(directory: Path) -> list[PolicyScenario]:
    """Read every scenario in `*.yaml`. Raises Fault `scenario_onleesbaar` with file and number."""
    files = sorted(directory.glob("*.yaml"))
    found = [
        _parse_scenario(f"{file.name} {number}", document)
        for file in files
        for number, document in _read_scenario_documents(file)
    ]
    if not found:
        raise Fault("scenario_onleesbaar", private=f"{directory}: no scenarios")
    return found


def _read_scenario_documents(file: Path) -> Iterable[tuple[int, Any]]:
    try:
        documents = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Fault("scenario_onleesbaar", private=f"{file.name}: {error}") from error
    if not isinstance(documents, list):
        raise Fault("scenario_onleesbaar", private=f"{file.name}: must be a list of stories")
    return enumerate(documents, start=1)


def _parse_scenario(location: str, document: Any) -> PolicyScenario:
    try:
        _check_members(document, {"verhaal", "brief", *_EXPECTATION_MEMBERS}, optional={"feiten"})
        _check_members(document["brief"], set(_LETTER_FIELDS))
        _check_members(document.get("feiten", {}), set(), optional=set(_FACT_FIELDS))
        words = {field: COLUMN_ENUMS[field](document["brief"][name]) for name, field in _LETTER_FIELDS.items()}
        facts = {field: _YES_NO[document.get("feiten", {}).get(name, "ja")] for name, field in _FACT_FIELDS.items()}
        values: dict[str, Any] = words | facts
        return PolicyScenario(
            location=location,
            story=str(document["verhaal"]),
            policy_request=PolicyRequest(act=Act.READ, **values),
            allowed_acts=_parse_yes_and_no(document["mag"], document["mag_niet"], Act),
            allowed_capacities=_parse_yes_and_no(document["wie"], document["wie_niet"], Capacity),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Fault("scenario_onleesbaar", private=f"{location}: {error}") from error


def _check_members(
    members: Mapping[str, Any], required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> None:
    if not required <= set(members) <= required | optional:
        raise ValueError(f"the members must be {sorted(required)} and may be {sorted(optional)}")


def _parse_yes_and_no(yes: list[str], no: list[str], kind: type[StrEnum]) -> frozenset[Any]:
    """Return the words of `yes`. Raises ValueError unless the two lists contain every word once.

    A word that the author forgot is then an error, not a refusal.
    """
    if sorted([*yes, *no]) != sorted(kind):
        raise ValueError(f"every {kind.__name__} must stand in exactly one of the two lists")
    return frozenset(map(kind, yes))
