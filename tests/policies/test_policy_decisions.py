"""Policy decisions over the whole question space, compared with stock pycasbin and Cedar."""

import random
from collections import Counter
from dataclasses import replace

import casbin
import cedarpy
import pytest
from casbin.model import Model

from machtiging.access.policy_decision import NO_MATCHING_POLICY_ROW, PolicyAllowed, PolicyDenied
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import COLUMN_ENUMS, read_casbin_model, read_policy_rows
from machtiging.access.policy_request import FACT_FIELDS, iterate_policy_requests
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from tests.builders.applications import POLICIES
from tests.policies.policy_requests import list_requests_in_order, make_policy_request

COURT_APPOINTED = (Capacity.CURATOR, Capacity.BEWINDVOERDER, Capacity.MENTOR)


@pytest.fixture(scope="module")
def policy_requests():
    return list(iterate_policy_requests())


@pytest.fixture(scope="module", params=["a sample", pytest.param("every question", marks=pytest.mark.whole)])
def decisions(request, shipped_policy, policy_requests):
    """Decisions on all questions with true facts, and on a sample of a thousand others. Or on every question."""
    asked = policy_requests
    if request.param == "a sample":
        asked = dict.fromkeys([*list_requests_in_order(), *random.Random(6).sample(policy_requests, 1000)])
    return {question: shipped_policy.decide(question) for question in asked}


def some_of(decisions, policy_requests):
    """A thousand of a sample, or all of the whole space."""
    return decisions if len(decisions) == len(policy_requests) else random.Random(7).sample(list(decisions), 1000)


def allowed(decisions):
    return [question for question, answer in decisions.items() if isinstance(answer, PolicyAllowed)]


def test_question_space_has_the_expected_size(policy_requests, decisions):
    assert len(policy_requests) == 10 * 5 * 12 * 3 * 3 * 2**4
    assert 0 < len(allowed(decisions)) < len(policy_requests) / 40


@pytest.mark.parametrize("fact", FACT_FIELDS)
def test_question_with_a_false_fact_is_refused(decisions, fact):
    assert [question for question in allowed(decisions) if not getattr(question, fact)] == []


def test_marking_and_deleting_by_gemachtigde_is_refused(decisions):
    doing = {q.act for q in allowed(decisions) if q.capacity is not Capacity.SELF}
    assert doing == {Act.LIST, Act.READ, Act.DOWNLOAD}


def test_citizen_in_own_box_is_allowed_every_act(decisions):
    own = [q for q in allowed(decisions) if q.capacity is Capacity.SELF]
    assert len(own) == len(Act) * len(Theme) * len(Sensitivity) * len(Assurance)


def test_sensitive_bericht_at_low_assurance_is_for_the_citizen_only(decisions):
    low = [q for q in allowed(decisions) if q.level is Assurance.LOW and q.sensitivity is not Sensitivity.GEWOON]
    assert {q.capacity for q in low} == {Capacity.SELF}


def test_vertrouwelijk_bericht_is_for_citizen_court_appointed_and_director_at_high_assurance(decisions):
    found = {(q.capacity, q.level) for q in allowed(decisions) if q.sensitivity is Sensitivity.VERTROUWELIJK}
    others = {(capacity, level) for capacity, level in found if capacity is not Capacity.SELF}
    assert others == {(c, Assurance.HIGH) for c in (*COURT_APPOINTED, Capacity.DIRECTOR)}


def test_bewindvoerder_and_mentor_are_limited_to_their_themes(decisions):
    themes = {c: {q.theme for q in allowed(decisions) if q.capacity is c} for c in Capacity}
    money = {Theme.BELASTINGEN, Theme.TOESLAGEN, Theme.INKOMEN, Theme.PENSIOEN}
    assert themes[Capacity.BEWINDVOERDER] == money | {Theme.WONEN, Theme.GEMEENTE, Theme.JUSTITIE}
    assert themes[Capacity.MENTOR] == {Theme.ZORG, Theme.WONEN, Theme.GEZIN}
    assert themes[Capacity.CURATOR] == themes[Capacity.DIRECTOR] == set(Theme)


def test_list_and_read_are_allowed_together(decisions):
    # The list shows exactly what may be read; `verdict` also leans on this when it looks for the reason of a refusal.
    listed = {replace(q, act=Act.READ) for q in allowed(decisions) if q.act is Act.LIST}
    assert listed == {q for q in allowed(decisions) if q.act is Act.READ}


def test_higher_assurance_never_allows_less(decisions):
    yes = set(allowed(decisions))
    for question in yes:
        for level in Assurance:
            assert not level.is_at_least(question.level) or replace(question, level=level) in yes


def test_decision_names_its_row_or_reason(shipped_policy, decisions):
    rows = {row.id: row for row in shipped_policy.rows}
    for answer in decisions.values():
        if isinstance(answer, PolicyAllowed):
            assert rows[answer.policy_row_id].eft == "allow"
        elif answer.policy_row_id is None:
            assert answer.reason == NO_MATCHING_POLICY_ROW
        else:
            assert (rows[answer.policy_row_id].eft, answer.reason) == ("deny", "beleid_verbiedt")


