"""Help requests in the database: concurrency, limits, forged rows and what an agreement may cover."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.delegation.acceptance import CodeHolder
from machtiging.delegation.amendments.rules import Narrowing
from machtiging.delegation.authority.queries import load_authority
from machtiging.delegation.help_requests.creation import withdraw_help_request
from machtiging.delegation.help_requests.decision import refuse_help_request
from machtiging.delegation.help_requests.opening import open_help_request
from machtiging.delegation.help_requests.queries import (
    list_own_requests,
    list_waiting_for_citizen,
    load_opened_request,
)
from machtiging.delegation.help_requests.retention import expired_delegation_rows_sweep
from machtiging.delegation.help_requests.rules import decode_scope, encode_scope, narrow_terms
from machtiging.delegation.offer import Giver
from machtiging.delegation.rules import GRANTABLE_ACTS, Act, Capacity, MachtigingState, scope_violation
from machtiging.delegation.suspension.emergency_stop import start_emergency_stop
from machtiging.delegation.tables import SEALED_HELP_REQUEST
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import AMSTERDAM, end_of_day, to_dutch_date
from machtiging.kernel.errors import Conflict, InvalidInput, NotAllowed, NotFound, TooMany
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import (
    Committed,
    draw_envelopes,
    draw_scopes,
    make_terms,
)
from tests.builders.organisations import add_employee, add_organisation
from tests.builders.people import BORN, add_mother_and_son, add_person, add_person_without_bsn
from tests.builders.rows import HELP_REQUESTS, JOURNAL_INTAKE, MACHTIGINGEN
from tests.storage.delegation.help_requests import LAST_DAY, LATER, add_request, agree, open_request


async def test_agreement_gives_an_authentic_machtiging_in_force(session):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    machtiging = await agree(session, people.giver, request.id)
    authority = await load_authority(session, machtiging.id, at=LATER)
    assert authority.is_authentic
    assert authority.refusal(people.son, None, None, LATER) is None
    assert (machtiging.state, machtiging.capacity) == (MachtigingState.ACTIVE, Capacity.RELATIVE)
    assert (machtiging.assurance, machtiging.accepted_assurance) == (Assurance.SUBSTANTIAL, Assurance.SUBSTANTIAL)
    assert machtiging.scope == request.scope
    assert machtiging.period.last_day == LAST_DAY


async def test_accepted_assurance_is_that_of_the_requesters_login(session):
    people = await add_mother_and_son(session)
    requester = CodeHolder(people.son, Assurance.HIGH)
    request = await add_request(session, people, requester=requester)
    await open_help_request(session, load_keyring(), people.giver, request.words.code, at=LATER)
    made = await agree(session, people.giver, request.id)
    assert (made.assurance, made.accepted_assurance) == (Assurance.SUBSTANTIAL, Assurance.HIGH)


async def test_agreement_by_another_person_is_not_found(session):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    stranger = Giver(await add_person(session, Bsn("999993653")), Assurance.SUBSTANTIAL)
    with pytest.raises(NotFound, match="hulpvraag_onbekend"):
        await agree(session, stranger, request.id)
    with pytest.raises(NotFound, match="hulpvraag_onbekend"):
        await agree(session, Giver(people.son, Assurance.SUBSTANTIAL), request.id)
    with pytest.raises(NotFound, match="hulpvraag_onbekend"):
        await refuse_help_request(session, load_keyring(), stranger.person_id, request.id, at=LATER)
    with pytest.raises(NotFound, match="hulpvraag_onbekend"):
        await withdraw_help_request(session, load_keyring(), request.id, people.mother, at=LATER)
    assert await MACHTIGINGEN.count(session) == 0


async def test_agreement_with_low_assurance_is_refused(session):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    with pytest.raises(NotAllowed, match="niveau_te_laag"):
        await agree(session, Giver(people.mother, Assurance.LOW), request.id)
    line = (await JOURNAL_INTAKE.read(session, act="hulpvraag:toegestaan"))[-1]
    assert (line.outcome, line.reason) == ("refused", "niveau_te_laag")


async def test_agreement_after_refusal_withdrawal_or_expiry_is_refused_with_its_own_code(session):
    people = await add_mother_and_son(session)
    refused, withdrawn = [await open_request(session, people, key=key) for key in ("een", "twee")]
    await refuse_help_request(session, load_keyring(), people.mother, refused.id, at=LATER)
    await withdraw_help_request(session, load_keyring(), withdrawn.id, people.son, at=LATER)
    expired = await open_request(session, people, key="drie")
    cases = [
        (refused, LATER, "hulpvraag_al_beantwoord"),
        (withdrawn, LATER, "hulpvraag_ingetrokken"),
        (expired, expired.expires_at, "hulpvraag_verlopen"),
    ]
    for request, at, code in cases:
        with pytest.raises(Conflict, match=code):
            await agree(session, people.giver, request.id, at=at)
        assert (await JOURNAL_INTAKE.read(session, act="hulpvraag:toegestaan"))[-1].reason == code
    assert await MACHTIGINGEN.count(session) == 0


async def test_request_is_never_longer_than_its_last_day_or_fourteen_days(session):
    people = await add_mother_and_son(session)
    long = await add_request(session, people)
    short = await add_request(session, people, key="kort", last_day=LAST_DAY - timedelta(days=89))
    assert long.expires_at == end_of_day(to_dutch_date(NOON) + timedelta(days=13))
    assert short.expires_at < NOON + timedelta(days=3)


async def test_request_just_after_midnight_before_the_clock_goes_back_is_stored(session):
    people = await add_mother_and_son(session)
    midnight = datetime(2027, 10, 18, 0, 0, 1, tzinfo=AMSTERDAM).astimezone(UTC)
    request = await add_request(session, people, at=midnight, last_day=date(2027, 12, 31))
    assert request.expires_at == midnight + timedelta(days=14)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"last_day": LAST_DAY + timedelta(days=400)}, "periode_te_lang"),
        ({"last_day": LAST_DAY - timedelta(days=200)}, "periode_omgekeerd"),
        ({"purpose": "x"}, "doel_ongeldig"),
        ({"requester_name": "y" * 200}, "naam_van_helper_ongeldig"),
        ({"for_whom": "Ans\u202e"}, "naam_van_helper_ongeldig"),
        ({"acts": frozenset({Act.DELETE})}, "handeling_niet_te_geven"),
        ({"acts": frozenset()}, "handeling_ontbreekt"),
        ({"themes": frozenset({Theme.ZORG})}, "niets_over"),
        ({"afzenders": frozenset({"00000000000000000000"})}, "afzender_onbekend"),
    ],
)
async def test_request_that_no_machtiging_could_have_is_refused_and_journalled(session, changes, code):
    people = await add_mother_and_son(session)
    with pytest.raises(InvalidInput, match=code):
        await add_request(session, people, **changes)
    assert await HELP_REQUESTS.count(session) == 0
    assert [row.reason for row in await JOURNAL_INTAKE.read(session, act="hulpvraag:gesteld")] == [code]


async def test_request_for_an_organisation_is_refused(session):
    people = await add_mother_and_son(session)
    with pytest.raises(NotAllowed, match="alleen_voor_naaste"):
        await add_request(session, people, requester=CodeHolder(people.son, Assurance.SUBSTANTIAL, "90000001"))


async def test_requests_are_limited_per_day_also_after_withdrawal(session):
    people = await add_mother_and_son(session)
    for number in range(10):
        request = await add_request(session, people, key=str(number))
        await withdraw_help_request(session, load_keyring(), request.id, people.son, at=NOON)
    with pytest.raises(TooMany, match="te_veel_hulpvragen"):
        await add_request(session, people, key="nog een")
    assert await add_request(session, people, key="morgen", at=NOON + timedelta(days=1, seconds=1))


async def test_open_requests_at_the_same_time_do_not_pass_the_limit(database):
    world = await Committed.begin(database)

    async def request(number):
        async with unit_of_work(world.sessions) as session:
            await add_request(session, world.people, key=str(number))

    results = await asyncio.gather(*(request(number) for number in range(8)), return_exceptions=True)
    refused = [one for one in results if isinstance(one, Conflict)]
    assert len(refused) == 3
    assert {one.code for one in refused} == {"te_veel_open_hulpvragen"}
    assert await HELP_REQUESTS.count(world) == 5


async def test_agreement_and_refusal_at_the_same_time_have_one_result(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        request = await open_request(session, world.people)

    async def say_yes():
        async with unit_of_work(world.sessions) as session:
            await agree(session, world.people.giver, request.id)

    async def say_no():
        async with unit_of_work(world.sessions) as session:
            await refuse_help_request(session, load_keyring(), world.people.mother, request.id, at=LATER)

    results = await asyncio.gather(say_yes(), say_no(), say_yes(), return_exceptions=True)
    row = await HELP_REQUESTS.read_one(world)
    made = await MACHTIGINGEN.count(world)
    assert made == (1 if row.state == "agreed" else 0)
    assert {one.code for one in results if one is not None} == {"hulpvraag_al_beantwoord"}


async def test_code_opened_by_two_people_at_the_same_time_is_bound_to_one(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        request = await add_request(session, world.people)
        other = Giver(await add_person(session, Bsn("999993653")), Assurance.SUBSTANTIAL)

    async def open_it(citizen):
        async with unit_of_work(world.sessions) as session:
            return await open_help_request(session, load_keyring(), citizen, request.words.code, at=LATER)

    results = await asyncio.gather(open_it(world.people.giver), open_it(other), return_exceptions=True)
    assert sorted(isinstance(one, InvalidInput) for one in results) == [False, True]


async def test_emergency_stop_at_the_same_time_as_agreement_leaves_nothing_in_force(database):
    world = await Committed.begin(database)
    async with unit_of_work(world.sessions) as session:
        request = await open_request(session, world.people)

    async def say_yes():
        async with unit_of_work(world.sessions) as session:
            await agree(session, world.people.giver, request.id)

    async def stop():
        async with unit_of_work(world.sessions) as session:
            await start_emergency_stop(session, world.people.mother, at=LATER)

    await asyncio.gather(say_yes(), stop(), return_exceptions=True)
    for row in await MACHTIGINGEN.read(world):
        assert row.stopped_at is not None


async def test_second_account_of_the_requester_cannot_open_the_request(session):
    people = await add_mother_and_son(session)
    twin = await add_person_without_bsn(session, "Bram Voorbeeld", None)
    same = await add_person_without_bsn(session, "Ans Voorbeeld", BORN)
    request = await add_request(session, people, requester=CodeHolder(same, Assurance.SUBSTANTIAL))
    with pytest.raises(NotAllowed, match="eigen_hulpvraag"):
        await open_help_request(session, load_keyring(), people.giver, request.words.code, at=LATER)
    assert await open_help_request(
        session, load_keyring(), Giver(twin, Assurance.SUBSTANTIAL), request.words.code, at=LATER
    )


@pytest.mark.parametrize("column", [name for name in SEALED_HELP_REQUEST.covered if name != "id"])
async def test_request_row_changed_without_the_key_is_as_if_absent(session, column):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    row = await HELP_REQUESTS.read_one(session)
    stranger = await add_person(session, Bsn("999993653"))
    forged = {
        "requester_id": stranger,
        "requester_assurance": "hoog",
        "code_hash": b"x" * 32,
        "words_sealed": row.words_sealed[:-1] + bytes([row.words_sealed[-1] ^ 1]),
        "scope": row.scope | {"excluded_themes": []},
        "last_day": row.last_day + timedelta(days=30),
        "state": "withdrawn",
        "created_at": row.created_at + timedelta(hours=1),
        "expires_at": row.expires_at - timedelta(hours=1),
        "opened_by": stranger,
        "opened_at": row.opened_at + timedelta(hours=1),
        "decided_at": LATER,
        "machtiging_id": None,
    }
    organisation = await add_organisation(session)
    forged["organisation_id"] = organisation
    forged["employee_id"] = await add_employee(session, organisation, people.son)
    changes = {column: forged[column]}
    if column in {"state", "decided_at"}:
        changes = {"state": "withdrawn", "decided_at": LATER}
    if column == "machtiging_id":
        made = await agree(session, people.giver, request.id)
        changes = {"state": "waiting", "decided_at": None, "machtiging_id": None}
        assert made
    if column in {"organisation_id", "employee_id"}:
        changes = {name: forged[name] for name in ("organisation_id", "employee_id")}
    await session.execute(update(HELP_REQUESTS.table).values(changes))
    count = await MACHTIGINGEN.count(session)
    citizen = Giver(stranger, Assurance.SUBSTANTIAL) if column == "opened_by" else people.giver
    with pytest.raises(NotFound, match="hulpvraag_onbekend"):
        await agree(session, citizen, request.id)
    assert await MACHTIGINGEN.count(session) == count
    assert await list_waiting_for_citizen(session, citizen.person_id, at=LATER) == []
    requester_id = stranger if column == "requester_id" else people.son
    assert await list_own_requests(session, load_keyring(), requester_id) == []
    assert await JOURNAL_INTAKE.count(session, act="rij:geweigerd") >= 1


async def test_older_row_put_back_makes_no_second_machtiging(session):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    before = dict((await HELP_REQUESTS.read_one(session))._mapping)
    await agree(session, people.giver, request.id)
    await session.execute(update(HELP_REQUESTS.table).values(before))
    with pytest.raises(Conflict, match="hulpvraag_al_beantwoord"):
        await agree(session, people.giver, request.id)
    assert await MACHTIGINGEN.count(session) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"opened_by": "son"},
        {"opened_by": None},
        {"state": "agreed", "decided_at": LATER},
        {"state": "expired"},
        {"state": "refused", "decided_at": LATER, "opened_by": None, "opened_at": None},
        {"expires_at": NOON + timedelta(days=15)},
        {"requester_assurance": "laag"},
    ],
)
async def test_database_refuses_a_request_that_cannot_be(session, changes):
    people = await add_mother_and_son(session)
    await open_request(session, people)
    values = {name: people.son if value == "son" else value for name, value in changes.items()}
    with pytest.raises(IntegrityError):
        await session.execute(update(HELP_REQUESTS.table).values(values))


async def test_request_is_deleted_ninety_days_after_its_expiry(session):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    await agree(session, people.giver, request.id)
    gone_at = request.expires_at + timedelta(days=90)
    assert await expired_delegation_rows_sweep(session, at=gone_at) == 0
    assert await expired_delegation_rows_sweep(session, at=gone_at + timedelta(seconds=1)) == 1
    assert await MACHTIGINGEN.count(session) == 1
    assert await load_opened_request(session, load_keyring(), request.id, people.mother) is None
    await session.execute(delete(HELP_REQUESTS.table))


@pytest.mark.parametrize(
    ("narrowing", "code"),
    [
        (Narrowing(), "hulpvraag_niet_smaller"),
        (Narrowing(last_day=LAST_DAY), "hulpvraag_niet_smaller"),
        (Narrowing(last_day=LAST_DAY + timedelta(days=1)), "hulpvraag_niet_smaller"),
        (Narrowing(last_day=LAST_DAY - timedelta(days=200)), "einddatum_te_vroeg"),
        (Narrowing(excluded_themes=frozenset(Theme)), "niets_over"),
        (Narrowing(highest_sensitivity=Sensitivity.VERTROUWELIJK), "hulpvraag_niet_smaller"),
    ],
)
async def test_narrowing_that_leaves_all_or_nothing_is_refused(session, narrowing, code):
    people = await add_mother_and_son(session)
    request = await open_request(session, people)
    with pytest.raises(InvalidInput, match=code):
        await agree(session, people.giver, request.id, lambda terms: narrow_terms(terms, narrowing, None))
    assert await MACHTIGINGEN.count(session) == 0


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    asked=draw_scopes(),
    less=draw_scopes(),
    themes=st.none() | st.frozensets(st.sampled_from([Theme.ZORG, Theme.INKOMEN, Theme.WONEN])),
    envelope=draw_envelopes(),
)
def test_narrowed_terms_never_cover_a_letter_that_was_not_requested(asked, less, themes, envelope):
    terms = make_terms()
    terms = type(terms)(terms.capacity, terms.purpose, terms.legal_ground, asked, terms.period)
    narrowing = Narrowing(
        afzenders=less.afzenders,
        excluded_themes=less.excluded_themes,
        highest_sensitivity=less.highest_sensitivity,
        letters_from=less.letters_from,
        acts=less.acts,
    )
    try:
        result = narrow_terms(terms, narrowing, themes)
    except InvalidInput:
        return
    assert result.scope.acts <= asked.acts & GRANTABLE_ACTS
    if scope_violation(result.scope, envelope) is None:
        assert scope_violation(asked, envelope) is None
        assert themes is None or envelope.theme in themes


@given(scope=draw_scopes())
def test_scope_of_a_request_is_the_same_after_storage(scope):
    document = encode_scope(scope)
    assert encode_scope(decode_scope(document)) == document
    assert decode_scope(document).excluded_themes == scope.excluded_themes
