"""POST /api/v1/aanleveringen for an organisation, by KvK number, vestiging or RSIN."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from machtiging.identity.data_keys import ensure_data_key
from tests.builders.database import bypass_triggers
from tests.builders.letters import UWV, build_upload_parts, make_bericht, make_pdf
from tests.builders.organisations import KVK, add_organisation
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE, ORGANISATIONS, PARTIES, PERSONS, RECOGNITIONS

DELIVERIES_URL = "/api/v1/aanleveringen"
PDF = "application/pdf"
RSIN, OTHER_RSIN, BRANCH = "123456782", "111222333", "000012345678"
BY_KVK, BY_RSIN = {"type": "KVK", "waarde": KVK}, {"type": "RSIN", "waarde": RSIN}
BY_BRANCH = BY_KVK | {"vestigingsnummer": BRANCH}
REGISTERED_ACT, REFUSED_ACT = "organisatie:geregistreerd", "aanlevering:geweigerd"


async def deliver(client, ontvanger, *bijlagen, **changes):
    letter = make_bericht(ontvanger=ontvanger, **changes)
    return await client.post(DELIVERIES_URL, files=build_upload_parts(letter, *bijlagen))


async def read_ontvangers(world):
    return await BERICHTEN.read_column(world, "ontvanger_id")


@pytest.mark.parametrize(
    ("ontvanger", "name", "numbers"),
    [
        (BY_KVK, f"KvK {KVK}", (KVK, None, None)),
        (BY_BRANCH, f"KvK {KVK} vestiging {BRANCH}", (KVK, BRANCH, None)),
        (BY_RSIN, f"RSIN {RSIN}", (None, None, RSIN)),
    ],
    ids=["kvk", "vestiging", "rsin"],
)
async def test_delivery_to_unknown_business_registers_it_without_recognition(
    world, agency_client, ontvanger, name, numbers
):
    answer = await deliver(agency_client, ontvanger, ("a.pdf", make_pdf(), PDF), onderwerp="Loonheffing")
    assert answer.status_code == 201
    assert set(answer.json()) == {"berichtId"}
    row = await ORGANISATIONS.read_one(world)
    assert (row.name, row.kind, (row.kvk, row.vestiging, row.rsin)) == (name, "bedrijf", numbers)
    assert (row.oin, row.recognition_number, row.epoch) == (None, None, 0)
    assert await RECOGNITIONS.count(world) == 0
    letter = await BERICHTEN.read_one(world)
    assert letter.ontvanger_id == row.id
    assert (await PARTIES.read_one(world, id=row.id)).kind == "organisation"
    async with world.sessions() as session:
        key = await ensure_data_key(session, world.keyring, row.id)
    assert key.decrypt(letter.onderwerp_sealed, "bericht", str(letter.id), "onderwerp") == b"Loonheffing"


async def test_registration_of_business_is_journalled_with_its_whole_state_and_the_sender(world, agency_client):
    await deliver(agency_client, BY_KVK)
    await deliver(agency_client, BY_KVK)
    line = await JOURNAL_INTAKE.read_one(world, act=REGISTERED_ACT)
    business = await ORGANISATIONS.read_one(world)
    assert (line.outcome, line.reason, line.client_id) == ("done", "aanlevering", f"client-{UWV}")
    assert (line.object_kind, line.object_id) == ("organisatie", str(business.id))
    assert (line.actor_id, line.capacity, line.on_behalf_of, line.for_person_id) == (None, None, None, None)
    assert line.facts["afzender"] == UWV
    (state,) = line.facts["toestand"]
    assert (state["tabel"], state["mac"]) == ("organisation", business.mac.hex())
    assert (state["rij"]["kvk"], state["rij"]["recognition_number"]) == (KVK, None)
    letters = await JOURNAL_INTAKE.read(world, act="aanlevering:ontvangen")
    assert {(one.for_person_id, one.object_kind, one.on_behalf_of) for one in letters} == {
        (business.id, "bericht", None)
    }


async def test_kvk_and_rsin_of_one_known_organisation_lead_to_one_box(world, agency_client):
    async with world.sessions.begin() as session:
        organisation = await add_organisation(session, rsin=RSIN)
    for ontvanger in (BY_KVK, BY_RSIN):
        assert (await deliver(agency_client, ontvanger)).status_code == 201
    assert await read_ontvangers(world) == [organisation, organisation]
    assert await ORGANISATIONS.count(world) == 1
    assert await JOURNAL_INTAKE.count(world, act=REGISTERED_ACT) == 0


async def test_vestiging_has_a_box_of_its_own(world, agency_client):
    other_branch = BY_KVK | {"vestigingsnummer": "000087654321"}
    for ontvanger in (BY_KVK, BY_BRANCH, other_branch, BY_BRANCH):
        assert (await deliver(agency_client, ontvanger)).status_code == 201
    head_office, first, second, first_again = await read_ontvangers(world)
    assert len({head_office, first, second}) == await ORGANISATIONS.count(world) == 3
    assert first_again == first


async def test_delivery_to_organisation_from_a_migration_makes_its_data_key(world, agency_client, database):
    async with world.sessions.begin() as session:
        organisation = await add_organisation(session)
    async with bypass_triggers(database) as connection:
        without = "UPDATE party SET data_key_wrapped = NULL, kek_version = NULL WHERE id = :id"
        await connection.execute(text(without), {"id": organisation})
    assert (await deliver(agency_client, BY_KVK)).status_code == 201
    assert (await PARTIES.read_one(world, id=organisation)).data_key_wrapped is not None


async def test_delivery_to_business_repeated_is_stored_once(world, agency_client):
    async with world.sessions.begin() as session:
        await add_organisation(session, rsin=RSIN)
    answers = [await deliver(agency_client, each, kenmerk="K1") for each in (BY_KVK, BY_KVK, BY_RSIN)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["berichtId"] for answer in answers}) == await BERICHTEN.count(world) == 1


@pytest.mark.parametrize(
    "other", [BY_BRANCH, BY_RSIN, {"type": "BSN", "waarde": "999990044"}], ids=["vestiging", "rsin", "bsn"]
)
async def test_delivery_with_same_reference_to_other_party_returns_409_and_creates_none(world, agency_client, other):
    await deliver(agency_client, BY_KVK, kenmerk="K1")
    before = await PARTIES.count(world), await PERSONS.count(world), await ORGANISATIONS.count(world)
    answer = await deliver(agency_client, other, kenmerk="K1")
    assert (answer.status_code, answer.json()["code"]) == (409, "kenmerk_al_gebruikt")
    assert (await PARTIES.count(world), await PERSONS.count(world), await ORGANISATIONS.count(world)) == before
    assert await JOURNAL_INTAKE.count(world, act=REGISTERED_ACT) == 1


WRONG_NUMBERS = {
    "short kvk": ({"type": "KVK", "waarde": "8712345"}, "kvk_ongeldig", "waarde"),
    "long kvk": ({"type": "KVK", "waarde": "900000010"}, "kvk_ongeldig", "waarde"),
    "kvk in other digits": ({"type": "KVK", "waarde": "９００００００１"}, "kvk_ongeldig", "waarde"),
    "rsin failing the 11-proef": ({"type": "RSIN", "waarde": "123456783"}, "rsin_ongeldig", "waarde"),
    "rsin of zeroes": ({"type": "RSIN", "waarde": "000000000"}, "rsin_ongeldig", "waarde"),
    "kvk as rsin": ({"type": "RSIN", "waarde": KVK}, "rsin_ongeldig", "waarde"),
    "short vestiging": (BY_KVK | {"vestigingsnummer": "12345678"}, "vestiging_ongeldig", "vestigingsnummer"),
    "empty vestiging": (BY_KVK | {"vestigingsnummer": ""}, "vestiging_ongeldig", "vestigingsnummer"),
    "vestiging with rsin": (BY_RSIN | {"vestigingsnummer": BRANCH}, "vestiging_ongeldig", "vestigingsnummer"),
    "vestiging with bsn": (
        {"type": "BSN", "waarde": "999990019", "vestigingsnummer": BRANCH},
        "vestiging_ongeldig",
        "vestigingsnummer",
    ),
    "unknown type": ({"type": "OIN", "waarde": "90000001"}, "bericht_ongeldig", "type"),
    "type in lower case": ({"type": "kvk", "waarde": KVK}, "bericht_ongeldig", "type"),
    "long vestiging": (BY_KVK | {"vestigingsnummer": BRANCH + "0"}, "bericht_ongeldig", "vestigingsnummer"),
    "number as number": ({"type": "KVK", "waarde": 90000001}, "bericht_ongeldig", "waarde"),
}


@pytest.mark.parametrize("case", WRONG_NUMBERS)
async def test_delivery_with_wrong_number_is_rejected_with_code_and_field(world, agency_client, case):
    ontvanger, code, field = WRONG_NUMBERS[case]
    answer = await deliver(agency_client, ontvanger)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    ((fault),) = answer.json()["fouten"]
    assert fault["veld"] == f"ontvanger.{field}"
    assert fault["melding"].strip()
    assert str(ontvanger["waarde"]) not in answer.text
    assert await world.reasons(REFUSED_ACT) == [code]
    assert str(ontvanger["waarde"]) not in json.dumps([str(row) for row in await JOURNAL_INTAKE.read(world)])
    assert await BERICHTEN.count(world) == await ORGANISATIONS.count(world) == 0


def expect_code(kind: str, digits: str) -> str | None:
    """The rules of the Handelsregister and of the elfproef, written once more."""
    if kind == "KVK":
        return None if len(digits) == 8 else "kvk_ongeldig"
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False))
    return None if len(digits) == 9 and int(digits) and total % 11 == 0 else "rsin_ongeldig"


def complete_rsin(eight_digits: str) -> str:
    """The number with its check digit; with a wrong one if there is none."""
    total = sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), eight_digits, strict=True))
    return f"{eight_digits}{total % 11 % 10}"


digits = st.text("0123456789", min_size=7, max_size=9)
rsins = st.text("0123456789", min_size=8, max_size=8).map(complete_rsin)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(kind=st.sampled_from(["KVK", "RSIN"]), number=digits | rsins)
async def test_number_is_accepted_only_if_it_is_valid(world, agency_client, kind, number):
    answer = await deliver(agency_client, {"type": kind, "waarde": number})
    code = expect_code(kind, number)
    assert (answer.status_code, answer.json().get("code")) == (201 if code is None else 400, code)
    column = {"KVK": "kvk", "RSIN": "rsin"}[kind]
    assert await ORGANISATIONS.count(world, **{column: number}) == (1 if code is None else 0)


async def test_concurrent_deliveries_to_unknown_business_register_it_once(world, agency_client):
    answers = await asyncio.gather(*(deliver(agency_client, BY_KVK) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len(set(await read_ontvangers(world))) == await ORGANISATIONS.count(world) == 1
    assert await PARTIES.count(world, kind="organisation") == 1
    assert await JOURNAL_INTAKE.count(world, act=REGISTERED_ACT) == 1


async def test_row_51_enumeration_delivery_does_not_reveal_whether_a_business_is_known(world, database):
    """The answer and the statements are the same, except for inserting the organisation."""
    async with world.sessions.begin() as session:
        await add_organisation(session)
    done, looks = [], []
    token = await world.issue_token(oin=UWV)
    event.listen(database.service.sync_engine, "before_cursor_execute", lambda *a: done.append(a[2]))
    async with world.client(token) as client:
        for kvk in (KVK, "90000009"):
            done.clear()
            answer = await deliver(client, {"type": "KVK", "waarde": kvk})
            headers = {name for name in answer.headers if name != "x-request-id"}
            looks.append((answer.status_code, set(answer.json()), headers, list(done)))
    known, unknown = looks
    assert known[:3] == unknown[:3]
    extra = [statement for statement in unknown[3] if statement not in known[3]]
    assert len(extra) == 1
    assert "(INSERT INTO organisation " in extra[0]
    assert "INSERT INTO party " in extra[0]


async def test_delivery_to_forged_organisation_is_rejected(world, agency_client, database):
    await deliver(agency_client, BY_KVK)
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE organisation SET name = 'Andere naam'"))
    answer = await deliver(agency_client, BY_KVK)
    assert (answer.status_code, answer.json()["code"]) == (403, "rij_ongeldig")
    assert await BERICHTEN.count(world) == 1
    assert await world.reasons(REFUSED_ACT) == ["rij_ongeldig"]
