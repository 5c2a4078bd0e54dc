"""Offering a machtiging: stored rows, notifications and refusals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from machtiging.delegation.authority.queries import list_authorities_of_person
from machtiging.delegation.machtigingscode import CODE_INDEX_PURPOSE
from machtiging.delegation.offer import Giver, offer_machtiging
from machtiging.delegation.queries import (
    load_machtiging,
    load_machtiging_of_person,
)
from machtiging.delegation.rules import Act, EffectiveState, MachtigingState, effective_state
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed
from machtiging.kernel.ids import uuid7
from machtiging.kernel.period import Period
from machtiging.kernel.readable_code import normalise_code
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS, SVB, UWV, add_offer, make_terms
from tests.builders.people import add_mother_and_son
from tests.builders.rows import JOURNAL_INTAKE, MACHTIGINGEN, MACHTIGINGSCODES, NOTIFICATIONS, READERS


async def given_ids(session, people):
    return [given.machtiging_id for given in await list_authorities_of_person(session, people.mother, at=NOON)]


async def test_offer_is_stored_and_not_in_force(session):
    people = await add_mother_and_son(session)
    terms = make_terms(purpose="  post bijhouden ")
    offered = await offer_machtiging(session, load_keyring(), MACHTIGING_LIMITS, people.giver, terms, at=NOON)
    kept = await load_machtiging(session, offered.machtiging_id)
    assert kept is not None
    assert (kept.state, effective_state(kept, NOON)) == (MachtigingState.OFFERED, EffectiveState.NOT_ACCEPTED)
    assert (kept.purpose, kept.legal_ground) == ("post bijhouden", "Awb 2:1")
    assert (kept.scope, kept.period, kept.capacity) == (terms.scope, terms.period, terms.capacity)
    assert (kept.vertegenwoordigde_id, kept.gemachtigde_id, kept.parent_id) == (people.mother, None, None)
    assert (kept.assurance, kept.accepted_assurance) == (Assurance.SUBSTANTIAL, None)
    assert (kept.offered_at, kept.accepted_at, kept.ended_at, kept.end_reason) == (NOON, None, None, None)


async def test_code_is_stored_as_blind_index_only(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    [(kept, tries, expires)] = await MACHTIGINGSCODES.read(session, "code_hash", "tries_left", "expires_at")
    assert kept == load_keyring().blind_index(CODE_INDEX_PURPOSE, normalise_code(offered.code))
    assert (tries, expires) == (5, NOON + timedelta(days=30))


async def test_code_expires_with_the_offer(session):
    people = await add_mother_and_son(session)
    await add_offer(session, people, period=Period(NOON, NOON + timedelta(days=3)))
    assert await MACHTIGINGSCODES.read(session, "expires_at") == [(NOON + timedelta(days=3),)]


async def test_offer_is_journalled_and_notified_without_the_code(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    [line] = await JOURNAL_INTAKE.read(
        session, "act", "outcome", "reason", "actor_id", "for_person_id", "machtiging_id"
    )
    assert line == (
        "machtiging:aangeboden",
        "done",
        "aangeboden",
        people.mother,
        people.mother,
        offered.machtiging_id,
    )
    told = await NOTIFICATIONS.read_one(session, "person_id", "kind")
    assert told == (people.mother, "machtiging_aangeboden_door_u")
    everything = await NOTIFICATIONS.dump(session)
    assert offered.code not in everything
    assert "Voorbeeld" not in everything
    assert "post bijhouden" not in everything


async def test_offer_with_same_idempotency_key_is_rejected(session):
    people = await add_mother_and_son(session)
    giver = replace(people.giver, idempotency_key="k" * 22)
    first = await offer_machtiging(session, load_keyring(), MACHTIGING_LIMITS, giver, make_terms(), at=NOON)
    with pytest.raises(Conflict, match="aanbod_al_gemaakt"):
        await offer_machtiging(
            session, load_keyring(), MACHTIGING_LIMITS, giver, make_terms(purpose="iets anders"), at=NOON
        )
    assert await given_ids(session, people) == [first.machtiging_id]
    for table in ("machtigingscode", "notification"):
        assert await READERS[table].count(session) == 1
    journalled = await JOURNAL_INTAKE.read(session, "outcome", "reason", "machtiging_id")
    assert journalled == [("done", "aangeboden", first.machtiging_id), ("refused", "aanbod_al_gemaakt", None)]


async def test_offer_with_another_idempotency_key_or_giver_is_new(session):
    people = await add_mother_and_son(session)
    givers = [replace(people.giver, idempotency_key=key) for key in ("a" * 22, "b" * 22, None, None)]
    givers.append(Giver(people.son, Assurance.SUBSTANTIAL, idempotency_key="a" * 22))
    made = [
        await offer_machtiging(session, load_keyring(), MACHTIGING_LIMITS, giver, make_terms(), at=NOON)
        for giver in givers
    ]
    assert len({each.machtiging_id for each in made}) == 5


async def test_offer_is_visible_to_its_giver_only(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    assert await given_ids(session, people) == [offered.machtiging_id]
    assert await list_authorities_of_person(session, people.son, at=NOON) == []
    assert await load_machtiging_of_person(session, offered.machtiging_id, people.mother) is not None
    assert await load_machtiging_of_person(session, offered.machtiging_id, people.son) is None
    assert await load_machtiging(session, uuid7()) is None


async def test_given_machtigingen_are_listed_newest_first(session):
    people = await add_mother_and_son(session)
    made = [(await add_offer(session, people, NOON + timedelta(minutes=n))).machtiging_id for n in range(3)]
    assert await given_ids(session, people) == made[::-1]


async def test_offer_with_low_assurance_is_rejected_and_journalled(session):
    people = await add_mother_and_son(session)
    with pytest.raises(NotAllowed, match="niveau_te_laag"):
        await offer_machtiging(
            session, load_keyring(), MACHTIGING_LIMITS, Giver(people.mother, Assurance.LOW), make_terms(), at=NOON
        )
    assert await JOURNAL_INTAKE.read(session, "outcome", "reason") == [("refused", "niveau_te_laag")]
    assert await MACHTIGINGEN.read(session, "id") == []


WRONG_TERMS = [
    ({"purpose": "a\r\nBcc: x"}, "doel_ongeldig", "purpose"),
    ({"acts": frozenset({Act.DELETE})}, "handeling_niet_te_geven", "acts"),
    ({"afzenders": frozenset({"00000099000000999000"})}, "afzender_onbekend", "afzenders"),
    (
        {"afzenders": frozenset({UWV}), "diensten": frozenset({f"{SVB}/aow"})},
        "dienst_van_andere_afzender",
        "diensten",
    ),
    ({"diensten": frozenset({f"{UWV}/bestaat-niet"})}, "dienst_onbekend", "diensten"),
    ({"period": Period(NOON, NOON + timedelta(days=366))}, "periode_te_lang", "ends_at"),
    ({"period": Period(NOON + timedelta(days=91), NOON + timedelta(days=92))}, "begin_te_ver_weg", "starts_at"),
]


async def test_offer_with_invalid_terms_stores_nothing(session):
    people = await add_mother_and_son(session)
    for changes, code, field in WRONG_TERMS:
        with pytest.raises(InvalidInput) as refusal:
            await add_offer(session, people, **changes)
        assert refusal.value.code == code
        assert field in refusal.value.fields
    for table in ("machtiging", "machtigingscode", "notification", "journal_intake"):
        assert await READERS[table].count(session) == 0
