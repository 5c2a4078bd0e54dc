"""The guard on a real database: one line per question, with the exact reason, whatever the asker is told."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from machtiging.access.actor import Actor
from machtiging.access.guard import issue_listing_permit, issue_permit
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.pause import pause_machtiging
from machtiging.delegation.queries import load_machtiging as look_up
from machtiging.delegation.rules import Act
from machtiging.delegation.termination import revoke_machtiging
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import ActionMissing, LevelTooLow, NotAllowed, NotFound, NotInForce, Refusal
from machtiging.kernel.ids import TokenId, uuid7
from tests.builders.access import no_target
from tests.builders.audit import AS_WRITTEN
from tests.builders.bearer import POLICY, counting_statements, the_letter
from tests.builders.delegation import NOON, UWV, an_accepted_machtiging, mother_and_son


@pytest.fixture
async def people(session):
    return await mother_and_son(session)


@pytest.fixture
async def held(session, people):
    return await an_accepted_machtiging(session, people)


def helping(held, **changes):
    values = {
        "person_id": held.gemachtigde_id,
        "machtiging": held,
        "assurance": Assurance.SUBSTANTIAL,
        "acts": frozenset(Act),
        "client_id": "leesapp",
        "token_id": TokenId(uuid7()),
    }
    return Actor(**{**values, **changes})


async def last_line(session):
    lines = await session.execute(text(f"SELECT * FROM journal_intake WHERE act LIKE 'bericht:%' {AS_WRITTEN}"))
    return lines.mappings().all()[-1]


async def refused(session, actor, target, act=Act.READ):
    with pytest.raises(Refusal) as refusal:
        await issue_permit(session, POLICY, actor, act, target, at=NOON)
    return refusal.value


async def test_a_permit_says_who_for_whom_what_and_under_which_line_of_the_journal(session, people, held):
    target = the_letter(people.mother)
    given = await issue_permit(session, POLICY, helping(held), Act.READ, target, at=NOON)
    line = await last_line(session)
    assert (given.actor_id, given.vertegenwoordigde_id) == (people.son, people.mother)
    assert (given.bericht_id_for(Act.READ), given.machtiging_id, given.journal_id) == (
        target.bericht_id,
        held.id,
        line["id"],
    )
    assert line["outcome"] == "allowed"
    assert line["reason"] == "toegestaan"
    assert line["facts"] == {"niveau": "substantieel", "regel": "naaste-gewoon"}
    assert (line["actor_id"], line["for_person_id"]) == (people.son, people.mother)
    assert (line["capacity"], line["client_id"], line["machtiging_id"]) == ("relative", "leesapp", held.id)
    assert (line["object_kind"], line["object_id"]) == ("bericht", target.object_id)
    assert line["policy_digest"] == POLICY.digest


async def test_the_citizen_passes_the_same_door_and_is_written_down_too(session, people):
    actor = Actor(people.mother, None, Assurance.LOW, frozenset(Act), None, None)
    target = the_letter(people.mother, theme=Theme.ZORG, sensitivity=Sensitivity.VERTROUWELIJK)
    await issue_permit(session, POLICY, actor, Act.DELETE, target, at=NOON)
    line = await last_line(session)
    assert (line["act"], line["capacity"], line["facts"]["regel"]) == ("bericht:verwijderen", "self", "eigen-box")


def hidden_targets(people):
    return {
        "bericht_bestaat_niet": no_target(),
        "bericht_van_ander": the_letter(people.son),
        "afzender_niet_afgesproken": the_letter(people.mother, afzender="00000099000000009000"),
        "thema_uitgesloten": the_letter(people.mother, theme=Theme.ZORG),
        "te_oud": the_letter(people.mother, published_at=NOON - timedelta(days=3000)),
        "beleid_verbiedt": the_letter(people.mother, sensitivity=Sensitivity.VERTROUWELIJK),
    }


@pytest.mark.parametrize("act", [Act.READ, Act.DOWNLOAD, Act.DELETE])
async def test_the_asker_cannot_tell_what_the_journal_tells_apart(rollback_database, session, people, held, act):
    answers = set()
    for reason, target in hidden_targets(people).items():
        async with counting_statements(rollback_database) as statements:
            refusal = await refused(session, helping(held), target, act)
        answers.add((type(refusal), refusal.code, refusal.public, *statements))
        line = await last_line(session)
        assert (line["outcome"], line["reason"], line["object_id"]) == ("refused", reason, target.object_id)
    # One and the same: class, code, sentence, and the SQL that was sent (one INSERT).
    ((kind, code, _public, *sent),) = answers
    assert (kind, code) == (NotFound, "bericht_onbekend")
    assert len(sent) == 1
    assert sent[0].startswith("INSERT INTO journal_intake")


async def test_a_permit_costs_one_statement(rollback_database, session, people, held):
    async with counting_statements(rollback_database) as statements:
        await issue_permit(session, POLICY, helping(held), Act.READ, the_letter(people.mother), at=NOON)
        await issue_listing_permit(session, POLICY, helping(held), at=NOON)
    assert [statement.split()[:3] for statement in statements] == [["INSERT", "INTO", "journal_intake"]] * 2


async def test_reasons_in_the_own_standing_are_told(session, people, held):
    letter = the_letter(people.mother)
    gevoelig = the_letter(people.mother, sensitivity=Sensitivity.GEVOELIG)
    for actor, target, act, code, kind in [
        (helping(held), letter, Act.DELETE, "handeling_niet_toegestaan", NotAllowed),
        (helping(held, acts=frozenset({Act.LIST})), letter, Act.READ, "handeling_niet_toegestaan", ActionMissing),
        (helping(held, assurance=Assurance.LOW), gevoelig, Act.READ, "niveau_te_laag", LevelTooLow),
    ]:
        refusal = await refused(session, actor, target, act)
        assert (type(refusal), refusal.code) == (kind, code)
        assert (await last_line(session))["reason"] == code


async def test_a_machtiging_that_rests_or_has_ended_is_told_before_anything_else(session, people, held):
    await pause_machtiging(session, held.id, people.mother, at=NOON)
    for target in hidden_targets(people).values():
        actor = helping(await look_up(session, held.id))
        refusal = await refused(session, actor, target, Act.DELETE)
        assert (type(refusal), refusal.code) == (NotInForce, "machtiging_gepauzeerd")
    await revoke_machtiging(session, held.id, people.mother, at=NOON)
    refusal = await refused(session, helping(await look_up(session, held.id)), no_target())
    assert (type(refusal), refusal.code) == (NotInForce, "machtiging_beeindigd")
    assert (await last_line(session))["reason"] == "machtiging_beeindigd"


async def test_a_listing_permit_carries_the_limits_and_is_written_down(session, people, held):
    given = await issue_listing_permit(session, POLICY, helping(held, assurance=Assurance.LOW), at=NOON)
    assert given.scope == held.scope
    assert given.allowed_pairs == {(theme, Sensitivity.GEWOON) for theme in Theme}
    line = await last_line(session)
    assert (line["act"], line["object_kind"], line["object_id"]) == ("bericht:lijst", "berichtenbox", None)
    assert line["id"] == given.journal_id


async def test_the_own_list_holds_every_pair_and_no_scope(session, people):
    actor = Actor(people.mother, None, Assurance.LOW, frozenset(Act), None, None)
    given = await issue_listing_permit(session, POLICY, actor, at=NOON)
    assert given.scope is None
    assert len(given.allowed_pairs) == len(Theme) * len(Sensitivity)


async def test_no_word_of_the_letter_reaches_the_journal(session, people, held):
    await refused(session, helping(held), the_letter(people.mother, theme=Theme.ZORG))
    line = await last_line(session)
    assert UWV not in str(dict(line))
    assert "zorg" not in str(dict(line))
