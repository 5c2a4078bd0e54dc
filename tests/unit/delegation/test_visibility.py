"""Level and visibility: who may see the other party and the terms of a machtiging. Pure."""

from dataclasses import replace

import pytest

from machtiging.delegation.rules import (
    NOT_THE_HOLDER,
    NOT_USABLE,
    OTHER_ORGANISATION,
    MachtigingState,
)
from machtiging.kernel.assurance import Assurance
from machtiging.organisations.rules import RecognitionStatus
from tests.builders.keys import NOON
from tests.unit.delegation.chains import (
    CHAINS,
    EMPLOYEES,
    HELPER,
    KVK,
    OTHER_KVK,
    STRANGER,
    assigned,
    by_team,
    of_person,
    standing_in,
)


def ask_minimum(authority, level):
    ceiling = replace(authority.organisation.ceiling, minimum_level=level)
    return replace(authority, organisation=replace(authority.organisation, ceiling=ceiling))


@pytest.mark.parametrize("chain", [assigned, by_team, standing_in])
def test_login_below_the_minimum_of_the_organisation_is_refused(chain):
    demanding = ask_minimum(chain(), Assurance.HIGH)
    assert demanding.refusal(HELPER, KVK, Assurance.SUBSTANTIAL, NOON) == "niveau_te_laag"
    assert demanding.visibility_refusal(HELPER, KVK, Assurance.SUBSTANTIAL, NOON) == "niveau_te_laag"
    assert demanding.refusal(STRANGER, KVK, Assurance.LOW, NOON) == NOT_USABLE
    # Before there is a login, the level stops nobody.
    assert demanding.refusal(HELPER, KVK, None, NOON) is None
    usual = ask_minimum(chain(), Assurance.SUBSTANTIAL)
    assert usual.refusal(HELPER, KVK, Assurance.SUBSTANTIAL, NOON) is None


def test_relative_has_no_minimum_level():
    assert of_person().refusal(HELPER, None, Assurance.LOW, NOON) is None


@pytest.mark.parametrize(("change", "code"), EMPLOYEES[:7])
@pytest.mark.parametrize("chain", [assigned, by_team, standing_in])
def test_employee_without_right_to_help_may_not_see_the_terms(chain, change, code):
    whole = chain()
    stopped = replace(whole, employee=replace(whole.employee, **change))
    assert stopped.visibility_refusal(HELPER, KVK, Assurance.HIGH, NOON) == code
    assert stopped.visibility_refusal(stopped.vertegenwoordigde_id, None, Assurance.LOW, NOON) is None


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_terms_under_a_forged_row_are_hidden_from_both_parties(chain):
    forged = replace(chain(), is_authentic=False)
    for person in (HELPER, forged.vertegenwoordigde_id):
        assert forged.visibility_refusal(person, forged.organisation_kvk, Assurance.HIGH, NOON) == "rij_ongeldig"


@pytest.mark.parametrize(
    ("status", "code"),
    [(RecognitionStatus.SUSPENDED, None), (RecognitionStatus.WITHDRAWN, "erkenning_ingetrokken")],
)
def test_terms_stay_visible_to_the_employee_until_the_recognition_is_withdrawn(status, code):
    whole = assigned()
    changed = replace(whole, organisation=replace(whole.organisation, recognition=status))
    assert changed.visibility_refusal(HELPER, KVK, Assurance.HIGH, NOON) == code


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("state", [MachtigingState.PAUSED, MachtigingState.ENDED])
def test_terms_of_a_stopped_link_stay_visible_to_both_parties_only(chain, state):
    whole = chain()
    stopped = replace(whole, links=(replace(whole.root, state=state), *whole.links[1:]))
    kvk = stopped.organisation_kvk
    assert stopped.visibility_refusal(HELPER, kvk, Assurance.HIGH, NOON) is None
    assert stopped.visibility_refusal(STRANGER, kvk, Assurance.HIGH, NOON) == NOT_THE_HOLDER
    assert stopped.visibility_refusal(HELPER, OTHER_KVK, Assurance.HIGH, NOON) == OTHER_ORGANISATION
