"""After the end of authority, no request that starts later gets anything with any credential.

Histories with the whole service and real clients, compared with a model in both directions.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import strategies as st

from machtiging.kernel.assurance import Assurance
from machtiging.kernel.clock import SettableClock
from tests.builders.client import make_authorization_details, make_bearer_header
from tests.builders.database import database_clone
from tests.builders.flow import Flow
from tests.builders.keys import NOON
from tests.builders.letters import make_api_world, make_pdf
from tests.builders.portal import make_portal
from tests.protocol.authority.access_history import HOLDERS, make_access_history
from tests.protocol.authority.holder_client import API, HolderClient
from tests.storage.delegation.authority_history import (
    LETTERS,
    STEPS,
    Model,
    Terms,
    draw_examples,
    draw_terms,
    narrow_by_parents,
)

LINKS = ("kin", "root", "a", "t", "b", "s", "far", "c")
# What has an end of its own: a link, an employee, the longest period of the organisation.
TIMED = ("root", "worker", "ceiling", "kin", "a", "member", "c")
TWO_PARTS = 1024 * 1024 + 17
BOTH = {"worker", "member"}
# What ends first and second, and acts one after the other, each with the holders who can do nothing after it.
SEQUENCES = {
    "suspension, pause and withdrawal by the citizen": (
        (),
        ("recognition opgeschort", BOTH),
        ("recognition erkend", set()),
        ("pause root", BOTH),
        ("resume root", set()),
        ("withdraw root", BOTH),
    ),
    "departure and withdrawal of the recognition": (
        (),
        ("leave member", {"member"}),
        ("recognition ingetrokken", BOTH),
        ("withdraw kin", {*BOTH, "relative"}),
    ),
    "end of an employee, then of the period": (
        ("member", "root"),
        ("wait end", {"member"}),
        ("wait end", BOTH),
    ),
    "narrower ceiling, end of the assignment, higher minimum level": (
        (),
        ("ceiling afzender", set()),
        ("end_assignment a", {"worker"}),
        ("ceiling level", BOTH),
    ),
    "emergency stop, its end, and again": (
        (),
        ("stop_all citizen", {"relative", *BOTH, "elsewhere"}),
        ("lift_stop citizen", set()),
        ("pause root", BOTH),
        ("stop_all citizen", {"relative", *BOTH, "elsewhere"}),
        ("narrow kin", {"relative", *BOTH, "elsewhere"}),
        ("lift_stop citizen", BOTH),
    ),
    "end of the longest period": (("a", "ceiling"), ("wait end", {"worker"}), ("wait end", BOTH)),
    "shorter longest period": ((), ("ceiling days", BOTH)),
}
ACCESS_STEPS = (
    *(step for step in STEPS if step.split()[1] not in ("s", "t", "replacement", "stand_in")),
    *("withdraw root", "withdraw kin", "end_assignment a", "end_assignment b", "ceiling days", "revoke far"),
    *("wait minutes", "wait hours", "wait end", "wait end", "wait end"),
)


def find_subject(step):
    """The row that the act changes. Two acts on one row are done one after the other."""
    verb, _, target = step.partition(" ")
    return {"recognition": "organisation", "ceiling": "organisation", "give_back": "a"}.get(verb, target)


def is_wait(steps):
    return any(step.startswith("wait") for step in steps)


together = st.lists(st.sampled_from(ACCESS_STEPS), min_size=1, max_size=2, unique_by=find_subject)
histories = st.tuples(
    st.fixed_dictionaries(dict.fromkeys(LINKS, draw_terms())),
    st.permutations(TIMED),
    st.booleans(),
    st.frozensets(st.sampled_from(HOLDERS)),
    st.lists(together.filter(lambda steps: len(steps) == 1 or not is_wait(steps)), min_size=3, max_size=4),
)


@asynccontextmanager
async def open_history(template_url, terms=None, *, ends=(), links_high=False, logins_high=frozenset()):
    """A history on a database of its own. `ends`: what ends first, second and so on, each three days later."""
    clock = SettableClock(NOON)
    async with database_clone(template_url) as database:
        box, portal = await make_api_world(database, clock), await make_portal(database, clock)
        letters = {}
        for dienst, (oin, _) in LETTERS.items():
            file = ("a.pdf", make_pdf(TWO_PARTS), "application/pdf")
            letters[dienst] = await box.deliver_letter(file, oin=oin, dienst=dienst)
        model = Model(terms or dict.fromkeys(LINKS, Terms()))
        model.ends = {name: NOON + timedelta(days=3 * number) for number, name in enumerate(ends, start=1)}
        model.high = logins_high if links_high else frozenset()
        levels = {"link_level": Assurance.HIGH if links_high else Assurance.SUBSTANTIAL}
        levels["login_levels"] = dict.fromkeys(logins_high, Assurance.HIGH)
        history = await make_access_history(box, portal, letters, model, **levels)
        try:
            yield history
        finally:
            await history.oauth.close()
            await portal.close()


async def perform_and_compare(history, steps):
    """Do these acts at once; every credential of before is compared with the model. Returns the number done."""
    await history.renew_clients()
    for client in history.clients.values():
        await client.begin_download()
    if is_wait(steps):
        done = int(await history.perform_step(steps[0]))
    else:
        done = await history.perform_together(steps)
    await history.compare_all()
    return done


@pytest.fixture(scope="module")
async def access_history(template_url):
    async with open_history(template_url) as history:
        yield history


@pytest.mark.parametrize(
    "sequence", [pytest.param(name, marks=[pytest.mark.long] * name.endswith("longest period")) for name in SEQUENCES]
)
async def test_act_that_takes_authority_away_ends_every_credential_at_the_next_request(template_url, sequence):
    ends, *steps = SEQUENCES[sequence]
    async with open_history(template_url, ends=ends) as history:
        for step, stopped in steps:
            assert await perform_and_compare(history, [step]) == 1
            assert {holder for holder in HOLDERS if not history.model.can_act(holder)} == stopped, step
        await history.compare_reads_on_page()


async def run_histories(template_url, count):
    done = 0
    # The first example is always the simplest one: no limits, and the same act each time.
    for terms, ends, links_high, logins_high, rounds in draw_examples(histories, count + 1)[1:]:
        drawn = {"ends": ends[:3], "links_high": links_high, "logins_high": logins_high}
        async with open_history(template_url, narrow_by_parents(terms), **drawn) as history:
            try:
                await history.compare_all()
                for steps in rounds:
                    done += await perform_and_compare(history, steps)
                await history.compare_reads_on_page()
            except AssertionError as error:
                raise AssertionError(f"{rounds} under {terms} with {drawn}: {error}") from error
    return done


async def test_random_histories_give_on_every_credential_what_the_model_allows(template_url):
    assert await run_histories(template_url, 1) > 0


@pytest.mark.long
async def test_many_random_histories_give_on_every_credential_what_the_model_allows(template_url):
    assert await run_histories(template_url, 15) > 15


async def test_login_of_relative_and_employee_opens_only_its_own_machtiging(access_history):
    """A relative, who is an employee of two organisations, has three logins. Each opens one machtiging."""
    ids = {holder: client.machtiging_id for holder, client in access_history.clients.items()}
    for holder, client in access_history.clients.items():
        for other in HOLDERS:
            for kind in ("access", "several"):
                box = await client.get(f"{API}/machtigingen/{ids[other]}/berichten", kind)
                assert (box.status_code == 200) == (other == holder), (holder, other, kind)
            code = await client.consent(make_authorization_details(ids[other]))
            assert (code is not None) == (other == holder), (holder, other)


async def test_administrator_without_assignment_opens_no_letter(access_history):
    history = access_history
    person, kvk = history.administrator.person_id, history.kvk
    browser = await history.open_browser(person, kvk, Assurance.HIGH)
    client = HolderClient(history, "worker", Flow(history.apps["app"], browser, make_authorization_details()))
    for link in history.links.values():
        assert await client.consent(make_authorization_details(link)) is None
        assert await client.consent(make_authorization_details(machtigingen=[str(link)])) is None
        assert (await browser.get(f"/ik-help/{link}")).status_code == 404
    assert "Ans Voorbeeld" not in (await browser.get("/machtigingen")).text
    assert await client.consent(make_authorization_details(clienten="toegewezen")) is None
    own_box = (await client.flow.redeem(await client.consent(make_authorization_details()))).json()["access_token"]
    headers = make_bearer_header(own_box)
    for letter in history.letters.values():
        assert (await history.apps["app"].http.get(f"{API}/berichten/{letter}", headers=headers)).status_code == 404
        for link in history.links.values():
            path = f"{API}/machtigingen/{link}/berichten"
            for below in (path, f"{path}/{letter}"):
                assert (await history.apps["app"].http.get(below, headers=headers)).status_code == 404


async def test_portal_session_opens_only_its_own_machtiging(access_history):
    """On the portal too: a relative who works for two organisations has three sessions. Each opens one box."""
    ids = {holder: client.machtiging_id for holder, client in access_history.clients.items()}
    for holder, client in access_history.clients.items():
        for other in HOLDERS:
            answer = await client.get_page(f"/ik-help/{ids[other]}/brieven")
            assert (answer.status_code == 200) == (other == holder), (holder, other)
            if answer.status_code != 200:
                is_same_person = access_history.people[other] == access_history.people[holder]
                assert answer.status_code == (403 if is_same_person else 404), (holder, other)
