"""Questions as of an instant in the past: what was answered then is answered again."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from machtiging.access.oversight.policy_versions import record_policy_version
from machtiging.access.policy_file import PolicyContent
from machtiging.delegation.pause import pause_machtiging, resume_machtiging
from machtiging.delegation.termination import revoke_machtiging
from machtiging.identity.people import find_or_create_by_bsn
from machtiging.kernel.bsn import Bsn
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.letters import STRANGER
from tests.builders.machtiging import grant_machtiging
from tests.builders.people import add_mother_and_son
from tests.builders.rows import JOURNAL_INTAKE
from tests.protocol.verification.conftest import make_question, read_claims

HOUR = timedelta(hours=1)


class NotedAnswers:
    """A machtiging that is given, paused, resumed and withdrawn, with the answer between."""

    def __init__(self, agency):
        self.agency, self.clock, self.answers = agency, agency.world.clock, {}

    async def live(self, database):
        await self.note()
        async with unit_of_work(database.sessions) as session:
            people = await add_mother_and_son(session)
            given = await grant_machtiging(session, people, self.clock.now(), afzenders=None)
        self.machtiging_id, giver = given.id, people.giver.person_id
        for act in (pause_machtiging, resume_machtiging, revoke_machtiging):
            await self.note()
            async with unit_of_work(database.sessions) as session:
                await act(session, given.id, giver, at=self.clock.now())
        await self.note()
        self.clock.advance(HOUR)
        return self

    async def note(self):
        """Ask now, on the half hour."""
        self.clock.advance(HOUR / 2)
        at = self.clock.now()
        self.answers[at] = await self.agency.ask()
        self.clock.advance(HOUR / 2)


@pytest.fixture
async def past(agency, database):
    async with unit_of_work(database.sessions) as session:
        await record_policy_version(session, agency.world.policy.content, at=agency.world.clock.now())
    return await NotedAnswers(agency).live(database)


async def add_stranger(agency):
    async with agency.world.sessions.begin() as session:
        return await find_or_create_by_bsn(session, agency.world.keyring, Bsn(STRANGER), at=agency.world.clock.now())


def decision_of(result):
    """Return the answer without its id, proof, salt and instant."""
    return {name: value for name, value in result.items() if name not in ("verificatieId", "bewijs", "zout", "op")}


async def test_past_answer_is_what_was_answered_then(past, agency):
    assert [one["antwoord"] for one in past.answers.values()] == [False, True, False, True, False]
    for at, answer in past.answers.items():
        again = await agency.ask(op=at.isoformat())
        assert decision_of(again) == decision_of(answer), at
        assert read_claims(again["bewijs"])["op"] == at.isoformat()


async def test_past_is_asked_by_number_and_in_one_call(past, agency):
    named = {"machtigingId": str(past.machtiging_id), "vertegenwoordigde": ..., "gemachtigde": ...}
    answer = await agency.post(*[make_question(op=at.isoformat(), **named) for at in past.answers])
    assert [one["antwoord"] for one in answer.json()["resultaten"]] == [False, True, False, True, False]


async def test_question_about_the_past_and_its_instant_are_in_the_journal(past, agency):
    at = list(past.answers)[1]
    result = await agency.ask(op=at.isoformat())
    line = (await agency.read_lines())[-1]
    assert (str(line.id), line.facts["op"], line.reason) == (result["verificatieId"], at.isoformat(), "ja")


async def test_policy_of_then_decides_about_then(past, agency, database):
    world = agency.world
    stricter = PolicyContent(
        world.policy.content.model, tuple(row for row in world.policy.rows if "relative" not in row.capacity)
    )
    async with unit_of_work(database.sessions) as session:
        await record_policy_version(session, stricter, at=world.clock.now())
    at = list(past.answers)[1]
    result = await agency.ask(op=at.isoformat())
    assert (result["antwoord"], read_claims(result["bewijs"])["beleid"]) == (True, world.policy.digest)


async def test_question_about_a_time_without_a_policy_is_refused(past, agency):
    result = await agency.ask(op="2020-01-01T12:00:00+01:00")
    assert (result["resultaat"], result["code"]) == ("geweigerd", "beleid_van_toen_onbekend")


async def test_history_without_its_newest_line_is_refused(past, agency, database):
    async with bypass_triggers(database) as superuser:
        await superuser.execute(delete(JOURNAL_INTAKE.table).where(JOURNAL_INTAKE.c.act == "machtiging:ingetrokken"))
    at = list(past.answers)[2]
    result = await agency.ask(op=at.isoformat())
    assert (result["resultaat"], result["code"]) == ("geweigerd", "geschiedenis_onvolledig")


async def test_broken_history_of_another_helper_refuses_nothing(past, agency):
    await agency.world.grant_machtiging(gemachtigde_id=await add_stranger(agency))  # a row without journal lines
    at = list(past.answers)[1]
    assert (await agency.ask(op=at.isoformat()))["antwoord"] is True
    stranger = {"type": "BSN", "waarde": STRANGER}
    assert (await agency.ask(op=at.isoformat(), gemachtigde=stranger))["code"] == "geschiedenis_onvolledig"


async def test_more_than_ten_moments_in_one_call_are_refused_one_by_one(past, agency):
    first = next(iter(past.answers))
    questions = [make_question(op=(first + timedelta(minutes=n)).isoformat()) for n in range(12)]
    questions.append(make_question(op=first.isoformat()))
    results = (await agency.post(*questions)).json()["resultaten"]
    assert [one.get("code") for one in results] == [None] * 10 + ["te_veel_momenten"] * 2 + [None]


async def test_instant_in_the_future_is_refused(past, agency):
    at = agency.world.clock.now() + timedelta(seconds=1)
    assert (await agency.ask(op=at.isoformat()))["code"] == "op_in_toekomst"
