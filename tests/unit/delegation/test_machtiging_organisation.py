"""A machtiging is usable only by its holder, for the organisation of its acceptance."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.delegation.rules import (
    NOT_THE_HOLDER,
    NOT_USABLE,
    OTHER_ORGANISATION,
    Capacity,
    EffectiveState,
    effective_state,
    holder_refusal,
    is_usable,
    unusable_reason,
)
from machtiging.kernel.ids import PersonId
from tests.builders.keys import NOON
from tests.builders.machtiging import draw_instants, make_machtiging

HELPER, STRANGER = PersonId(uuid4()), PersonId(uuid4())
KVKS = ["90000001", "90000002", None]
IN_FORCE, OVER = NOON, NOON + timedelta(days=400)


def machtiging_of_helper(**changes):
    return make_machtiging(gemachtigde_id=HELPER, **changes)


@given(
    capacity=st.sampled_from([c for c in Capacity if c is not Capacity.SELF]),
    accepted_for=st.sampled_from(KVKS),
    used_for=st.sampled_from(KVKS),
    person=st.sampled_from([HELPER, STRANGER]),
    at=draw_instants(NOON - timedelta(days=2), timedelta(days=100)),
)
def test_machtiging_is_usable_only_by_its_holder_for_its_organisation(capacity, accepted_for, used_for, person, at):
    machtiging = machtiging_of_helper(capacity=capacity, gemachtigde_kvk=accepted_for)
    nameless = capacity is Capacity.PROFESSIONAL and accepted_for is None
    in_force = effective_state(machtiging, at) is EffectiveState.IN_FORCE
    wanted = in_force and person == HELPER and accepted_for == used_for and not nameless
    assert is_usable(machtiging, person, used_for, at) == wanted


@pytest.mark.parametrize(
    ("accepted_for", "used_for"),
    [("90000001", "90000002"), ("90000001", None), (None, "90000001"), ("90000001", "")],
)
def test_holder_for_another_organisation_is_refused(accepted_for, used_for):
    machtiging = machtiging_of_helper(gemachtigde_kvk=accepted_for)
    assert holder_refusal(machtiging, HELPER, used_for) == OTHER_ORGANISATION
    assert unusable_reason(machtiging, used_for, IN_FORCE) == OTHER_ORGANISATION
    assert unusable_reason(machtiging, used_for, OVER) == NOT_USABLE


def test_professional_machtiging_without_organisation_is_refused():
    machtiging = machtiging_of_helper(capacity=Capacity.PROFESSIONAL, gemachtigde_kvk=None)
    assert holder_refusal(machtiging, HELPER, None) == OTHER_ORGANISATION


def test_another_person_is_refused_for_any_organisation():
    for used_for in KVKS:
        assert holder_refusal(machtiging_of_helper(), STRANGER, used_for) == NOT_THE_HOLDER


def test_missing_machtiging_is_not_usable():
    assert unusable_reason(None, None, IN_FORCE) == NOT_USABLE
