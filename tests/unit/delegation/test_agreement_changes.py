"""A narrowing never gives more than before; an extension never changes the scope."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.amendments.rules import (
    Narrowing,
    extend_period,
    narrow_period,
    narrow_scope,
    require_extendable,
    require_something_left,
)
from machtiging.delegation.rules import Act, MachtigingState, scope_violation
from machtiging.kernel.clock import end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput
from machtiging.kernel.period import Period
from tests.builders.keys import NOON
from tests.builders.machtiging import (
    MACHTIGING_LIMITS,
    SVB,
    UWV,
    draw_envelopes,
    draw_scopes,
    make_machtiging,
    make_scope,
)

TODAY = to_dutch_date(NOON)
PERIOD = Period(NOON, end_of_day(TODAY + timedelta(days=90)))

narrowings = st.builds(
    Narrowing,
    last_day=st.none() | st.dates(TODAY - timedelta(days=5), TODAY + timedelta(days=200)),
    afzenders=st.none() | st.frozensets(st.sampled_from([UWV, SVB])),
    excluded_themes=st.frozensets(st.sampled_from([Theme.ZORG, Theme.INKOMEN, Theme.WONEN])),
    highest_sensitivity=st.sampled_from(Sensitivity),
    letters_from=st.dates(date(2026, 1, 1), date(2026, 1, 5)),
    acts=st.frozensets(st.sampled_from([Act.LIST, Act.READ, Act.DOWNLOAD])),
)


@given(draw_scopes(), narrowings, draw_envelopes())
def test_narrowed_scope_covers_no_letter_that_the_scope_did_not(scope, narrowing, envelope):
    narrowed = narrow_scope(scope, narrowing)
    if scope_violation(narrowed, envelope) is None:
        assert scope_violation(scope, envelope) is None
    assert narrowed.acts <= scope.acts


@given(draw_scopes(), narrowings)
def test_narrowing_twice_is_the_same_as_once(scope, narrowing):
    once = narrow_scope(scope, narrowing)
    assert narrow_scope(once, narrowing) == once


@given(narrowings)
def test_narrowed_period_lies_within_the_period(narrowing):
    try:
        narrowed = narrow_period(PERIOD, narrowing.last_day, NOON)
    except InvalidInput:
        assume(False)
    assert narrowed.starts_at == PERIOD.starts_at
    assert NOON < narrowed.ends_at <= PERIOD.ends_at


def test_narrowing_that_takes_nothing_away_changes_nothing():
    scope = make_scope(afzenders=frozenset({UWV}))
    assert narrow_scope(scope, Narrowing()) == scope
    assert narrow_period(PERIOD, None, NOON) is PERIOD


def test_narrowed_period_before_today_is_refused():
    with pytest.raises(InvalidInput, match="einddatum_te_vroeg"):
        narrow_period(PERIOD, TODAY - timedelta(days=1), NOON)


@pytest.mark.parametrize(
    "scope",
    [
        make_scope(afzenders=frozenset()),
        make_scope(excluded_themes=frozenset(Theme)),
        make_scope(diensten=frozenset()),
        make_scope(letters_from=TODAY + timedelta(days=91)),
    ],
)
def test_scope_that_covers_nothing_is_refused(scope):
    with pytest.raises(InvalidInput, match="niets_over"):
        require_something_left(scope, PERIOD)


@given(st.dates(TODAY - timedelta(days=400), TODAY + timedelta(days=800)))
def test_extended_period_is_never_shorter_nor_longer_than_the_longest_term(last_day):
    try:
        extended = extend_period(PERIOD, last_day, MACHTIGING_LIMITS, NOON)
    except InvalidInput as refusal:
        assert refusal.code == "periode_te_lang"  # noqa: PT017
        assert last_day > MACHTIGING_LIMITS.latest_end_date(TODAY)
        return
    assert extended.last_day == max(last_day, PERIOD.last_day)
    assert extended.last_day <= MACHTIGING_LIMITS.latest_end_date(TODAY)
    assert extended.contains(NOON)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": MachtigingState.ENDED}, "machtiging_beeindigd"),
        ({"state": MachtigingState.OFFERED}, "machtiging_kan_dit_niet"),
        ({"needs_confirmation": True}, "machtiging_kan_dit_niet"),
        ({"stopped_at": NOON}, "noodstop"),
        ({"period": Period(NOON - timedelta(days=2), NOON)}, "machtiging_verlopen"),
    ],
)
def test_extension_of_machtiging_that_is_not_running_is_refused(changes, code):
    with pytest.raises(Conflict, match=code):
        require_extendable(replace(make_machtiging(), **changes), NOON)


def test_extension_of_paused_machtiging_is_allowed():
    require_extendable(make_machtiging(state=MachtigingState.PAUSED), NOON)
