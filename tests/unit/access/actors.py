"""Actors, machtigingen and targets for tests of access: allowed unless a test changes something."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from machtiging.access.actor import Actor
from machtiging.access.verdict import AccessTarget
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, BerichtEnvelope, Capacity, Machtiging, MachtigingScope
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import BerichtId, PersonId, uuid7
from machtiging.kernel.period import Period
from tests.builders.keys import NOON
from tests.builders.machtiging import make_authority, make_machtiging, make_scope

KVK = "90000001"
CITIZEN, HELPER, STRANGER = (PersonId(UUID(int=number)) for number in (101, 102, 103))
AFZENDER, DIENST = "00000099000000000001", "toeslagen"


def make_narrow_scope(**changes: Any) -> MachtigingScope:
    """Everything gewoon and gevoelig since the first of January: list, read and download."""
    return make_scope(**{"highest_sensitivity": Sensitivity.GEVOELIG, "letters_from": date(2026, 1, 1)} | changes)


def make_active_machtiging(**changes: Any) -> Machtiging:
    """From CITIZEN to HELPER, active since yesterday for ninety days."""
    held = {
        "vertegenwoordigde_id": CITIZEN,
        "gemachtigde_id": HELPER,
        "scope": make_narrow_scope(),
        "period": Period(NOON - timedelta(days=1), NOON + timedelta(days=89)),
        "offered_at": NOON - timedelta(days=2),
        "accepted_at": NOON - timedelta(days=1),
    }
    return make_machtiging(**held | changes)


def make_actor(machtiging: Machtiging | None = None, kvk: str | None = None, **changes: Any) -> Actor:
    """HELPER under the machtiging, with an app that may do everything. Without one, CITIZEN in the own box.

    A professional's is accepted for KVK and assigned to HELPER, unless `kvk` says otherwise.
    """
    own = machtiging is None
    if machtiging is not None and machtiging.capacity is Capacity.PROFESSIONAL:
        kvk = kvk or KVK
    return replace(
        Actor(
            person_id=CITIZEN if own else HELPER,
            authority=None if machtiging is None else make_authority(machtiging, kvk),
            assurance=Assurance.SUBSTANTIAL,
            acts=frozenset(Act),
            client_id="leesapp",
            token_id=None,
            organisation_kvk=kvk,
        ),
        **changes,
    )


def make_old_envelope(**changes: Any) -> BerichtEnvelope:
    """A letter about toeslagen of last month."""
    return replace(
        BerichtEnvelope(AFZENDER, DIENST, Theme.TOESLAGEN, Sensitivity.GEWOON, NOON - timedelta(days=30)),
        **changes,
    )


def make_target(envelope: BerichtEnvelope | None = None, *, of: PersonId | None = CITIZEN) -> AccessTarget:
    """CITIZEN's letter with this envelope."""
    bericht_id = BerichtId(uuid7())
    return AccessTarget("bericht", str(bericht_id), bericht_id, of, envelope or make_old_envelope())


def make_absent_target() -> AccessTarget:
    """A message that is not there."""
    return AccessTarget("bericht", str(uuid7()), None, None, None)
