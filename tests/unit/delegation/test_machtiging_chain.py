"""A child machtiging never exceeds and never outlives its parent."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.agencies.rules import Theme
from machtiging.delegation.chain import MAX_CHAIN_LENGTH, is_chain_in_force, is_scope_within
from machtiging.delegation.rules import Act, MachtigingState, scope_violation
from machtiging.kernel.period import Period
from tests.builders.keys import NOON
from tests.builders.machtiging import SVB, UWV, draw_envelopes, draw_scopes, make_machtiging, make_scope


@given(draw_scopes(), draw_scopes(), draw_envelopes())
def test_narrower_scope_covers_only_what_the_wider_covers(child, parent, letter):
    if is_scope_within(child, parent) and scope_violation(child, letter) is None:
        assert scope_violation(parent, letter) is None


@given(draw_scopes())
def test_scope_is_within_itself(scope):
    assert is_scope_within(scope, scope)


@given(draw_scopes(), draw_scopes(), draw_scopes())
def test_scope_within_is_transitive(first, second, third):
    if is_scope_within(first, second) and is_scope_within(second, third):
        assert is_scope_within(first, third)


@given(draw_scopes(), draw_scopes())
def test_narrower_scope_adds_no_act(child, parent):
    assert not is_scope_within(child, parent) or child.acts <= parent.acts


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ({}, {"afzenders": frozenset({UWV})}),
        ({"afzenders": frozenset({UWV, SVB})}, {"afzenders": frozenset({UWV})}),
        ({}, {"diensten": frozenset({f"{UWV}/ww-uitkering"})}),
        ({}, {"excluded_themes": frozenset({Theme.ZORG})}),
        ({}, {"themes": frozenset({Theme.WONEN})}),
        ({}, {"acts": frozenset({Act.LIST})}),
    ],
)
def test_wider_scope_is_not_within_narrower(child, parent):
    assert not is_scope_within(make_scope(**child), make_scope(**parent))


def test_included_themes_satisfy_excluded_themes():
    assert is_scope_within(
        make_scope(themes=frozenset({Theme.WONEN})), make_scope(excluded_themes=frozenset({Theme.ZORG, Theme.JUSTITIE}))
    )


def make_machtiging_chain(length=2):
    """A chain of active machtigingen for one person, the furthest child first."""
    top = make_machtiging()
    line = [top]
    while len(line) < length:
        line.insert(0, replace(line[0], id=uuid4(), parent_id=line[0].id, gemachtigde_id=uuid4()))
    return line


@pytest.mark.parametrize("length", range(1, MAX_CHAIN_LENGTH + 1))
def test_complete_chain_is_in_force(length):
    child, *parents = make_machtiging_chain(length)
    assert is_chain_in_force(child, parents, NOON)


def test_chain_over_longest_length_is_not_in_force():
    child, *parents = make_machtiging_chain(MAX_CHAIN_LENGTH + 1)
    assert not is_chain_in_force(child, parents, NOON)


@pytest.mark.parametrize("state", [MachtigingState.OFFERED, MachtigingState.PAUSED, MachtigingState.ENDED])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_chain_with_inactive_link_is_not_in_force(which, state):
    line = make_machtiging_chain(3)
    line[which] = replace(line[which], state=state)
    assert not is_chain_in_force(line[0], line[1:], NOON)


@pytest.mark.parametrize(
    "broken",
    [
        {"parent_id": None},
        {"parent_id": uuid4()},
        {"vertegenwoordigde_id": uuid4()},
        {"period": Period(NOON, NOON + timedelta(days=91))},
    ],
)
def test_child_inconsistent_with_parent_is_not_in_force(broken):
    child, parent = make_machtiging_chain(2)
    assert not is_chain_in_force(replace(child, **broken), [parent], NOON)


def test_child_exceeding_parent_scope_is_not_in_force():
    child, parent = make_machtiging_chain(2)
    narrow = replace(parent, scope=make_scope(afzenders=frozenset({UWV})))
    assert not is_chain_in_force(child, [narrow], NOON)


def test_chain_with_missing_or_reordered_parents_is_not_in_force():
    child, parent, grandparent = make_machtiging_chain(3)
    assert not is_chain_in_force(child, [], NOON)
    assert not is_chain_in_force(child, [parent], NOON)
    assert not is_chain_in_force(child, [grandparent, parent], NOON)


@given(st.timedeltas(timedelta(days=-2), timedelta(days=200)))
def test_child_is_not_in_force_when_parent_is_not(after):
    child, parent = make_machtiging_chain(2)
    later = replace(child, period=Period(NOON, NOON + timedelta(days=60)))
    if is_chain_in_force(later, [parent], NOON + after):
        assert is_chain_in_force(parent, [], NOON + after)
