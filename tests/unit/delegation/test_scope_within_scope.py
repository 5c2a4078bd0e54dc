"""Scopes within scopes, and their intersection."""

import pytest
from hypothesis import given

from machtiging.agencies.rules import Theme
from machtiging.delegation.chain import intersect_scopes, is_scope_within
from machtiging.delegation.rules import Act, scope_violation
from tests.builders.machtiging import SVB, UWV, draw_envelopes, draw_scopes, make_scope


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


@given(draw_scopes(), draw_scopes(), draw_envelopes())
def test_intersection_covers_exactly_what_both_scopes_cover(one, other, letter):
    both = intersect_scopes(one, other)
    covered = scope_violation(one, letter) is None and scope_violation(other, letter) is None
    assert (scope_violation(both, letter) is None) is covered
    assert both.acts == one.acts & other.acts
    assert is_scope_within(both, one)
    assert is_scope_within(both, other)
