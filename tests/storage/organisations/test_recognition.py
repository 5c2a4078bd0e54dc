"""Recognition of organisations. One operator proposes, another person confirms."""

import asyncio
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from machtiging.agencies.catalogue import CATALOGUE, upsert_catalogue
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.identity.people import Profile, find_or_create_by_broker, find_or_create_by_bsn, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.errors import Conflict, NotAllowed
from machtiging.organisations.queries import list_organisations, load_organisation_view
from machtiging.organisations.recognition import (
    confirm_recognition,
    drop_proposal,
    narrow_ceiling,
    propose_recognition,
)
from machtiging.organisations.registration import register_afzenders, register_organisation, request_recognition
from machtiging.organisations.rules import ActingOperator, Ceiling, RecognitionProposal, RecognitionStatus
from machtiging.organisations.tables import SEALED_ORGANISATION, SEALED_RECOGNITION
from machtiging.storage.row_mac import verify_row
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.people import MOTHER, SON, add_person
from tests.storage.organisations.organisation_world import (
    CEILING,
    COMMAND_LINE,
    KVK,
    OTHER_KVK,
    RECOGNISED,
    REQUEST,
    make_registration,
)

REGISTERED, PROPOSED, CONFIRMED = "organisatie:geregistreerd", "erkenning:voorgesteld", "erkenning:bevestigd"


async def confirm(world, operator, organisation, number, *, practice=False):
    return await world.do(confirm_recognition, load_keyring(), operator, organisation, number, practice=practice)


async def view_of(world, organisation):
    return await world.do(load_organisation_view, organisation)


async def rows_of(database, sealed):
    async with database.sessions() as session:
        rows = (await session.execute(sealed.table.select())).mappings().all()
        assert all(verify_row(session, sealed, row) for row in rows)
        return rows


async def test_registered_organisation_asks_for_recognition(world):
    organisation = await world.register()
    view = await view_of(world, organisation)
    assert (view.status, view.epoch, view.ceiling, view.authentic) == (RecognitionStatus.REQUESTED, 1, CEILING, True)
    [line] = await world.lines(REGISTERED)
    assert (line.outcome, line.on_behalf_of, line.facts["beheerder"]) == ("done", organisation, "jan")
    assert [one["tabel"] for one in line.facts["toestand"]] == ["organisation", "recognition"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"kvk": KVK}, {"kvk": KVK}),
        ({"kvk": KVK, "vestiging": "000012345678"}, {"kvk": KVK, "vestiging": "000012345678"}),
        ({"kvk": KVK, "rsin": "123456782"}, {"kvk": OTHER_KVK, "rsin": "123456782"}),
        ({"kvk": None, "oin": "00000099000000001000"}, {"kvk": None, "oin": "00000099000000001000"}),
    ],
)
async def test_second_organisation_with_the_same_number_is_refused(world, first, second):
    await world.register(**first)
    code = await world.refuse(register_organisation, load_keyring(), COMMAND_LINE, make_registration(**second), REQUEST)
    assert code == "organisatie_bestaat_al"
    assert len(await rows_of(world.database, SEALED_ORGANISATION)) == 1


async def test_two_vestigingen_of_one_kvk_are_two_organisations(world):
    await world.register(KVK, vestiging="000012345678")
    await world.register(KVK, vestiging="000012345679")
    await world.register(KVK)
    assert len(await world.do(list_organisations)) == 3


