"""GET /api/v1/machtigingen: what a token can be used for, without identifiers of people."""

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from machtiging.delegation.rules import Act
from machtiging.identity.people import save_profile
from machtiging.identity.profile_claims import Profile
from machtiging.kernel.assurance import Assurance
from tests.builders.database import bypass_triggers
from tests.builders.letters import CITIZEN, HELPING, SVB, UWV
from tests.builders.organisations import KVK, OTHER_KVK, change_organisation
from tests.builders.rows import EMPLOYEES, JOURNAL_INTAKE, ORGANISATIONS

MACHTIGINGEN_URL = "/api/v1/machtigingen"
LOW = Assurance.LOW
NAME = "Marijke de Vries"


@pytest.fixture
async def named(world):
    """The box world, in which the citizen has a name."""
    async with world.sessions.begin() as session:
        await save_profile(session, world.keyring, world.citizen, Profile(NAME, None, "marijke@example.nl"))
    return world


async def get_machtigingen(world, token, **params):
    async with world.client(token) as client:
        return await client.get(MACHTIGINGEN_URL, params=params)


async def list_machtigingen(world, token, **params):
    answer = await get_machtigingen(world, token, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["machtigingen"]


async def count_journal_lines(world):
    return len(await JOURNAL_INTAKE.read_column(world, "id"))


@pytest.mark.parametrize(("token", "code"), [(None, "token_ontbreekt"), ("nep", "token_ongeldig")])
async def test_machtigingen_without_valid_token_are_refused(world, token, code):
    answer = await get_machtigingen(world, token)
    assert (answer.status_code, answer.json()["code"]) == (401, code)


async def test_machtigingen_with_token_of_an_agency_are_refused_and_journalled(world):
    answer = await get_machtigingen(world, await world.issue_token(oin=UWV))
    assert (answer.status_code, answer.json()["code"]) == (403, "token_voor_ander_gebruik")
    assert await world.reasons("token:geweigerd") == ["token_voor_ander_gebruik"]


async def test_machtigingen_without_act_lijst_are_refused_and_journalled(world):
    held = await world.grant_machtiging()
    answer = await get_machtigingen(world, await world.issue_token(world.helper, under=held, acts=(Act.READ,)))
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert "lijst" in answer.headers["www-authenticate"]
    assert await world.reasons("bericht:lijst") == ["handeling_niet_toegestaan"]


@pytest.mark.parametrize("params", [{"aantal": "0"}, {"aantal": "100000"}, {"na": "vorige"}])
async def test_machtigingen_with_invalid_page_are_refused(world, params):
    assert (await get_machtigingen(world, await world.issue_helper_token(), **params)).status_code == 400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "paused", "paused_at": timedelta()}, "machtiging_gepauzeerd"),
        ({"starts_at": timedelta(days=1)}, "machtiging_niet_begonnen"),
        ({"ends_at": timedelta(seconds=-1)}, "machtiging_verlopen"),
    ],
    ids=["paused", "not_begun", "expired"],
)
async def test_machtigingen_not_in_force_tell_the_reason_only(named, change, reason):
    now = named.clock.now()
    moments = {name: now + each if isinstance(each, timedelta) else each for name, each in change.items()}
    held = await named.grant_machtiging(**moments)
    token = await named.issue_token(named.helper, under=held, acts=HELPING)
    assert await list_machtigingen(named, token) == [{"machtigingId": str(held), "geldt": False, "reden": reason}]


async def test_machtigingen_after_revocation_tell_the_reason_only(named):
    held = await named.grant_machtiging()
    token = await named.issue_token(named.helper, under=held, acts=HELPING)
    await named.revoke(held)
    answer = await get_machtigingen(named, token)
    assert NAME not in answer.text
    assert answer.json()["machtigingen"] == [
        {"machtigingId": str(held), "geldt": False, "reden": "machtiging_beeindigd"}
    ]


async def test_machtigingen_with_level_below_the_minimum_tell_the_reason_only(named):
    held = await named.grant_machtiging(KVK, capacity="professional")
    token = await named.issue_token(
        named.helper, under=held, acts=HELPING, assurance=Assurance.LOW, organisation_kvk=KVK
    )
    assert await list_machtigingen(named, token) == [
        {"machtigingId": str(held), "geldt": False, "reden": "niveau_te_laag"}
    ]


async def test_machtigingen_in_login_for_another_organisation_tell_the_reason_only(named):
    held = await named.grant_machtiging(KVK, capacity="professional")
    for kvk in (None, OTHER_KVK):
        token = await named.issue_token(named.helper, under=held, acts=HELPING, organisation_kvk=kvk)
        assert await list_machtigingen(named, token) == [
            {"machtigingId": str(held), "geldt": False, "reden": "andere_organisatie"}
        ]


