"""Questions, machtigingen and actors for tests of access: valid and allowed unless a test changes something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

from machtiging.access.actor import Actor
from machtiging.access.policy_request import PolicyRequest
from machtiging.access.verdict import AccessTarget
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, BerichtEnvelope, Capacity, Machtiging, MachtigingScope, MachtigingState
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import BerichtId, MachtigingId, PersonId, uuid7
from machtiging.kernel.period import Period

POLICIES = Path(__file__).parents[2] / "policies"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KVK = "90000001"
CITIZEN, HELPER, STRANGER = (PersonId(UUID(int=number)) for number in (101, 102, 103))
AFZENDER, DIENST = "00000099000000000001", "toeslagen"


def a_question(**changes: Any) -> PolicyRequest:
    """A relative reads an ordinary letter, everything in order."""
    return replace(
        PolicyRequest(
            Capacity.RELATIVE,
            Act.READ,
            Theme.TOESLAGEN,
            Sensitivity.GEWOON,
            Assurance.SUBSTANTIAL,
            in_force=True,
            covered=True,
            act_given=True,
            chain_complete=True,
        ),
        **changes,
    )


def questions_in_order() -> Iterator[PolicyRequest]:
    """Every question of which all facts hold."""
    for words in product(Capacity, Act, Theme, Sensitivity, Assurance):
        yield PolicyRequest(*words, in_force=True, covered=True, act_given=True, chain_complete=True)


def a_scope(**changes: Any) -> MachtigingScope:
    """Everything gewoon and gevoelig since the first of January: list, read and download."""
    return replace(
        MachtigingScope(
            afzenders=None,
            diensten=None,
            themes=None,
            excluded_themes=frozenset(),
            highest_sensitivity=Sensitivity.GEVOELIG,
            letters_from=date(2026, 1, 1),
            acts=frozenset({Act.LIST, Act.READ, Act.DOWNLOAD}),
        ),
        **changes,
    )


def an_active_machtiging(**changes: Any) -> Machtiging:
    """From CITIZEN to HELPER, active since yesterday for ninety days. A professional's is accepted for KVK."""
    if changes.get("capacity") is Capacity.PROFESSIONAL:
        changes = {"gemachtigde_kvk": KVK} | changes
    return replace(
        Machtiging(
            id=MachtigingId(uuid7()),
            vertegenwoordigde_id=CITIZEN,
            gemachtigde_id=HELPER,
            gemachtigde_kvk=None,
            parent_id=None,
            capacity=Capacity.RELATIVE,
            purpose="post bijhouden",
            legal_ground="Awb 2:1",
            state=MachtigingState.ACTIVE,
            scope=a_scope(),
            assurance=Assurance.SUBSTANTIAL,
            accepted_assurance=Assurance.SUBSTANTIAL,
            period=Period(NOON - timedelta(days=1), NOON + timedelta(days=89)),
            ended_at=None,
            end_reason=None,
            offered_at=NOON - timedelta(days=2),
            accepted_at=NOON - timedelta(days=1),
        ),
        **changes,
    )


def an_actor(machtiging: Machtiging | None = None, **changes: Any) -> Actor:
    """HELPER under the machtiging, with an app that may do everything; without one, CITIZEN in the own box."""
    own = machtiging is None
    return replace(
        Actor(
            person_id=CITIZEN if own else HELPER,
            machtiging=machtiging,
            assurance=Assurance.SUBSTANTIAL,
            acts=frozenset(Act),
            client_id="leesapp",
            token_id=None,
            organisation_kvk=None if machtiging is None else machtiging.gemachtigde_kvk,
        ),
        **changes,
    )


def an_envelope(**changes: Any) -> BerichtEnvelope:
    """A letter about toeslagen of last month."""
    return replace(
        BerichtEnvelope(AFZENDER, DIENST, Theme.TOESLAGEN, Sensitivity.GEWOON, NOON - timedelta(days=30)),
        **changes,
    )


def a_target(envelope: BerichtEnvelope | None = None, *, of: PersonId | None = CITIZEN) -> AccessTarget:
    """CITIZEN's letter with this envelope."""
    bericht_id = BerichtId(uuid7())
    return AccessTarget("bericht", str(bericht_id), bericht_id, of, envelope or an_envelope())


def no_target() -> AccessTarget:
    """A message that is not there."""
    return AccessTarget("bericht", str(uuid7()), None, None, None)