async def test_proposal_counts_only_after_another_operator_confirms(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    view = await view_of(world, organisation)
    assert (view.status, view.epoch, view.proposal.number) == (RecognitionStatus.REQUESTED, 1, number)
    assert await confirm(world, world.operators[1], organisation, number) is RecognitionStatus.RECOGNISED
    view = await view_of(world, organisation)
    assert (view.status, view.epoch, view.proposal) == (RecognitionStatus.RECOGNISED, 2, None)


async def test_confirmation_writes_two_rows_and_one_journal_line(world, database):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    await confirm(world, world.operators[1], organisation, number)
    [line] = await world.lines(CONFIRMED)
    assert (line.actor_id, line.reason, line.facts["nummer"]) == (world.operators[1].person_id, "erkend", number)
    [row] = await rows_of(database, SEALED_ORGANISATION)
    current = next(one for one in await rows_of(database, SEALED_RECOGNITION) if one["number"] == number)
    assert [one["mac"] for one in line.facts["toestand"]] == [row["mac"].hex(), current["mac"].hex()]


async def test_confirmation_by_the_proposer_is_refused_and_journalled(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    code = await world.refuse(
        confirm_recognition, load_keyring(), world.operators[0], organisation, number, practice=False
    )
    assert code == "eigen_voorstel"
    [line] = await world.lines(CONFIRMED)
    assert (line.outcome, line.reason) == ("refused", "eigen_voorstel")
    assert (await view_of(world, organisation)).status is RecognitionStatus.REQUESTED


async def test_confirmation_by_a_second_account_of_the_proposer_is_refused(world, database):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    async with unit_of_work(database.sessions) as session:
        same = await add_person(session, MOTHER, "saskia  VERMEULEN", date(1975, 3, 1))
    for practice in (False, True):
        code = await world.refuse(
            confirm_recognition, load_keyring(), ActingOperator(same), organisation, number, practice=practice
        )
        assert code == "eigen_voorstel"


async def test_confirmation_by_a_second_account_with_a_forged_bsn_is_refused(world, database):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    async with unit_of_work(database.sessions) as session:
        same = await add_person(session, MOTHER, "Saskia Vermeulen", date(1975, 3, 1))
    async with bypass_triggers(database) as connection:
        forging = "UPDATE person SET bsn_index = sha256('x'), bsn_sealed = 'x' WHERE id = :proposer"
        await connection.execute(text(forging), {"proposer": world.operators[0].person_id})
    code = await world.refuse(
        confirm_recognition, load_keyring(), ActingOperator(same), organisation, number, practice=False
    )
    assert code == "rij_ongeldig"
    assert (await view_of(world, organisation)).status is RecognitionStatus.REQUESTED


async def test_two_operators_with_a_bsn_are_compared_by_bsn_only(world, database):
    organisation = await world.register()
    async with unit_of_work(database.sessions) as session:
        one, other = [
            ActingOperator(await add_person(session, bsn, "Jan Jansen", date(1970, 1, 1))) for bsn in (MOTHER, SON)
        ]
    number = await world.do(propose_recognition, one, organisation, RECOGNISED)
    assert await confirm(world, other, organisation, number) is RecognitionStatus.RECOGNISED


async def test_confirmation_on_the_command_line_is_refused_outside_the_practice_world(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, COMMAND_LINE, organisation, RECOGNISED)
    code = await world.refuse(confirm_recognition, load_keyring(), COMMAND_LINE, organisation, number, practice=False)
    assert code == "bevestigen_in_sessie"
    await confirm(world, COMMAND_LINE, organisation, number, practice=True)
    assert [line.facts.get("oefenwereld") for line in await world.lines(CONFIRMED)] == [None, True]


async def test_proposal_of_the_command_line_is_confirmed_in_the_practice_world_only(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, COMMAND_LINE, organisation, RECOGNISED)
    confirming = (confirm_recognition, load_keyring(), world.operators[1], organisation, number)
    assert await world.refuse(*confirming, practice=False) == "voorstel_zonder_persoon"
    [line] = await world.lines(CONFIRMED)
    assert (line.outcome, line.reason) == ("refused", "voorstel_zonder_persoon")
    assert await world.do(*confirming, practice=True) is RecognitionStatus.RECOGNISED


@pytest.mark.parametrize(
    ("name", "born"),
    [
        ("Omar Benali", None),
        ("Omar Benali", PartialDate(1982, 7, None)),
        ("Omar Benali", PartialDate(1982, None, None)),
        (" ", date(1982, 7, 9)),
        ("", None),
    ],
)
@pytest.mark.parametrize("confirms", [True, False])
async def test_four_eyes_fail_closed_when_a_person_is_not_known(world, database, confirms, name, born):
    """A person without full name and birth date may be the other one."""
    organisation = await world.register()
    async with unit_of_work(database.sessions) as session:
        unknown = ActingOperator(await find_or_create_by_broker(session, load_keyring(), "https://b", "x", at=NOON))
        await save_profile(session, load_keyring(), unknown.person_id, Profile(name, born, None))
    proposer, confirmer = (world.operators[0], unknown) if confirms else (unknown, world.operators[0])
    number = await world.do(propose_recognition, proposer, organisation, RECOGNISED)
    confirming = (confirm_recognition, load_keyring(), confirmer, organisation, number)
    assert await world.refuse(*confirming, practice=False) == "persoon_niet_zeker"
    [line] = await world.lines(CONFIRMED)
    assert (line.outcome, line.reason) == ("refused", "persoon_niet_zeker")
    assert (await view_of(world, organisation)).status is RecognitionStatus.REQUESTED
    assert await world.do(*confirming, practice=True) is RecognitionStatus.RECOGNISED


async def test_four_eyes_fail_closed_without_a_profile(world, database):
    organisation = await world.register()
    async with unit_of_work(database.sessions) as session:
        person = await find_or_create_by_bsn(session, load_keyring(), MOTHER, at=NOON)
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    confirming = (confirm_recognition, load_keyring(), ActingOperator(person), organisation, number)
    assert await world.refuse(*confirming, practice=False) == "persoon_niet_zeker"


async def test_second_open_proposal_is_refused_until_the_first_is_dropped(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    assert await world.refuse(propose_recognition, world.operators[1], organisation, RECOGNISED) == "voorstel_loopt_al"
    await world.do(drop_proposal, world.operators[0], organisation, number)
    assert await world.do(propose_recognition, world.operators[1], organisation, RECOGNISED) == number + 1


async def test_dropped_or_confirmed_proposal_is_decided_once(world):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    await world.do(drop_proposal, world.operators[1], organisation, number)
    keys = load_keyring()
    assert (
        await world.refuse(confirm_recognition, keys, world.operators[1], organisation, number, practice=False)
        == "voorstel_afgehandeld"
    )
    assert await world.refuse(drop_proposal, world.operators[1], organisation, number) == "voorstel_afgehandeld"
    second = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    await confirm(world, world.operators[1], organisation, second)
    assert await world.refuse(drop_proposal, world.operators[1], organisation, second) == "voorstel_afgehandeld"


async def test_unknown_organisation_or_proposal_is_refused_and_journalled(world):
    organisation, keys, operator = await world.register(), load_keyring(), world.operators[1]
    assert await world.refuse(propose_recognition, operator, uuid4(), RECOGNISED) == "organisatie_onbekend"
    for place, number, code in ((uuid4(), 1, "organisatie_onbekend"), (organisation, 7, "voorstel_onbekend")):
        assert await world.refuse(confirm_recognition, keys, operator, place, number, practice=False) == code
        assert await world.refuse(drop_proposal, operator, place, number) == code
    for act, count in ((PROPOSED, 1), (CONFIRMED, 2), ("erkenning:vervallen", 2)):
        lines = [(line.outcome, line.reason, line.actor_id) for line in await world.lines(act)]
        assert lines == [("refused", "bestaat_niet", operator.person_id)] * count


@pytest.mark.parametrize(
    ("path", "following"),
    [
        ((), RecognitionStatus.SUSPENDED),
        ((), RecognitionStatus.WITHDRAWN),
        ((), RecognitionStatus.REQUESTED),
        ((RecognitionStatus.RECOGNISED,), RecognitionStatus.RECOGNISED),
        ((RecognitionStatus.RECOGNISED,), RecognitionStatus.REFUSED),
        ((RecognitionStatus.REFUSED,), RecognitionStatus.RECOGNISED),
        ((RecognitionStatus.RECOGNISED, RecognitionStatus.WITHDRAWN), RecognitionStatus.RECOGNISED),
    ],
)
async def test_status_that_does_not_follow_is_refused(world, path, following):
    organisation = await world.register()
    for status in path:
        await world.decide(organisation, status)
    proposal = RecognitionProposal(following, "besluit")
    assert await world.refuse(propose_recognition, world.operators[0], organisation, proposal) == "erkenning_kan_niet"
    [*_, line] = await world.lines(PROPOSED)
    assert (line.outcome, line.reason) == ("refused", "erkenning_kan_niet")


async def test_recognition_is_suspended_resumed_and_withdrawn(world):
    organisation = await world.recognise()
    for status in (RecognitionStatus.SUSPENDED, RecognitionStatus.RECOGNISED, RecognitionStatus.WITHDRAWN):
        before = (await view_of(world, organisation)).epoch
        await world.decide(organisation, status)
        view = await view_of(world, organisation)
        assert (view.status, view.epoch) == (status, before + 1)


async def test_concurrent_confirmations_decide_once(world, database):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    third = ActingOperator(await world.add_person("Ruben Derde", date(1990, 1, 1)))
    both = [confirm(world, operator, organisation, number) for operator in (world.operators[1], third)]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert {type(one) for one in results} == {RecognitionStatus, Conflict}
    assert (await view_of(world, organisation)).epoch == 2


@pytest.mark.parametrize("table", ["organisation", "recognition"])
async def test_act_on_a_forged_row_is_refused(world, database, table):
    organisation = await world.register()
    number = await world.do(propose_recognition, world.operators[0], organisation, RECOGNISED)
    column = {"organisation": "name", "recognition": "ground"}[table]
    async with bypass_triggers(database) as connection:
        await connection.execute(text(f"UPDATE {table} SET {column} = 'vervalst'"))
    with pytest.raises(NotAllowed, match="rij_ongeldig"):
        await confirm(world, world.operators[1], organisation, number)
    assert not (await view_of(world, organisation)).authentic
    assert {line.object_kind for line in await world.lines("rij:geweigerd")} == {table}


NARROWER = [
    Ceiling(frozenset({Theme.ZORG}), None, Sensitivity.GEVOELIG, 365),
    Ceiling(CEILING.themes, frozenset({"00000099000000001000"}), Sensitivity.GEVOELIG, 365),
    Ceiling(CEILING.themes, None, Sensitivity.GEWOON, 365),
    Ceiling(CEILING.themes, None, Sensitivity.GEVOELIG, 30),
    Ceiling(CEILING.themes, None, Sensitivity.GEVOELIG, 365, Assurance.HIGH),
]
WIDER = [
    Ceiling(None, None, Sensitivity.GEVOELIG, 365),
    Ceiling(CEILING.themes | {Theme.GEZIN}, None, Sensitivity.GEVOELIG, 365),
    Ceiling(CEILING.themes, None, Sensitivity.VERTROUWELIJK, 365),
    Ceiling(CEILING.themes, None, Sensitivity.GEVOELIG, 366),
    Ceiling(CEILING.themes, None, Sensitivity.GEVOELIG, 30, Assurance.LOW),
]


@pytest.mark.parametrize("ceiling", NARROWER)
async def test_narrower_ceiling_raises_the_epoch(world, ceiling):
    organisation = await world.register()
    assert await world.do(narrow_ceiling, world.operators[0], organisation, ceiling)
    view = await view_of(world, organisation)
    assert (view.ceiling, view.epoch, view.authentic) == (ceiling, 2, True)
    [line] = await world.lines("organisatie:beperkt")
    assert [one["tabel"] for one in line.facts["toestand"]] == ["organisation"]


@pytest.mark.parametrize("ceiling", WIDER)
async def test_wider_ceiling_is_refused_and_journalled(world, ceiling):
    organisation = await world.register()
    assert await world.refuse(narrow_ceiling, world.operators[0], organisation, ceiling) == "plafond_verruimen"
    assert (await view_of(world, organisation)).ceiling == CEILING
    [line] = await world.lines("organisatie:beperkt")
    assert (line.outcome, line.reason) == ("refused", "plafond_verruimen")


async def test_equal_ceiling_changes_nothing(world):
    organisation = await world.register()
    assert not await world.do(narrow_ceiling, world.operators[0], organisation, CEILING)
    assert (await view_of(world, organisation)).epoch == 1
    assert await world.lines("organisatie:beperkt") == []


async def test_afzender_becomes_an_organisation_once_and_may_ask_for_recognition(world, database):
    async with unit_of_work(database.sessions) as session:
        await upsert_catalogue(session)
    assert await world.do(register_afzenders, load_keyring(), COMMAND_LINE) == len(CATALOGUE)
    assert await world.do(register_afzenders, load_keyring(), COMMAND_LINE) == 0
    views = await world.do(list_organisations)
    assert {(view.oin, view.status, view.authentic) for view in views} == {(oin, None, True) for _, oin in CATALOGUE}
    await world.do(request_recognition, COMMAND_LINE, views[0].id, REQUEST)
    assert await world.refuse(request_recognition, COMMAND_LINE, views[0].id, REQUEST) == "erkenning_kan_niet"
    [view] = await world.do(list_organisations, status=RecognitionStatus.REQUESTED)
    assert view.id == views[0].id


async def test_list_of_organisations_is_paged_by_id(world):
    made = [await world.register(f"9000000{number}") for number in range(1, 6)]
    first = await world.do(list_organisations, limit=2)
    second = await world.do(list_organisations, limit=2, after=first[-1].id)
    assert [one.id for one in first + second] == made[:4]


async def test_list_shows_the_current_and_the_open_recognition_of_each(world):
    first, second = await world.recognise(), await world.register(OTHER_KVK)
    suspended = RecognitionProposal(RecognitionStatus.SUSPENDED, "besluit")
    for status in (suspended.status, RecognitionStatus.RECOGNISED):
        await world.decide(first, status)
    await world.do(propose_recognition, world.operators[0], first, suspended)
    views = {view.id: view for view in await world.do(list_organisations)}
    assert (views[first].status, views[first].proposal.number) == (RecognitionStatus.RECOGNISED, 5)
    assert views[first].proposal.status is suspended.status
    assert (views[second].status, views[second].proposal) == (RecognitionStatus.REQUESTED, None)


async def test_organisation_without_mac_opens_nothing(world, database):
    organisation = await world.register()
    async with bypass_triggers(database) as connection:
        await connection.execute(update(SEALED_ORGANISATION.table).values(mac=b""))
        assert await connection.scalar(select(SEALED_ORGANISATION.table.c.mac)) == b""
    assert await world.refuse(propose_recognition, world.operators[0], organisation, RECOGNISED) == "rij_ongeldig"
