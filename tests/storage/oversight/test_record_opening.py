"""Opening a record: one asks, another person confirms, the person is told. Most of it is refusals."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from machtiging.access.oversight.record_opening import (
    ActingOverseer,
    RecordRequest,
    confirm_record,
    list_openings,
    open_record,
    request_record,
)
from machtiging.access.oversight.rules import OpeningState, OversightRole, RecordPurpose, normalise_case_number
from machtiging.access.oversight.tables import SEALED_RECORD_OPENING, RecordOpening
from machtiging.identity.people import Profile, find_or_create_by_broker, find_or_create_by_bsn, save_profile
from machtiging.kernel.bsn import Bsn
from machtiging.kernel.clock import to_dutch_date
from machtiging.kernel.errors import InvalidInput, Refusal
from machtiging.storage.columns import table_of
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.database import bypass_triggers
from tests.builders.keys import NOON, load_keyring
from tests.builders.people import add_person_without_bsn
from tests.builders.rows import JOURNAL_INTAKE, NOTIFICATIONS

HER_BSN, NOBODYS_BSN = Bsn("999993653"), Bsn("123456782")
REQUEST = RecordRequest(RecordPurpose.COMPLAINT, "zaak-2026/17")
TABLE = table_of(RecordOpening)
HOUR = timedelta(hours=1)


@dataclass
class Oversight:
    """An auditor, a privacy officer and a citizen."""

    database: Any
    her: Any
    auditor: ActingOverseer
    officer: ActingOverseer

    async def ask(self, bsn=HER_BSN, overseer=None, at=NOON):
        async with unit_of_work(self.database.sessions) as session:
            return await request_record(session, load_keyring(), overseer or self.auditor, bsn, REQUEST, at=at)

    async def confirm(self, opening_id, overseer=None, at=NOON):
        async with unit_of_work(self.database.sessions) as session:
            await confirm_record(session, load_keyring(), overseer or self.officer, opening_id, at=at)

    async def read(self, opening_id, overseer=None, at=NOON):
        async with unit_of_work(self.database.sessions) as session:
            return await open_record(session, overseer or self.auditor, opening_id, at=at)

    async def refused(self, act):
        try:
            await act
        except Refusal as refusal:
            return refusal.code
        raise AssertionError("the act was done")

    async def lines(self, act):
        return await JOURNAL_INTAKE.read(self.database, act=act)

    async def messages(self):
        return await NOTIFICATIONS.read(self.database, kind="dossier_geopend")


async def add_overseer(session, name, born, role):
    subject = str(uuid4())  # each a login of its own
    person_id = await find_or_create_by_broker(session, load_keyring(), "https://b.example", subject, at=NOON)
    await save_profile(session, load_keyring(), person_id, Profile(name, born, None))
    return ActingOverseer(person_id, role)


@pytest.fixture
async def oversight(database):
    async with unit_of_work(database.sessions) as session:
        return Oversight(
            database,
            await find_or_create_by_bsn(session, load_keyring(), HER_BSN, at=NOON),
            await add_overseer(session, "Willemijn Bakker", date(1968, 5, 23), OversightRole.AUDITOR),
            await add_overseer(session, "Jan Verhoeven", date(1971, 11, 12), OversightRole.PRIVACY_OFFICER),
        )


async def test_confirmed_record_is_read_by_the_first_and_told_to_the_person(oversight):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id)

    person_id, view = await oversight.read(opening_id)

    assert (person_id, view.state, view.case_number) == (oversight.her, OpeningState.OPEN, "ZAAK-2026/17")
    [message] = await oversight.messages()
    assert (message.person_id, message.facts["role"], message.facts["purpose"]) == (
        oversight.her,
        "auditor",
        "klacht",
    )
    assert message.facts["begins_on"] == to_dutch_date(NOON).isoformat()


async def test_every_step_is_a_journal_line_and_only_a_confirmed_one_names_the_person(oversight):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id)
    await oversight.read(opening_id)
    await oversight.read(opening_id)

    [asked], [confirmed], read = [
        await oversight.lines(f"dossier:{step}") for step in ("gevraagd", "bevestigd", "ingezien")
    ]
    assert (asked.for_person_id, asked.actor_id) == (None, oversight.auditor.person_id)
    assert (confirmed.for_person_id, confirmed.capacity) == (oversight.her, "privacyfunctionaris")
    assert [(line.for_person_id, line.outcome) for line in read] == [(oversight.her, "allowed")] * 2


async def test_request_for_unknown_bsn_looks_the_same_until_confirmation(oversight):
    known, unknown = await oversight.ask(), await oversight.ask(NOBODYS_BSN)

    async with unit_of_work(oversight.database.sessions) as session:
        views = await list_openings(session, oversight.auditor, at=NOON)
    assert {view.id for view in views} == {known, unknown}
    assert len({(view.state, view.purpose, view.case_number, view.ends_at) for view in views}) == 1
    one, other = await oversight.lines("dossier:gevraagd")
    assert (one.reason, one.facts, one.for_person_id) == (other.reason, other.facts, other.for_person_id)
    for opening_id in (known, unknown):
        assert await oversight.refused(oversight.read(opening_id)) == "inzage_wacht"
    assert await oversight.refused(oversight.confirm(unknown)) == "persoon_onbekend"
    assert await oversight.messages() == []


async def test_own_request_is_not_confirmed_by_oneself(oversight):
    opening_id = await oversight.ask()

    assert await oversight.refused(oversight.confirm(opening_id, oversight.auditor)) == "eigen_inzageverzoek"
    [line] = await oversight.lines("dossier:bevestigd")
    assert (line.outcome, line.reason, line.for_person_id) == ("refused", "eigen_inzageverzoek", None)
    assert await oversight.messages() == []


async def test_own_request_is_not_confirmed_with_a_second_login(oversight):
    opening_id = await oversight.ask()
    async with unit_of_work(oversight.database.sessions) as session:
        again = await add_overseer(session, "Willemijn Bakker", date(1968, 5, 23), OversightRole.PRIVACY_OFFICER)

    assert await oversight.refused(oversight.confirm(opening_id, again)) == "eigen_inzageverzoek"


async def test_confirmation_by_unidentified_colleague_is_refused(oversight):
    opening_id = await oversight.ask()
    async with unit_of_work(oversight.database.sessions) as session:
        unsure = await add_overseer(session, "Jan Verhoeven", None, OversightRole.PRIVACY_OFFICER)

    assert await oversight.refused(oversight.confirm(opening_id, unsure)) == "persoon_niet_zeker"


async def test_confirmation_after_seventy_two_hours_is_refused(oversight):
    opening_id = await oversight.ask()

    assert await oversight.refused(oversight.confirm(opening_id, at=NOON + 72 * HOUR)) == "inzage_verlopen"
    assert await oversight.refused(oversight.read(opening_id, at=NOON + 72 * HOUR)) == "inzage_verlopen"
    await oversight.confirm(opening_id, at=NOON + 72 * HOUR - timedelta(seconds=1))


async def test_record_closes_after_twenty_four_hours(oversight):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id, at=NOON + HOUR)

    await oversight.read(opening_id, at=NOON + 25 * HOUR - timedelta(seconds=1))
    assert await oversight.refused(oversight.read(opening_id, at=NOON + 25 * HOUR)) == "inzage_voorbij"


async def test_confirmation_used_twice_is_refused_and_told_once(oversight):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id)

    assert await oversight.refused(oversight.confirm(opening_id, at=NOON + HOUR)) == "inzage_al_bevestigd"
    assert len(await oversight.messages()) == 1


async def test_two_confirmations_at_once_are_one(oversight):
    opening_id = await oversight.ask()

    results = await asyncio.gather(*(oversight.confirm(opening_id) for _ in range(4)), return_exceptions=True)

    assert sorted(getattr(one, "code", "done") for one in results) == ["done"] + ["inzage_al_bevestigd"] * 3
    assert len(await oversight.messages()) == 1


async def test_record_asked_by_another_is_refused(oversight):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id)

    assert await oversight.refused(oversight.read(opening_id, oversight.officer)) == "inzage_onbekend"
    [line] = await oversight.lines("dossier:ingezien")
    assert (line.outcome, line.for_person_id) == ("refused", None)


async def test_unknown_request_is_refused_and_journalled(oversight):
    assert await oversight.refused(oversight.confirm(uuid4())) == "inzage_onbekend"
    assert await oversight.refused(oversight.read(uuid4())) == "inzage_onbekend"
    assert len(await oversight.lines("dossier:bevestigd")) == 1


@pytest.mark.parametrize("column", [name for name in SEALED_RECORD_OPENING.covered if name != "id"])
async def test_forged_request_opens_nothing(oversight, column):
    opening_id = await oversight.ask()
    await oversight.confirm(opening_id)
    async with unit_of_work(oversight.database.sessions) as session:
        other = await add_person_without_bsn(session, "Een Ander", date(1990, 1, 1))
    forged = {
        **dict.fromkeys(("person_id", "asked_by", "confirmed_by"), other),
        **dict.fromkeys(("asker_role", "confirmer_role"), None),
        "purpose": "datalek",
        "case_number": "ANDER-1",
        **dict.fromkeys(("asked_at", "confirmed_at"), NOON + HOUR),
    }
    forged |= {"asker_role": "privacyfunctionaris", "confirmer_role": "auditor"}
    async with bypass_triggers(oversight.database) as connection:
        await connection.execute(update(TABLE).values({column: forged[column]}))

    assert await oversight.refused(oversight.read(opening_id)) == "inzage_onbekend"
    assert len(await oversight.lines("rij:geweigerd")) == 1
    async with unit_of_work(oversight.database.sessions) as session:
        assert await list_openings(session, oversight.auditor, at=NOON) == []


async def test_confirmation_written_without_the_key_opens_nothing(oversight):
    opening_id = await oversight.ask()
    forged = {"confirmed_by": oversight.officer.person_id, "confirmer_role": "auditor", "confirmed_at": NOON}
    async with bypass_triggers(oversight.database) as connection:
        await connection.execute(update(TABLE).values(forged))

    assert await oversight.refused(oversight.read(opening_id)) == "inzage_onbekend"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ab",
        "x" * 41,
        "zaak 1;",
        "123456782",
        "ZAAK-123456782",
        "123.456.782",
        "123-456-782",
        "123/456/782",
        "1234.56-782",
        "2026-123456782",
        "-zaak",
        "zaak-",
        "zaak\n'1",
        "é12",
    ],
)
def test_bad_case_number_is_refused(text):
    with pytest.raises(InvalidInput, match="zaaknummer_ongeldig"):
        normalise_case_number(text)


@pytest.mark.parametrize(
    ("text", "number"), [("zaak-17", "ZAAK-17"), ("2026-001234", "2026-001234"), (" AP/2026.3 ", "AP/2026.3")]
)
def test_case_number_is_kept_in_capitals(text, number):
    assert normalise_case_number(text) == number
