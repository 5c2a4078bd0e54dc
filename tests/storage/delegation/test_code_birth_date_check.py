"""The check beside a code when the birth date is partly known or unknown. And reused codes."""

from datetime import date

import pytest
from sqlalchemy import text

from machtiging.delegation.acceptance import CodeHolder, accept_offer, preview_offer
from machtiging.delegation.code_check import CheckAnswer
from machtiging.delegation.code_renewal import CodeToReplace, renew_code
from machtiging.delegation.offer import Giver, offer_machtiging
from machtiging.delegation.queries import load_open_code
from machtiging.delegation.rules import Capacity, EndReason, MachtigingState
from machtiging.delegation.termination import refuse_offer
from machtiging.identity.people import Profile, save_profile
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.birth_date import PartialDate
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.errors import InvalidInput, NotAllowed
from machtiging.message_catalogue import describe_refusal
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import MACHTIGING_LIMITS, add_offer, make_terms
from tests.builders.organisations import add_recognised_organisation
from tests.builders.people import BORN, add_mother_and_son, add_person
from tests.builders.rows import CODE_TRIES, JOURNAL_INTAKE, MACHTIGINGSCODES

RING = load_keyring()
WHOLE = date(1950, 5, 7)
YEAR, MONTH_OF_YEAR, BIRTHDAY = PartialDate(1950, None, None), PartialDate(1950, 5, None), PartialDate(None, 5, 7)


async def add_offer_born(session, born):
    """An offer by a giver with this birth date. The giver, the gemachtigde and the code."""
    people = await add_mother_and_son(session)
    giver = await add_person(session, Bsn("999990032"), "Nel Voorbeeld", born)
    made = await offer_machtiging(session, RING, MACHTIGING_LIMITS, Giver(giver, Assurance.HIGH), make_terms(), at=NOON)
    return giver, people.helper, made


async def checks(session):
    return {
        facts.get("controle") for facts in await JOURNAL_INTAKE.read_column(session, "facts", act="code:geprobeerd")
    }


async def tries_left(session, made):
    return (await load_open_code(session, made.machtiging_id)).tries_left


@pytest.mark.parametrize(
    ("born", "told", "kind", "tries"),
    [
        (WHOLE, WHOLE, "geboortedatum", 5),
        (YEAR, YEAR, "geboortejaar", 3),
        (YEAR, WHOLE, "geboortejaar", 3),
        (YEAR, date(1950, 12, 31), "geboortejaar", 3),
        (MONTH_OF_YEAR, date(1950, 5, 31), "deel_van_geboortedatum", 5),
        (BIRTHDAY, date(1949, 5, 7), "deel_van_geboortedatum", 5),
    ],
)
async def test_code_with_known_birth_date_parts_is_accepted_and_journalled(session, born, told, kind, tries):
    _, helper, made = await add_offer_born(session, born)
    assert (made.check_word, await tries_left(session, made)) == (None, tries)
    taken = await accept_offer(session, RING, helper, made.code, CheckAnswer(told, "wat dan ook"), at=NOON)
    assert (taken.state, await checks(session)) == (MachtigingState.ACTIVE, {kind})


@pytest.mark.parametrize(
    ("born", "told"),
    [
        (WHOLE, YEAR),
        (WHOLE, MONTH_OF_YEAR),
        (WHOLE, BIRTHDAY),
        (WHOLE, date(1951, 5, 7)),
        (YEAR, BIRTHDAY),
        (YEAR, date(1951, 5, 7)),
        (YEAR, None),
        (MONTH_OF_YEAR, YEAR),
        (BIRTHDAY, YEAR),
    ],
)
async def test_code_without_every_known_birth_date_part_is_rejected(session, born, told):
    _, helper, made = await add_offer_born(session, born)
    before = await tries_left(session, made)
    for act in (preview_offer, accept_offer, refuse_offer):
        with pytest.raises(InvalidInput, match="code_klopt_niet"):
            await act(session, RING, helper, made.code, CheckAnswer(told), at=NOON)
    assert await tries_left(session, made) == before - 3


async def test_code_checked_by_birth_year_is_blocked_after_three_tries(session):
    _, helper, made = await add_offer_born(session, YEAR)
    for year in (1947, 1948, 1949):
        with pytest.raises(InvalidInput, match="code_klopt_niet"):
            await accept_offer(session, RING, helper, made.code, PartialDate(year, None, None), at=NOON)
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, RING, helper, made.code, YEAR, at=NOON)


