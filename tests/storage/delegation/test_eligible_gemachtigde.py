"""Persons who may accept an offer: employees, private persons, and never the giver."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text

from machtiging.delegation.acceptance import CodeHolder, accept_offer, preview_offer
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.queries import load_machtiging
from machtiging.delegation.rules import Capacity, MachtigingState
from machtiging.delegation.termination import give_back_machtiging, refuse_offer, revoke_machtiging
from machtiging.identity.people import Profile, find_or_create_by_broker, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.message_catalogue import describe_refusal
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import add_offer, is_usable_by
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.people import BORN, add_mother_and_son, add_person, add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE

KVK = "90000001"


async def assert_refused(session, helper, offered, code):
    """Assert that preview, accept and refuse get this code and the offer stays open."""
    for act in (preview_offer, accept_offer, refuse_offer):
        with pytest.raises(NotAllowed, match=code) as refusal:
            await act(session, load_keyring(), helper, offered.code, BORN, at=NOON)
        assert describe_refusal(refusal.value).endswith(".")
    kept = await load_machtiging(session, offered.machtiging_id)
    assert kept is not None
    assert (kept.state, kept.gemachtigde_id) == (MachtigingState.OFFERED, None)


async def test_professional_offer_to_private_person_is_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people, capacity=Capacity.PROFESSIONAL)
    await assert_refused(session, people.helper, offered, "alleen_voor_organisatie")
    assert {
        reason for (reason,) in await JOURNAL_INTAKE.read(session, "reason", act="code:geprobeerd", outcome="refused")
    } == {"alleen_voor_organisatie"}


async def test_relative_offer_to_employee_is_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await assert_refused(session, replace(people.helper, kvk=KVK), offered, "alleen_voor_naaste")


async def test_capacity_of_offer_is_hidden_without_birth_date(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people, capacity=Capacity.PROFESSIONAL)
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await preview_offer(session, load_keyring(), people.helper, offered.code, date(1951, 4, 8), at=NOON)


async def offer_to_professional(session, **standing):
    """An offer for an organisation, and Fatima with an account there. Returns offer, code holder and organisation."""
    people = await add_mother_and_son(session)
    fatima = await add_person_without_bsn(session, "Fatima Voorbeeld", None)
    offered = await add_offer(session, people, capacity=Capacity.PROFESSIONAL)
    organisation_id = await add_organisation(session, KVK, standing.pop("status", "erkend"))
    if standing.pop("hired", True):
        await add_employee(session, organisation_id, fatima, **standing)
    return offered, CodeHolder(fatima, Assurance.SUBSTANTIAL, KVK), organisation_id


async def test_accepted_professional_offer_is_the_organisations_and_assigned_to_the_employee(session):
    offered, helper, organisation_id = await offer_to_professional(session)
    taken = await accept_offer(session, load_keyring(), helper, offered.code, BORN, at=NOON)
    authority = await load_authority(session, taken.id)
    assert (authority.root.id, authority.root.gemachtigde_id) == (offered.machtiging_id, organisation_id)
    assert (authority.holder_id, authority.organisation_kvk, len(authority.links)) == (helper.person_id, KVK, 2)
    assert is_usable_by(authority, helper.person_id, KVK, NOON)
    assert taken.scope == authority.root.scope
    again = await accept_offer(session, load_keyring(), helper, offered.code, BORN, at=NOON)
    assert again == taken
    for elsewhere in (None, "90000002"):
        with pytest.raises(NotAllowed, match="andere_organisatie"):
            await accept_offer(session, load_keyring(), replace(helper, kvk=elsewhere), offered.code, BORN, at=NOON)


async def test_acceptance_for_an_organisation_is_one_line_with_every_new_row(session):
    offered, helper, organisation_id = await offer_to_professional(session)
    taken = await accept_offer(session, load_keyring(), helper, offered.code, BORN, at=NOON)
    [line] = await JOURNAL_INTAKE.read(session, act="machtiging:aangenomen")
    assert (line.on_behalf_of, line.actor_id, line.machtiging_id) == (organisation_id, helper.person_id, taken.id)
    rows = [(state["tabel"], state["rij"]) for state in line.facts["toestand"]]
    assert [table for table, _ in rows] == ["machtiging", "machtiging", "agreement", "assignment"]
    assert rows[0][1]["gemachtigde_id"] == {"uuid": str(organisation_id)}
    assert "post bijhouden" not in str(line.facts)
    await give_back_machtiging(session, taken.id, helper.person_id, at=NOON)
    [line] = await JOURNAL_INTAKE.read(session, act="machtiging:teruggegeven")
    assert line.on_behalf_of == organisation_id
    assert [state["rij"]["state"] for state in line.facts["toestand"]] == ["ended"]


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        ({"status": "geen"}, "organisatie_niet_erkend"),
        ({"status": "aangevraagd"}, "organisatie_niet_erkend"),
        ({"status": "geweigerd"}, "organisatie_niet_erkend"),
        ({"status": "opgeschort"}, "organisatie_opgeschort"),
        ({"status": "ingetrokken"}, "erkenning_ingetrokken"),
        ({"hired": False}, "medewerker_onbekend"),
        ({"state": "op_non_actief"}, "medewerker_niet_actief"),
        ({"state": "uitgenodigd"}, "medewerker_niet_actief"),
        ({"state": "vertrokken", "ends_at": NOON}, "medewerker_onbekend"),
        ({"roles": ["organisatiebeheerder"]}, "medewerker_geen_hulpverlener"),
        ({"roles": ["toezicht"]}, "medewerker_geen_hulpverlener"),
    ],
)
async def test_acceptance_for_an_organisation_that_may_not_help_is_rejected(session, standing, code):
    offered, helper, _ = await offer_to_professional(session, **standing)
    await assert_refused(session, helper, offered, code)


async def test_acceptance_for_an_unknown_organisation_is_rejected(session):
    offered, helper, _ = await offer_to_professional(session)
    await assert_refused(session, replace(helper, kvk="90000002"), offered, "medewerker_onbekend")


async def test_accepted_relative_offer_is_for_no_organisation(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    taken = await accept_offer(session, load_keyring(), people.helper, offered.code, BORN, at=NOON)
    assert (taken.gemachtigde_id, taken.employee_id, taken.parent_id) == (people.son, None, None)
    await revoke_machtiging(session, taken.id, people.mother, at=NOON)
    [line] = await JOURNAL_INTAKE.read(session, act="machtiging:ingetrokken")
    assert line.on_behalf_of is None


@pytest.mark.parametrize(
    "name", ["Ans Voorbeeld", " ANS  voorbeeld", "Ans-Voorbéeld", "A\u0301ns Voorbeeld", "Ans Voorbeeld."]
)
@pytest.mark.parametrize(("capacity", "kvk"), [(Capacity.RELATIVE, None), (Capacity.PROFESSIONAL, KVK)])
async def test_offer_to_another_account_of_the_giver_is_rejected(session, name, capacity, kvk):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people, capacity=capacity)
    herself = await add_person_without_bsn(session, name, BORN)
    await assert_refused(session, CodeHolder(herself, Assurance.HIGH, kvk), offered, "eigen_machtiging")


@pytest.mark.parametrize(
    ("name", "born"),
    [("Ans Voorbeeld", date(1980, 9, 30)), ("Elena Voorbeeld", BORN), ("Elena Voorbeeld", date(1980, 9, 30))],
    ids=["same name", "same birth date", "another name and birth date"],
)
async def test_relative_without_bsn_is_accepted(session, name, born):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    other = await add_person_without_bsn(session, name, born)
    taken = await accept_offer(
        session, load_keyring(), CodeHolder(other, Assurance.SUBSTANTIAL), offered.code, BORN, at=NOON
    )
    assert taken.gemachtigde_id == other


@pytest.mark.parametrize(
    ("name", "born"),
    [("Ans Voorbeeld", BORN), ("", None), ("", BORN), ("Ans Voorbeeld", None)],
    ids=["same name and birth date", "empty profile", "no name", "no birth date"],
)
async def test_namesake_with_another_bsn_is_accepted(session, name, born):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    if not name:
        await session.execute(text("UPDATE person SET profile_sealed = NULL WHERE id = :id"), {"id": people.mother})
        await save_profile(session, load_keyring(), people.mother, Profile("", BORN, None))
    namesake = await add_person(session, Bsn("999990044"), name, born)
    taken = await accept_offer(
        session, load_keyring(), CodeHolder(namesake, Assurance.SUBSTANTIAL), offered.code, BORN, at=NOON
    )
    assert taken.gemachtigde_id == namesake


@pytest.mark.parametrize(
    ("giver", "helper"),
    [
        (Profile("", BORN, None), Profile("", BORN, None)),
        (Profile("", BORN, None), Profile("Ans Voorbeeld", BORN, None)),
        (Profile("-", BORN, None), Profile("...", BORN, None)),
        (Profile("Ans Voorbeeld", BORN, None), Profile("Ans Voorbeeld", None, None)),
        (Profile("Ans Voorbeeld", BORN, None), Profile("Ans Voorbeeld", PartialDate(1951, None, None), None)),
    ],
)
async def test_person_without_bsn_with_incomplete_identity_is_accepted(session, giver, helper):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await session.execute(text("UPDATE person SET profile_sealed = NULL WHERE id = :id"), {"id": people.mother})
    await save_profile(session, load_keyring(), people.mother, giver)
    other = await find_or_create_by_broker(session, load_keyring(), "https://b.example", "x", at=NOON)
    await save_profile(session, load_keyring(), other, helper)
    taken = await accept_offer(
        session, load_keyring(), CodeHolder(other, Assurance.SUBSTANTIAL), offered.code, BORN, at=NOON
    )
    assert taken.gemachtigde_id == other
