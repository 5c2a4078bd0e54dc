"""The guard on a real database: each decision is journalled with its exact reason."""

from datetime import timedelta

import pytest

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
from machtiging.message_catalogue import describe_refusal
from tests.builders.bearer import POLICY, make_letter_target
from tests.builders.database import record_queries
from tests.builders.keys import NOON
from tests.builders.machtiging import UWV, grant_machtiging, make_authority
from tests.builders.people import add_mother_and_son
from tests.builders.rows import JOURNAL_INTAKE
from tests.unit.access.actors import make_absent_target


@pytest.fixture
async def people(session):
    return await add_mother_and_son(session)


@pytest.fixture
async def accepted_machtiging(session, people):
    return await grant_machtiging(session, people)


def helping(accepted_machtiging, **changes):
    values = {
        "person_id": accepted_machtiging.gemachtigde_id,
        "authority": make_authority(accepted_machtiging),
        "assurance": Assurance.SUBSTANTIAL,
        "acts": frozenset(Act),
        "client_id": "leesapp",
        "token_id": TokenId(uuid7()),
    }
    return Actor(**{**values, **changes})


async def last_line(session):
    lines = await JOURNAL_INTAKE.read(session, JOURNAL_INTAKE.c.act.like("bericht:%"))
    return lines[-1]._mapping


async def permit_refusal(session, actor, target, act=Act.READ):
    with pytest.raises(Refusal) as refusal:
        await issue_permit(session, POLICY, actor, act, target, at=NOON)
    return refusal.value


async def test_permit_is_journalled_with_actor_person_act_and_bericht(session, people, accepted_machtiging):
    target = make_letter_target(people.mother)
    permit = await issue_permit(session, POLICY, helping(accepted_machtiging), Act.READ, target, at=NOON)
    line = await last_line(session)
    assert (permit.actor_id, permit.vertegenwoordigde_id) == (people.son, people.mother)
    assert (permit.bericht_id_for(Act.READ), permit.machtiging_id, permit.journal_id) == (
        target.bericht_id,
        accepted_machtiging.id,
        line["id"],
    )
    assert line["outcome"] == "allowed"
    assert line["reason"] == "toegestaan"
    assert line["facts"] == {"niveau": "substantieel", "regel": "naaste-gewoon"}
    assert (line["actor_id"], line["for_person_id"]) == (people.son, people.mother)
    assert (line["capacity"], line["client_id"], line["machtiging_id"]) == (
        "relative",
        "leesapp",
        accepted_machtiging.id,
    )
    assert (line["object_kind"], line["object_id"]) == ("bericht", target.object_id)
    assert line["policy_digest"] == POLICY.digest


async def test_permit_of_citizen_in_own_box_is_journalled(session, people):
    actor = Actor(people.mother, None, Assurance.LOW, frozenset(Act), None, None)
    target = make_letter_target(people.mother, theme=Theme.ZORG, sensitivity=Sensitivity.VERTROUWELIJK)
    await issue_permit(session, POLICY, actor, Act.DELETE, target, at=NOON)
    line = await last_line(session)
    assert (line["act"], line["capacity"], line["facts"]["regel"]) == ("bericht:verwijderen", "self", "eigen-box")


def hidden_targets(people):
    return {
        "bericht_bestaat_niet": make_absent_target(),
        "bericht_van_ander": make_letter_target(people.son),
        "afzender_niet_afgesproken": make_letter_target(people.mother, afzender="00000099000000009000"),
        "thema_uitgesloten": make_letter_target(people.mother, theme=Theme.ZORG),
        "te_oud": make_letter_target(people.mother, published_at=NOON - timedelta(days=3000)),
        "beleid_verbiedt": make_letter_target(people.mother, sensitivity=Sensitivity.VERTROUWELIJK),
    }