@pytest.mark.parametrize("born", [None, PartialDate(None, 5, None), PartialDate(None, None, 7)])
async def test_giver_without_known_birth_date_gets_a_check_word(session, born):
    _, helper, made = await add_offer_born(session, born)
    for word in ("", "bamoka", made.code):
        for told in (None, WHOLE, PartialDate(None, 5, None), PartialDate(None, None, 7)):
            await session.execute(text("DELETE FROM code_try"))
            await session.execute(text("UPDATE machtigingscode SET tries_left = 5"))
            with pytest.raises(InvalidInput, match="code_klopt_niet"):
                await accept_offer(session, RING, helper, made.code, CheckAnswer(told, word), at=NOON)
    await session.execute(text("DELETE FROM code_try"))
    typed = CheckAnswer(None, f" {made.check_word.upper()}. ")
    taken = await accept_offer(session, RING, helper, made.code, typed, at=NOON)
    assert (taken.state, await checks(session)) == (MachtigingState.ACTIVE, {"controlewoord"})


async def test_check_word_is_stored_as_keyed_hash_and_stays_valid(session):
    giver, helper, made = await add_offer_born(session, None)
    assert await MACHTIGINGSCODES.count(session) == 1
    assert made.check_word not in await MACHTIGINGSCODES.dump(session)
    await save_profile(session, RING, giver, Profile("", WHOLE, None))
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, RING, helper, made.code, WHOLE, at=NOON)
    taken = await accept_offer(session, RING, helper, made.code, CheckAnswer(None, made.check_word), at=NOON)
    assert taken.state is MachtigingState.ACTIVE


async def test_check_word_of_another_code_is_rejected(session):
    giver, helper, made = await add_offer_born(session, None)
    other = await offer_machtiging(
        session, RING, MACHTIGING_LIMITS, Giver(giver, Assurance.HIGH), make_terms(), at=NOON
    )
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, RING, helper, made.code, CheckAnswer(None, other.check_word), at=NOON)


async def test_renewed_code_has_a_new_check_word(session):
    giver, helper, made = await add_offer_born(session, None)
    replaced = CodeToReplace(made.machtiging_id, (await load_open_code(session, made.machtiging_id)).id)
    renewed = await renew_code(session, RING, MACHTIGING_LIMITS, Giver(giver, Assurance.HIGH), replaced, at=NOON)
    assert renewed.check_word not in (None, made.check_word)
    taken = await accept_offer(session, RING, helper, renewed.code, CheckAnswer(None, renewed.check_word), at=NOON)
    assert taken.state is MachtigingState.ACTIVE


@pytest.mark.parametrize("again", [preview_offer, accept_offer, refuse_offer])
async def test_code_reused_by_its_gemachtigde_returns_the_accepted_machtiging(session, again):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    taken = await accept_offer(session, RING, people.helper, offered.code, BORN, at=NOON)
    for told in (BORN, date(1951, 4, 8), CheckAnswer(None)):
        assert await again(session, RING, people.helper, offered.code, told, at=NOON) == taken
    assert await CODE_TRIES.count(session) == 0


@pytest.mark.parametrize("again", [preview_offer, accept_offer, refuse_offer])
async def test_code_reused_after_refusal_returns_the_refused_machtiging(session, again):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    await refuse_offer(session, RING, people.helper, offered.code, BORN, at=NOON)
    found = await again(session, RING, people.helper, offered.code, BORN, at=NOON)
    assert (found.state, found.end_reason) == (MachtigingState.ENDED, EndReason.REFUSED)
    assert await JOURNAL_INTAKE.count(session, act="machtiging:geweigerd") == 1
    assert await CODE_TRIES.count(session) == 0


async def test_code_reused_for_another_organisation_is_rejected_without_a_try(session):
    people = await add_mother_and_son(session)
    await add_recognised_organisation(session, "90000001", people.son)
    offered = await add_offer(session, people, capacity=Capacity.PROFESSIONAL)
    employee = CodeHolder(people.son, Assurance.HIGH, "90000001")
    await accept_offer(session, RING, employee, offered.code, BORN, at=NOON)
    for kvk in (None, "90000002"):
        with pytest.raises(NotAllowed, match="andere_organisatie"):
            await accept_offer(session, RING, CodeHolder(people.son, Assurance.HIGH, kvk), offered.code, BORN, at=NOON)
    assert await CODE_TRIES.count(session) == 0


async def test_replaced_code_is_rejected(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    replaced = CodeToReplace(offered.machtiging_id, (await load_open_code(session, offered.machtiging_id)).id)
    await renew_code(session, RING, MACHTIGING_LIMITS, people.giver, replaced, at=NOON)
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await accept_offer(session, RING, people.helper, offered.code, BORN, at=NOON)


async def test_wrong_code_refusal_shows_the_tries_left(session):
    people = await add_mother_and_son(session)
    offered = await add_offer(session, people)
    told = []
    for _ in range(5):
        with pytest.raises(InvalidInput) as refusal:
            await accept_offer(session, RING, people.helper, offered.code, date(1951, 4, 8), at=NOON)
        told.append(describe_refusal(refusal.value))
    assert ["4 keer" in told[0], "3 keer" in told[1], "2 keer" in told[2], "1 keer" in told[3]] == [True] * 4
    assert "over 60 minuten" in told[4]
    assert "nieuwe code" in told[4]
