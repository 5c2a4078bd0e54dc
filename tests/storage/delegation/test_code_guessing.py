"""Brute force of a machtigingscode by many persons, each within the own limit.

`row_53` in the name of a test is row 53 of docs/threat-model.md.
"""

from datetime import timedelta
from uuid import UUID

import pytest

from machtiging.delegation.acceptance import CodeHolder, accept_offer
from machtiging.delegation.code_check import TRIES_BY_CHECK_KIND, CheckKind
from machtiging.delegation.code_tries import MAX_FAILED_TRIES
from machtiging.delegation.machtigingscode import CODE_LENGTH, generate_code
from machtiging.identity.people import find_or_create_by_broker
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import InvalidInput, TooMany
from machtiging.kernel.readable_code import CODE_ALPHABET
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import Committed
from tests.builders.people import BORN
from tests.builders.rows import JOURNAL_INTAKE


async def add_code_holders(committed, count):
    async with unit_of_work(committed.sessions) as session:
        names = [f"gokker-{number}" for number in range(count)]
        found = [
            await find_or_create_by_broker(session, load_keyring(), "https://b.example", n, at=NOON) for n in names
        ]
    return [CodeHolder(person, Assurance.SUBSTANTIAL) for person in found]


async def try_to_accept(committed, helper, code, born):
    async with unit_of_work(committed.sessions) as session:
        return await accept_offer(session, load_keyring(), helper, code, born, at=NOON)


async def test_row_53_brute_force_of_birth_date_blocks_the_code_after_five_tries(database):
    committed = await Committed.begin(database)
    offered, crowd = (
        await committed.offer(),
        await add_code_holders(committed, TRIES_BY_CHECK_KIND[CheckKind.BIRTH_DATE] + 3),
    )
    for number, helper in enumerate(crowd[:-1], start=1):
        with pytest.raises(InvalidInput, match="code_klopt_niet"):
            await try_to_accept(committed, helper, offered.code, BORN + timedelta(days=number))
    with pytest.raises(InvalidInput, match="code_klopt_niet"):
        await try_to_accept(committed, crowd[-1], offered.code, BORN)


async def test_row_53_brute_force_of_codes_is_limited_per_person(database):
    committed = await Committed.begin(database)
    offered, crowd = await committed.offer(), await add_code_holders(committed, 4)
    for helper in crowd:
        for _ in range(MAX_FAILED_TRIES):
            with pytest.raises(InvalidInput, match="code_klopt_niet"):
                await try_to_accept(committed, helper, generate_code(), BORN)
        with pytest.raises(TooMany, match="te_vaak_geprobeerd"):
            await try_to_accept(committed, helper, generate_code(), BORN)
    # Row 54 of docs/threat-model.md: no lockout by the tries of others.
    taken = await try_to_accept(committed, committed.people.helper, offered.code, BORN)
    assert isinstance(taken.id, UUID)
    async with database.sessions() as session:
        counted = await JOURNAL_INTAKE.count(session, act="code:geprobeerd")
    assert counted == len(crowd) * (MAX_FAILED_TRIES + 1) + 1


def test_row_53_code_space_is_too_large_for_brute_force():
    """A million persons guess for a month at a million offers, with the birth date."""
    guesses = 1_000_000 * MAX_FAILED_TRIES * 24 * 30
    codes, birth_dates = len(CODE_ALPHABET) ** (CODE_LENGTH - 1), 70 * 365
    assert guesses * 1_000_000 / codes / birth_dates < 0.01