async def test_machtigingen_of_a_row_altered_by_sql_tell_the_reason_only(named, database):
    held = await named.grant_machtiging()
    token = await named.issue_token(named.helper, under=held, acts=HELPING)
    async with bypass_triggers(database) as connection:
        await connection.execute(text("UPDATE machtiging SET purpose = 'iets anders' WHERE id = :id"), {"id": held})
    assert await list_machtigingen(named, token) == [
        {"machtigingId": str(held), "geldt": False, "reden": "rij_ongeldig"}
    ]


async def test_machtigingen_with_token_for_the_own_box_are_empty(named):
    await named.grant_machtiging()
    for person in (named.citizen, named.helper):
        answer = await get_machtigingen(named, await named.issue_token(person))
        assert answer.json() == {
            "machtigingen": [],
            "_links": {"self": {"href": "http://localhost:8000/api/v1/machtigingen?aantal=50"}},
        }


async def test_machtigingen_of_a_relative_hold_scope_and_name_only(named):
    held = await named.grant_machtiging(afzenders=[SVB, UWV], themes=["pensioen", "zorg"], excluded_themes=["zorg"])
    token = await named.issue_token(named.helper, under=held, acts=(Act.LIST, Act.READ))
    assert await list_machtigingen(named, token) == [
        {
            "machtigingId": str(held),
            "geldt": True,
            "vertegenwoordigde": {"naam": NAME},
            "hoedanigheid": "naaste",
            "bereik": {
                "afzenders": [UWV, SVB],
                "themas": ["pensioen", "zorg"],
                "uitgezonderdeThemas": ["zorg"],
                "handelingen": ["lijst", "lezen"],
                "hoogsteGevoeligheid": "gevoelig",
                "berichtenVanaf": "2026-01-01",
            },
            "geldigTot": "2027-02-20T12:00:00Z",
        }
    ]


async def test_machtigingen_of_an_employee_hold_the_assignment_and_the_ceiling(named):
    held = await named.grant_machtiging(KVK, capacity="professional")
    [(organisation_id,)] = await ORGANISATIONS.read(named, "id", kvk=KVK)
    async with named.sessions.begin() as session:
        limits = {"ceiling_sensitivity": "gewoon", "ceiling_days": 30, "ceiling_themes": ["inkomen"]}
        await change_organisation(session, organisation_id, **limits)
    token = await named.issue_token(named.helper, under=held, acts=HELPING, organisation_kvk=KVK)
    [found] = await list_machtigingen(named, token)
    assert (found["machtigingId"], found["hoedanigheid"]) == (str(held), "hulpverlener")
    assert found["organisatie"] == {"naam": f"Wijkteam {KVK}", "kvkNummer": KVK}
    assert (found["bereik"]["hoogsteGevoeligheid"], found["bereik"]["themas"]) == ("gewoon", ["inkomen"])
    assert found["geldigTot"] == "2026-12-22T12:00:00Z"


async def test_machtigingen_have_nothing_that_identifies_a_person_or_employee(named):
    held = await named.grant_machtiging(KVK, capacity="professional")
    token = await named.issue_token(named.helper, under=held, acts=HELPING, organisation_kvk=KVK)
    answer = await get_machtigingen(named, token)
    employees = [str(each) for each in await EMPLOYEES.read_column(named, "id")]
    for hidden in (CITIZEN, str(named.citizen), str(named.helper), "marijke@example.nl", *employees):
        assert hidden not in answer.text
    ids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", answer.text))
    assert ids == {str(held)}


async def test_machtigingen_without_a_known_name_leave_it_out(world):
    [found] = await list_machtigingen(world, await world.issue_helper_token(letters_from=date(2026, 6, 1)))
    assert "vertegenwoordigde" not in found
    assert found["bereik"]["berichtenVanaf"] == "2026-06-01"


async def test_machtigingen_page_after_the_last_id_is_empty(world):
    held = await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=held, acts=HELPING)
    answer = await get_machtigingen(world, token, na=str(held), aantal=1)
    assert answer.json() == {
        "machtigingen": [],
        "_links": {"self": {"href": f"http://localhost:8000/api/v1/machtigingen?aantal=1&na={held}"}},
    }
    before = await get_machtigingen(world, token, na="00000000-0000-0000-0000-000000000000", aantal=1)
    assert [one["machtigingId"] for one in before.json()["machtigingen"]] == [str(held)]


async def test_machtigingen_allowed_leave_no_journal_line(world):
    token, before = await world.issue_helper_token(), await count_journal_lines(world)
    await list_machtigingen(world, token)
    assert await count_journal_lines(world) == before
