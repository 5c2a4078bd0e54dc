"""The intersection of two scopes."""

from hypothesis import given

from machtiging.delegation.authority.chain import intersect_scopes
from machtiging.delegation.rules import scope_violation
from tests.builders.machtiging import draw_envelopes, draw_scopes


@given(draw_scopes(), draw_scopes(), draw_envelopes())
def test_intersection_covers_exactly_what_both_scopes_cover(one, other, letter):
    both = intersect_scopes(one, other)
    covered = scope_violation(one, letter) is None and scope_violation(other, letter) is None
    assert (scope_violation(both, letter) is None) is covered
    assert both.acts == one.acts & other.acts


@given(draw_scopes())
def test_intersection_with_itself_is_the_scope(scope):
    assert intersect_scopes(scope, scope) == scope


@given(draw_scopes(), draw_scopes(), draw_scopes())
def test_intersection_is_the_same_in_every_order(first, second, third):
    assert intersect_scopes(first, second) == intersect_scopes(second, first)
    assert intersect_scopes(intersect_scopes(first, second), third) == intersect_scopes(
        first, intersect_scopes(second, third)
    )
