"""The lines of an import as values, and what each line would do. Pure: no I/O, no framework."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from machtiging.agencies.rules import Sensitivity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput, Message
from machtiging.organisations.register_import.csv_lines import CsvLine
from machtiging.organisations.rules import (
    LONGEST_CEILING_DAYS,
    Ceiling,
    EmployeeInvitation,
    OrganisationKind,
    OrganisationNumbers,
    OrganisationRegistration,
    RecognitionProposal,
    RecognitionStatus,
    parse_roles,
)

_DAYS = re.compile(r"[0-9]{1,4}")
_DEFAULTS = {"gevoeligheid": "gevoelig", "dagen": "365", "niveau": "substantieel"}


class ImportEffect(StrEnum):
    """The effect of a line: something new, a change, nothing, or a refusal."""

    NEW = "nieuw"
    CHANGED = "gewijzigd"
    UNCHANGED = "ongewijzigd"
    REFUSED = "geweigerd"


@dataclass(frozen=True, slots=True)
class OrganisationLine:
    """An organisation that asks for recognition."""

    registration: OrganisationRegistration
    request: RecognitionProposal


@dataclass(frozen=True, slots=True)
class AdministratorLine:
    """An employee of the organisation with these numbers."""

    numbers: OrganisationNumbers
    invitation: EmployeeInvitation


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """The effect of one line, with words about it. `organisation_id`: of a change, and of an administrator."""

    number: int
    name: str
    effect: ImportEffect
    message: Message | None = None
    content: OrganisationLine | AdministratorLine | None = None
    organisation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The effect of every line. `digest` is that of what is shown: another world gives another digest."""

    lines: Sequence[PlannedLine]
    digest: str

    def count(self, effect: ImportEffect) -> int:
        """Return the number of lines with this effect."""
        return sum(line.effect is effect for line in self.lines)

    @property
    def has_work(self) -> bool:
        """True if a line would change something."""
        return any(line.effect in (ImportEffect.NEW, ImportEffect.CHANGED) for line in self.lines)


def build_plan(lines: Sequence[PlannedLine]) -> ImportPlan:
    """Build the plan of these lines with its digest."""
    shown = [
        (one.number, one.name, one.effect.value, one.message.key if one.message else "", repr(one.content))
        for one in lines
    ]
    return ImportPlan(lines, hashlib.sha256(json.dumps(shown).encode()).hexdigest())


def parse_organisation_line(line: CsvLine) -> OrganisationLine:
    """Parse a line of organisations. Raises InvalidInput with the code of its first fault."""
    values = {**line.values, **{name: line.values.get(name) or usual for name, usual in _DEFAULTS.items()}}
    if values["soort"] not in set(OrganisationKind):
        raise InvalidInput("organisatiesoort_onbekend")
    if values["gevoeligheid"] not in set(Sensitivity) or values["niveau"] not in set(Assurance):
        raise InvalidInput("plafond_onbekend")
    if not _DAYS.fullmatch(values["dagen"]):
        raise InvalidInput("plafond_duur_ongeldig", params={"days": LONGEST_CEILING_DAYS})
    level = Assurance(values["niveau"])
    ceiling = Ceiling(sensitivity=Sensitivity(values["gevoeligheid"]), days=int(values["dagen"]), minimum_level=level)
    numbers = _parse_numbers(values, ("kvk", "vestiging", "rsin", "oin"))
    kind = OrganisationKind(values["soort"])
    registration = OrganisationRegistration(numbers, values["naam"], kind, ceiling)
    reference = values.get("besluitkenmerk", "")
    return OrganisationLine(registration, RecognitionProposal(RecognitionStatus.REQUESTED, values["grond"], reference))


def parse_administrator_line(line: CsvLine, broker_issuer: str) -> AdministratorLine:
    """Parse a line of administrators. Raises InvalidInput with the code of its first fault."""
    values = line.values
    numbers = _parse_numbers(values, ("kvk", "vestiging"))
    roles = parse_roles(values["rollen"].replace(",", " ").replace("|", " ").split())
    return AdministratorLine(numbers, EmployeeInvitation(broker_issuer, values["inlogkenmerk"], values["naam"], roles))


def _parse_numbers(values: Mapping[str, str], names: Sequence[str]) -> OrganisationNumbers:
    return OrganisationNumbers(**{name: values.get(name, "").replace(" ", "") or None for name in names})