def test_every_policy_row_is_used(shipped_policy, decisions):
    """Every row decides at least one question."""
    used = Counter(answer.policy_row_id for answer in decisions.values())
    assert {row.id for row in shipped_policy.rows} - set(used) == set()


def test_added_deny_row_refuses_exactly_its_questions(shipped_policy, decisions):
    model, rows = read_casbin_model(POLICIES), read_policy_rows(POLICIES)
    ban = replace(rows[0], id="aaa-proef", eft="deny", **{name: frozenset(COLUMN_ENUMS[name]) for name in COLUMN_ENUMS})
    ban = replace(ban, theme=frozenset({Theme.WONEN.value}))
    for order in ([ban, *rows], [*rows, ban]):
        stricter = Policy(model, order)
        for question in allowed(decisions):
            expected = PolicyDenied if question.theme is Theme.WONEN else PolicyAllowed
            assert isinstance(stricter.decide(question), expected)


def _stock(rows):
    model = Model()
    model.load_model_from_text(read_casbin_model(POLICIES))
    model["p"]["p"].policy = [[row.id, *(row.column_values(name) for name in COLUMN_ENUMS), row.eft] for row in rows]
    return casbin.Enforcer(model)


@pytest.mark.parametrize(
    ("seed", "many"), [(1, 400), *(pytest.param(n, 1200, marks=pytest.mark.whole) for n in (2, 3))]
)
def test_stock_casbin_gives_the_same_decisions(shipped_policy, decisions, seed, many):
    # Our engine sorts and groups the rows and parses once; stock Casbin does not.
    rows, dice = list(shipped_policy.rows), random.Random(seed)
    dice.shuffle(rows)
    stock = _stock(rows)
    for question in dice.sample(list(list_requests_in_order()), many) + dice.sample(list(decisions), many // 4):
        assert stock.enforce(*question.casbin_values()) == isinstance(decisions[question], PolicyAllowed)


def test_row_order_changes_no_decision(shipped_policy, policy_requests, decisions):
    rows = list(shipped_policy.rows)
    random.Random(4).shuffle(rows)
    other = Policy(read_casbin_model(POLICIES), rows)
    assert other.digest == shipped_policy.digest
    for question in some_of(decisions, policy_requests):
        assert type(other.decide(question)) is type(decisions[question])


def _cedar_policies(rows):
    for row in rows:
        told = [
            f"{_cedar_set(row.capacity, 'Capacity::')}.contains(principal)",
            f"{_cedar_set(row.act, 'Action::')}.contains(action)",
            f"{_cedar_set(row.theme, 'Theme::')}.contains(resource)",
            f"{_cedar_set(row.sensitivity)}.contains(context.sensitivity)",
            f"{_cedar_set(row.level)}.contains(context.level)",
        ]
        effect = {"allow": "permit", "deny": "forbid"}[row.eft]
        when = " && ".join([f'context.facts == "{"ja" * len(FACT_FIELDS)}"', *told])
        yield f'@id("{row.id}") {effect}(principal, action, resource) when {{ {when} }};'


def _cedar_set(words, kind=""):
    return "[" + ", ".join(f'{kind}"{word}"' for word in sorted(words)) + "]"


def _cedar_request(question):
    facts = "".join("ja" if getattr(question, fact) else "nee" for fact in FACT_FIELDS)
    return {
        "principal": {"type": "Capacity", "id": question.capacity.value},
        "action": {"type": "Action", "id": question.act.value},
        "resource": {"type": "Theme", "id": question.theme.value},
        "context": {"sensitivity": question.sensitivity.value, "level": question.level.value, "facts": facts},
    }


def test_cedar_gives_the_same_decisions(shipped_policy, policy_requests, decisions):
    policies = cedarpy.PolicySet.from_str("\n".join(_cedar_policies(shipped_policy.rows)))
    asked = some_of(decisions, policy_requests)
    requests = [_cedar_request(question) for question in asked]
    results = cedarpy.is_authorized_batch(requests, policies, cedarpy.Entities.from_json_str("[]"))
    differing = [
        question
        for question, result in zip(asked, results, strict=True)
        if result.allowed != isinstance(decisions[question], PolicyAllowed)
    ]
    assert differing == []


def test_cached_decision_equals_fresh_decision(shipped_policy, decisions):
    """A cached decision equals a fresh one, in any order of questions."""
    fresh = Policy.load(POLICIES)
    assert fresh is not shipped_policy
    sample = random.Random(5).sample(list(decisions), 2000)
    for question in [*sample, *reversed(sample)]:
        assert fresh.decide(question) == decisions[question] == shipped_policy.decide(question)


def test_decision_cache_is_not_shared_between_policies():
    model, rows = read_casbin_model(POLICIES), read_policy_rows(POLICIES)
    question = make_policy_request()
    wide = Policy(model, rows)
    narrow = Policy(model, [row for row in rows if row.id == "eigen-box"])
    assert isinstance(wide.decide(question), PolicyAllowed)
    assert narrow.decide(question) == PolicyDenied(None, NO_MATCHING_POLICY_ROW)
    assert wide.digest != narrow.digest
