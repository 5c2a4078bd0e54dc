"""The scenarios in policies/scenarios: all pass with the policy, and a changed policy fails them."""

from dataclasses import replace

import pytest

from machtiging.access.policy_decision import PolicyAllowed
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import read_casbin_model, read_policy_rows
from machtiging.access.policy_report import build_policy_table, check_scenarios, explain_decision, read_scenarios
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Fault
from tests.builders.applications import POLICIES
from tests.policies.policy_requests import list_requests_in_order, make_policy_request

STORIES = read_scenarios(POLICIES / "scenarios")


@pytest.fixture(scope="module")
def scenario_results(shipped_policy):
    return list(check_scenarios(shipped_policy, STORIES))


@pytest.mark.parametrize("told", STORIES, ids=[told.story for told in STORIES])
def test_scenario_has_the_expected_decisions(scenario_results, told):
    (row,) = [row for row in scenario_results if row.story == told.story]
    assert row.problems == ()


def test_scenarios_cover_every_capacity_with_more_refusals_than_permissions():
    assert len(STORIES) >= 25
    assert len({told.story for told in STORIES}) == len(STORIES)
    assert {told.policy_request.capacity for told in STORIES} == set(Capacity)
    yes = sum(len(told.allowed_acts) + len(told.allowed_capacities) for told in STORIES)
    assert yes < len(STORIES) * (len(Act) + len(Capacity)) - yes


@pytest.mark.parametrize("dropped", [row.id for row in read_policy_rows(POLICIES) if row.eft == "allow"])
def test_removed_allow_row_fails_a_scenario(dropped):
    rows = [row for row in read_policy_rows(POLICIES) if row.id != dropped]
    assert any(row.problems for row in check_scenarios(Policy(read_casbin_model(POLICIES), rows), STORIES))


def test_changed_deny_row_fails_a_scenario():
    rows = [replace(row, eft="allow") if row.id == "nooit-wijzigen" else row for row in read_policy_rows(POLICIES)]
    bent = [row for row in check_scenarios(Policy(read_casbin_model(POLICIES), rows), STORIES) if row.problems]
    assert any("mag: 'verwijderen' mag volgens het beleid wel" in row.problems for row in bent)


VALID_SCENARIO = """
- verhaal: v
  brief: {hoedanigheid: self, thema: zorg, gevoeligheid: gewoon, niveau: laag}
  mag: [lijst, lezen, downloaden, markeren, verwijderen]
  mag_niet: []
  wie: [self, relative, parent]
  wie_niet: [professional, curator, bewindvoerder, mentor, parent_12, parent_16, bestuurder]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("thema: zorg", "thema: auto"),
        ("niveau: laag", "niveau: middel"),
        ("verhaal: v", "titel: v"),
        ("verwijderen]", "weggooien]"),
        (", verwijderen]", "]"),
        ("mag_niet: []", "mag_niet: [lezen]"),
        ("wie: [self, ", "wie: ["),
        ("  mag_niet: []", "  feiten: {geldt: misschien}\n  mag_niet: []"),
        ("  mag_niet: []", "  feiten: {klopt: ja}\n  mag_niet: []"),
        ("mag_niet: []", "mag_niet: {"),
        (VALID_SCENARIO, "verhaal: v"),
        (VALID_SCENARIO, ""),
        ("brief: {", "brief: ["),
    ],
)
def test_malformed_scenario_is_a_fault_with_file(shipped_policy, tmp_path, old, new):
    (tmp_path / "proef.yaml").write_text(VALID_SCENARIO)
    assert [row.problems for row in check_scenarios(shipped_policy, read_scenarios(tmp_path))] == [()]
    (tmp_path / "proef.yaml").write_text(VALID_SCENARIO.replace(old, new))
    with pytest.raises(Fault) as fault:
        read_scenarios(tmp_path)
    assert fault.value.code == "scenario_onleesbaar"
    assert "proef.yaml" in fault.value.private


def test_missing_scenarios_are_a_fault(tmp_path):
    with pytest.raises(Fault, match="scenario_onleesbaar"):
        read_scenarios(tmp_path)


def test_policy_table_shows_exactly_the_allowed_questions(shipped_policy):
    shown = {
        (row.capacity, act, theme, row.sensitivity, level)
        for row in build_policy_table(shipped_policy)
        for act in row.acts
        for theme in row.themes
        for level in row.levels
    }
    yes = [q for q in list_requests_in_order() if isinstance(shipped_policy.decide(q), PolicyAllowed)]
    assert shown == {(q.capacity, q.act, q.theme, q.sensitivity, q.level) for q in yes}


def test_explain_shows_matching_rows_and_missing_facts(shipped_policy):
    told = explain_decision(shipped_policy, make_policy_request(capacity=Capacity.PARENT, level=Assurance.LOW))
    assert [row[0] for row in told.rows] == ["ouder-gewoon"]
    told = explain_decision(shipped_policy, make_policy_request(act=Act.DELETE, in_force=False))
    assert told.missing_facts == ("in_force",)
    assert [(id_, eft) for id_, eft, _ in told.rows] == [("nooit-wijzigen", "deny")]
    assert not isinstance(told.decision, PolicyAllowed)
