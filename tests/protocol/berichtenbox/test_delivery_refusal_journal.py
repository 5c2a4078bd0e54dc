"""Refused deliveries of an authenticated sender are journalled with sender and reason, without the content."""

import json

import pytest
from sqlalchemy import text

from tests.builders.letters import UWV, build_upload_parts, make_bericht, make_pdf
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE, PERSONS

DELIVERIES_URL = "/api/v1/aanleveringen"
PDF = "application/pdf"
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}
NOBODYS_BSN = "999990018"
REFUSED_ACT = "aanlevering:geweigerd"


async def read_journal_lines(world, act=REFUSED_ACT):
    return await JOURNAL_INTAKE.read(world, act=act)


def upload_arguments(*bijlagen, **changes):
    """The arguments of a request that delivers a bericht with these changes."""
    return {"files": build_upload_parts(make_bericht(**changes), *bijlagen)}


REFUSED_DELIVERIES = {
    "bsn_ongeldig": (400, upload_arguments(ontvanger={"type": "BSN", "waarde": NOBODYS_BSN})),
    "publicatietijdstip_onmogelijk": (400, upload_arguments(publicatietijdstip="1999-12-31T23:59:59Z")),
    "dienst_onbekend": (400, upload_arguments(dienst="aow")),
    "bericht_ongeldig": (400, upload_arguments(afzender="x")),
    "kenmerk_ontbreekt": (400, upload_arguments(kenmerk=...)),  # `...` leaves the member out
    "bijlage_geen_pdf": (415, upload_arguments(("brief.pdf", b"<html>", PDF))),
    "bijlage_te_groot": (413, upload_arguments(("brief.pdf", make_pdf(26 * 1024 * 1024), PDF))),
    "te_veel_bijlagen": (413, upload_arguments(*[("brief.pdf", make_pdf(), PDF)] * 101)),
    "onderdeel_onbekend": (400, {"files": [("geheim", (None, b"x"))]}),
    "bericht_ontbreekt": (400, {"files": [("bijlage", ("brief.pdf", make_pdf(), PDF))]}),
    "aanlevering_onvolledig": (400, {"content": b"--x\r\nContent-Disposition: form-data", "headers": MULTIPART}),
    "soort_niet_ondersteund": (415, {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}),
}


@pytest.mark.parametrize("reason", REFUSED_DELIVERIES)
async def test_refused_delivery_is_journalled_once_with_sender_and_reason(world, agency_client, reason):
    status, letter = REFUSED_DELIVERIES[reason]
    answer = await agency_client.post(DELIVERIES_URL, **letter)
    assert (answer.status_code, answer.json()["code"]) == (status, reason)
    (line,) = await read_journal_lines(world)
    assert (line.reason, line.outcome, line.client_id) == (reason, "refused", f"client-{UWV}")
    assert line.facts == {"afzender": UWV}
    assert (line.actor_id, line.for_person_id, line.object_id) == (None, None, None)
    assert await BERICHTEN.count(world) == 0


async def test_refused_delivery_is_journalled_without_bsn_or_content(world, agency_client):
    told = {"onderwerp": "Geheim onderwerp", "inhoud": "Geheime inhoud", "kenmerk": "geheim-kenmerk"}
    await agency_client.post(
        DELIVERIES_URL, **upload_arguments(ontvanger={"type": "BSN", "waarde": NOBODYS_BSN}, **told)
    )
    await agency_client.post(DELIVERIES_URL, **upload_arguments(**told))
    await agency_client.post(DELIVERIES_URL, **upload_arguments(**told | {"inhoud": "Anders, ook geheim"}))
    assert [line.reason for line in await read_journal_lines(world)] == ["bsn_ongeldig", "kenmerk_al_gebruikt"]
    for row in await JOURNAL_INTAKE.read(world):
        written = json.dumps([str(value) for value in row])
        assert "eheim" not in written
        assert NOBODYS_BSN not in written


async def test_delivery_kenmerk_conflict_is_journalled_and_creates_no_person(world, agency_client):
    await agency_client.post(DELIVERIES_URL, **upload_arguments(kenmerk="K1"))
    before = await PERSONS.count(world)
    answer = await agency_client.post(
        DELIVERIES_URL, **upload_arguments(kenmerk="K1", ontvanger={"type": "BSN", "waarde": "123456782"})
    )
    assert answer.status_code == 409
    (line,) = await read_journal_lines(world)
    assert (line.reason, line.for_person_id, line.object_id) == ("kenmerk_al_gebruikt", None, None)
    assert await PERSONS.count(world) == before


async def test_repeated_delivery_is_journalled_as_duplicate(world, agency_client):
    letter = make_bericht(kenmerk="K1")
    answers = [await agency_client.post(DELIVERIES_URL, files=build_upload_parts(letter)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    found = await read_journal_lines(world, "aanlevering:ontvangen")
    assert [(line.reason, line.outcome) for line in found] == [
        ("ontvangen", "done"),
        ("al_ontvangen", "allowed"),
        ("al_ontvangen", "allowed"),
    ]
    assert {line.object_id for line in found} == {answers[0].json()["berichtId"]}
    assert {line.for_person_id for line in found} == {world.citizen}
    assert await read_journal_lines(world) == []


async def test_delivery_by_inactive_sender_is_journalled(world, agency_client):
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE agency SET active = false WHERE oin = :oin"), {"oin": UWV})
    assert (await agency_client.post(DELIVERIES_URL, **upload_arguments())).status_code == 403
    assert [line.reason for line in await read_journal_lines(world)] == ["afzender_niet_actief"]


async def test_unauthenticated_delivery_is_not_journalled(world):
    async with world.client() as stranger:
        assert (await stranger.post(DELIVERIES_URL, **upload_arguments())).status_code == 401
    async with world.client("onzin") as stranger:
        assert (await stranger.post(DELIVERIES_URL, **upload_arguments())).status_code == 401
    assert await JOURNAL_INTAKE.count(world) == 0


async def test_refused_delivery_without_writable_journal_returns_503_without_the_reason(
    world, agency_client, superuser_connection
):
    await superuser_connection.execute("REVOKE INSERT ON journal_intake FROM machtiging_service")
    answer = await agency_client.post(DELIVERIES_URL, **upload_arguments(dienst="aow"))
    assert answer.status_code == 503
    assert "dienst" not in answer.text
