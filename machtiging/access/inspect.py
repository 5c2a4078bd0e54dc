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

from machtiging.access.decision import Allowed, Decision
from machtiging.access.engine import Policy
from machtiging.access.policy_file import WORDS
from machtiging.access.question import FACTS, Question
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault

_ASKED = {"hoedanigheid": "capacity", "thema": "theme", "gevoeligheid": "sensitivity", "niveau": "level"}
_FACTS = {
    "geldt": "in_force",
    "binnen_afspraak": "covered",
    "handeling_gegeven": "act_given",
    "keten_compleet": "chain_complete",
}
_TRUTH = {"ja": True, "nee": False}
_ANSWERS = ("mag", "mag_niet", "wie", "wie_niet")


@dataclass(frozen=True, slots=True)
class TableRow:
    """The acts allowed to a capacity at these levels on these themes.

    All facts of the request are true.
    """

    capacity: Capacity
    sensitivity: Sensitivity
    levels: tuple[Assurance, ...]
    acts: tuple[Act, ...]
    themes: tuple[Theme, ...]


def table(policy: Policy) -> list[TableRow]:
    """List everything that the policy allows. Anything not listed is refused."""
    rows: list[TableRow] = []
    for capacity, sensitivity in product(Capacity, Sensitivity):
        alike: dict[tuple[tuple[Assurance, ...], tuple[Act, ...]], list[Theme]] = {}
        for theme in Theme:
            for levels, acts in _cells(policy, capacity, sensitivity, theme).items():
                alike.setdefault((levels, tuple(acts)), []).append(theme)
        rows += [TableRow(capacity, sensitivity, *key, tuple(themes)) for key, themes in alike.items()]
    return rows


def _cells(
    policy: Policy, capacity: Capacity, sensitivity: Sensitivity, theme: Theme
) -> dict[tuple[Assurance, ...], list[Act]]:
    cells: dict[tuple[Assurance, ...], list[Act]] = {}
    for act in Act:
        asked = Question(capacity, act, theme, sensitivity, Assurance.LOW, *[True] * len(FACTS))
        levels = tuple(level for level in Assurance if _yes(policy.decide(replace(asked, level=level))))
        if levels:
            cells.setdefault(levels, []).append(act)
    return cells


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, the missing facts, and the matching rows as (id, effect, because)."""

    decision: Decision
    missing_facts: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]


def explain(policy: Policy, question: Question) -> Explanation:
    """Explain the decision on one policy request."""
    missing = tuple(fact for fact in FACTS if not getattr(question, fact))
    speaking = [row for row in policy.rows if all(getattr(question, name) in row.words(name) for name in WORDS)]
    return Explanation(policy.decide(question), missing, tuple((row.id, row.eft, row.because) for row in speaking))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story with its policy request, the acts and the capacities that must be allowed."""

    place: str
    story: str
    question: Question
    may: frozenset[Act]
    who: frozenset[Capacity]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """The result of one scenario; it passed when `problems` is empty."""

    place: str
    story: str
    problems: tuple[str, ...]


def check(policy: Policy, scenarios: Iterable[Scenario]) -> Iterator[CheckRow]:
    """Run every scenario against the policy, lazily."""
    return (CheckRow(told.place, told.story, tuple(_differences(policy, told))) for told in scenarios)


def _differences(policy: Policy, told: Scenario) -> Iterable[str]:
    """Compare allowed acts, allowed capacities and listing with the scenario, and with each other."""
    asked = told.question
    may = {act for act in Act if _yes(policy.decide(replace(asked, act=act)))}
    yield from _differs("mag", told.may, may)
    who = {capacity for capacity in Capacity if _yes(policy.decide(_asked_by(asked, capacity)))}
    yield from _differs("wie", told.who, who)
    listed = {(theme, degree) for theme, degree in product(Theme, Sensitivity) if _listed(policy, asked, theme, degree)}
    in_list = (asked.theme, asked.sensitivity) in listed
    if not in_list == (Act.READ in may) == (asked.capacity in who):
        yield f"lijst, lezen en wie zijn het niet eens: {in_list}, {Act.READ in may}, {asked.capacity in who}"


def _differs(name: str, told: frozenset[Any], found: set[Any]) -> Iterable[str]:
    yield from (f"{name}: '{word}' mag volgens het beleid wel" for word in sorted(found - told))
    yield from (f"{name}: '{word}' mag volgens het beleid niet" for word in sorted(told - found))


def _asked_by(asked: Question, capacity: Capacity) -> Question:
    """Return the same request to read, by another capacity.

    The citizen needs no machtiging, so all facts become true for SELF.
    """
    theirs = replace(asked, act=Act.READ, capacity=capacity)
    if capacity is Capacity.SELF and asked.capacity is not Capacity.SELF:
        return replace(theirs, in_force=True, covered=True, act_given=True, chain_complete=True)
    return theirs


def _listed(policy: Policy, asked: Question, theme: Theme, sensitivity: Sensitivity) -> bool:
    return _yes(policy.decide(replace(asked, act=Act.LIST, theme=theme, sensitivity=sensitivity)))


def _yes(decision: Decision) -> bool:
    return isinstance(decision, Allowed)


def read_scenarios(directory: Path) -> list[Scenario]:
    """Read every scenario in `*.yaml`. Raises Fault `scenario_onleesbaar` with file and number."""
    files = sorted(directory.glob("*.yaml"))
    found = [_scenario(f"{file.name} {number}", told) for file in files for number, told in _stories(file)]
    if not found:
        raise Fault("scenario_onleesbaar", private=f"{directory}: no scenarios")
    return found


def _stories(file: Path) -> Iterable[tuple[int, Any]]:
    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Fault("scenario_onleesbaar", private=f"{file.name}: {error}") from error
    if not isinstance(told, list):
        raise Fault("scenario_onleesbaar", private=f"{file.name}: must be a list of stories")
    return enumerate(told, start=1)


def _scenario(place: str, told: Any) -> Scenario:
    try:
        _exactly(told, {"verhaal", "brief", *_ANSWERS}, optional={"feiten"})
        _exactly(told["brief"], set(_ASKED))
        _exactly(told.get("feiten", {}), set(), optional=set(_FACTS))
        words = {field: WORDS[field](told["brief"][name]) for name, field in _ASKED.items()}
        facts = {field: _TRUTH[told.get("feiten", {}).get(name, "ja")] for name, field in _FACTS.items()}
        values: dict[str, Any] = words | facts
        return Scenario(
            place=place,
            story=str(told["verhaal"]),
            question=Question(act=Act.READ, **values),
            may=_yes_and_no(told["mag"], told["mag_niet"], Act),
            who=_yes_and_no(told["wie"], told["wie_niet"], Capacity),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Fault("scenario_onleesbaar", private=f"{place}: {error}") from error


def _exactly(members: Mapping[str, Any], needed: set[str], optional: frozenset[str] | set[str] = frozenset()) -> None:
    if not needed <= set(members) <= needed | optional:
        raise ValueError(f"the members must be {sorted(needed)} and may be {sorted(optional)}")


def _yes_and_no(yes: list[str], no: list[str], kind: type[StrEnum]) -> frozenset[Any]:
    """Return the words of `yes`. Raises ValueError unless the two lists contain every word once.

    A word that the author forgot is then an error, not a refusal.
    """
    if sorted([*yes, *no]) != sorted(kind):
        raise ValueError(f"every {kind.__name__} must stand in exactly one of the two lists")
    return frozenset(map(kind, yes))