@pytest.mark.parametrize("act", [Act.READ, Act.DOWNLOAD, Act.DELETE])
async def test_hidden_refusals_are_indistinguishable_and_journalled_with_their_reason(
    rollback_database, session, people, accepted_machtiging, act
):
    answers = set()
    for reason, target in hidden_targets(people).items():
        with record_queries(rollback_database) as statements:
            refusal = await permit_refusal(session, helping(accepted_machtiging), target, act)
        answers.add((type(refusal), refusal.code, describe_refusal(refusal), *statements))
        line = await last_line(session)
        assert (line["outcome"], line["reason"], line["object_id"]) == ("refused", reason, target.object_id)
    # One and the same: class, code, sentence, and the SQL that was sent (one INSERT).
    ((kind, code, _public, *sent),) = answers
    assert (kind, code) == (NotFound, "bericht_onbekend")
    assert len(sent) == 1
    assert sent[0].startswith("INSERT INTO journal_intake")


async def test_refusal_for_act_or_assurance_shows_its_reason(session, people, accepted_machtiging):
    letter = make_letter_target(people.mother)
    gevoelig = make_letter_target(people.mother, sensitivity=Sensitivity.GEVOELIG)
    for actor, target, act, code, kind in [
        (helping(accepted_machtiging), letter, Act.DELETE, "handeling_niet_toegestaan", NotAllowed),
        (
            helping(accepted_machtiging, acts=frozenset({Act.LIST})),
            letter,
            Act.READ,
            "handeling_niet_toegestaan",
            ActionMissing,
        ),
        (helping(accepted_machtiging, assurance=Assurance.LOW), gevoelig, Act.READ, "niveau_te_laag", LevelTooLow),
    ]:
        refusal = await permit_refusal(session, actor, target, act)
        assert (type(refusal), refusal.code) == (kind, code)
        assert (await last_line(session))["reason"] == code


async def test_paused_or_ended_machtiging_is_the_first_reason(session, people, accepted_machtiging):
    await pause_machtiging(session, accepted_machtiging.id, people.mother, at=NOON)
    for target in hidden_targets(people).values():
        actor = helping(await look_up(session, accepted_machtiging.id))
        refusal = await permit_refusal(session, actor, target, Act.DELETE)
        assert (type(refusal), refusal.code) == (NotInForce, "machtiging_gepauzeerd")
    await revoke_machtiging(session, accepted_machtiging.id, people.mother, at=NOON)
    refusal = await permit_refusal(
        session, helping(await look_up(session, accepted_machtiging.id)), make_absent_target()
    )
    assert (type(refusal), refusal.code) == (NotInForce, "machtiging_beeindigd")
    assert (await last_line(session))["reason"] == "machtiging_beeindigd"


async def test_listing_permit_has_scope_and_is_journalled(session, people, accepted_machtiging):
    permit = await issue_listing_permit(session, POLICY, helping(accepted_machtiging, assurance=Assurance.LOW), at=NOON)
    assert permit.scope == accepted_machtiging.scope
    assert permit.allowed_pairs == {(theme, Sensitivity.GEWOON) for theme in Theme}
    line = await last_line(session)
    assert (line["act"], line["object_kind"], line["object_id"]) == ("bericht:lijst", "berichtenbox", None)
    assert line["id"] == permit.journal_id


async def test_listing_permit_of_own_box_has_every_pair_and_no_scope(session, people):
    actor = Actor(people.mother, None, Assurance.LOW, frozenset(Act), None, None)
    permit = await issue_listing_permit(session, POLICY, actor, at=NOON)
    assert permit.scope is None
    assert len(permit.allowed_pairs) == len(Theme) * len(Sensitivity)


async def test_refusal_journal_line_has_no_bericht_content(session, people, accepted_machtiging):
    await permit_refusal(session, helping(accepted_machtiging), make_letter_target(people.mother, theme=Theme.ZORG))
    line = await last_line(session)
    assert UWV not in str(dict(line))
    assert "zorg" not in str(dict(line))
