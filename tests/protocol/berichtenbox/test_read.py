"""GET /api/v1/berichten/{berichtId}: readable within the machtiging; anything else is the same 404."""

import asyncio

import pytest
from sqlalchemy import text

from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.ids import uuid7
from tests.builders.database import record_queries
from tests.builders.letters import CITIZEN, HELPER, HELPING, STRANGER, SVB, UWV, make_pdf
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE, READER_MARKS

PDF = "application/pdf"
BERICHTEN_URL = f"{API_PREFIX}/berichten/"


async def get(world, token, path):
    async with world.client(token) as client:
        return await client.get(BERICHTEN_URL + path)


def without_id(answer):
    return {name: value for name, value in answer.json().items() if name != "verzoekId"}


async def test_read_in_scope_by_helper_returns_the_bericht(world):
    bericht_id = await world.deliver_letter(
        ("brief één.pdf", make_pdf(), PDF), onderwerp="Uw AOW", inhoud="Beste <b>mevrouw</b>"
    )
    answer = await get(world, await world.issue_helper_token(), bericht_id)
    body = answer.json()
    bijlage = body.pop("bijlagen")[0]
    assert body == {
        "berichtId": bericht_id,
        "afzender": {"oin": UWV, "naam": "UWV"},
        "dienst": "ww-uitkering",
        "onderwerp": "Uw AOW",
        "inhoud": "Beste <b>mevrouw</b>",
        "publicatietijdstip": "2026-11-23T12:00:00Z",
        "tijdstipOntvangst": "2026-11-23T12:00:00Z",
        "status": {"gelezen": True},
    }
    assert (bijlage["naam"], bijlage["mimeType"], bijlage["grootte"]) == ("brief één.pdf", PDF, len(make_pdf()))
    assert await world.reasons("bericht:lezen") == ["toegestaan"]


async def test_row_3_html_in_bericht_is_returned_as_json_with_nosniff(world):
    bericht_id = await world.deliver_letter(
        inhoud="<script>alert(1)</script>", onderwerp="<img src=x onerror=alert(1)>"
    )
    answer = await get(world, await world.issue_helper_token(), bericht_id)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"


async def out_of_reach(world):
    """One unreadable bericht of each kind, by the reason in the journal."""
    return {
        "afzender_niet_afgesproken": await world.deliver_letter(oin=SVB, dienst="aow"),
        "thema_uitgesloten": await world.deliver_letter(oin=UWV, dienst="ziektewet"),
        "te_gevoelig": await world.deliver_letter(oin=UWV, dienst="wia-uitkering"),
        "te_oud": await world.deliver_letter(oin=UWV, publicatietijdstip="2025-01-01T00:00:00Z"),
        "bericht_van_ander": await world.deliver_letter(oin=UWV, ontvanger={"type": "BSN", "waarde": STRANGER}),
        "bericht_bestaat_niet": str(uuid7()),
    }


async def test_row_38_enumeration_unreadable_bericht_looks_like_unknown_bericht(world):
    letters = await out_of_reach(world)
    letters["bericht_bestaat_niet "] = "geen-id"
    letters["bericht_bestaat_niet  "] = CITIZEN
    token = await world.issue_helper_token(afzenders=[UWV], excluded_themes=["zorg"])
    answers = [await get(world, token, bericht_id) for bericht_id in letters.values()]
    assert {answer.status_code for answer in answers} == {404}
    assert all(without_id(answer) == without_id(answers[0]) for answer in answers)
    unlike = {"x-request-id"}
    told = [{k: v for k, v in answer.headers.items() if k not in unlike} for answer in answers]
    assert all(one == told[0] for one in told)
    assert await world.reasons("bericht:lezen") == [reason.strip() for reason in letters]
    assert await READER_MARKS.read(world) == []


async def test_row_38_timing_unreadable_and_unknown_bericht_take_the_same_statements(world, database):
    letters = await out_of_reach(world)
    token = await world.issue_helper_token(afzenders=[UWV], excluded_themes=["zorg"])
    async with world.client(token) as client:
        await client.get(BERICHTEN_URL + "geen-id")  # the first use of a statement also queries its types
        work = []
        with record_queries(database) as said:
            for bericht_id in [*letters.values(), "geen-id"]:
                said.clear()
                await client.get(BERICHTEN_URL + bericht_id)
                await asyncio.sleep(0)  # asyncpg reports the query a moment later
                work.append(said)
    assert all(one == work[0] for one in work)
    assert len(work[0]) == 2


@pytest.mark.parametrize("asked", [CITIZEN, "geen-uuid", f"00000000-0000-0000-0000-000{CITIZEN}"])
async def test_read_of_unknown_id_is_journalled_without_the_id(world, asked):
    await get(world, await world.issue_helper_token(), asked)
    assert await JOURNAL_INTAKE.read(world, "object_id", act="bericht:lezen") == [(None,)]


@pytest.mark.parametrize("path", ["{}/", "{}//", "{}%00", "{}%2f..%2f", "%2e%2e/", "{}'--", "{{{}}}"])
async def test_read_with_almost_right_path_returns_404(world, path):
    bericht_id = await world.deliver_letter()
    assert (await get(world, await world.issue_helper_token(), path.format(bericht_id))).status_code == 404


async def test_row_38_idor_read_of_bericht_of_another_person_returns_404(world):
    hers, his = await world.deliver_letter(), await world.deliver_letter(ontvanger={"type": "BSN", "waarde": HELPER})
    under = await world.grant_machtiging()
    tokens = {
        "her own box": (await world.issue_token(world.citizen), {hers}),
        "his own box": (await world.issue_token(world.helper), {his}),
        "her box, by him": (await world.issue_token(world.helper, under=under, acts=HELPING), {hers}),
    }
    for who, (token, readable) in tokens.items():
        for bericht_id in (hers, his):
            expected = 200 if bericht_id in readable else 404
            assert (await get(world, token, bericht_id)).status_code == expected, who


async def test_read_by_helper_does_not_mark_it_for_the_citizen(world):
    bericht_id = await world.deliver_letter()
    await get(world, await world.issue_helper_token(), bericht_id)
    async with world.client(await world.issue_token(world.citizen)) as client:
        assert (await client.get(f"{API_PREFIX}/berichten")).json()["berichten"][0]["gelezen"] is False
    row = (await BERICHTEN.read(world, "read_at", "changed_at", "deleted_at", "folder"))[0]
    assert tuple(row) == (None, None, None, None)
    assert (await READER_MARKS.read(world, "person_id"))[0][0] == world.helper


async def test_read_mark_is_kept_per_reader(world):
    bericht_id = await world.deliver_letter()
    hers, his = await world.issue_token(world.citizen), await world.issue_helper_token()
    await get(world, hers, bericht_id)
    async with world.client(his) as client:
        assert (await client.get(f"{API_PREFIX}/berichten")).json()["berichten"][0]["gelezen"] is False
    await get(world, his, bericht_id)
    async with world.client(his) as client:
        assert (await client.get(f"{API_PREFIX}/berichten")).json()["berichten"][0]["gelezen"] is True


async def test_map_of_the_citizen_is_hidden_from_helper(world):
    bericht_id = await world.deliver_letter()
    hers = await world.issue_token(world.citizen)
    async with world.client(hers) as client:
        await client.patch(BERICHTEN_URL + bericht_id, json={"map": "Geheime zaken"})
    assert (await get(world, hers, bericht_id)).json()["status"]["map"] == "Geheime zaken"
    answer = await get(world, await world.issue_helper_token(), bericht_id)
    assert "Geheime zaken" not in answer.text
    assert answer.json()["status"] == {"gelezen": True}


async def test_read_after_revocation_of_machtiging_returns_403(world):
    bericht_id, under = await world.deliver_letter(), await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under, acts=HELPING)
    assert (await get(world, token, bericht_id)).status_code == 200
    await world.revoke(under)
    for path in (bericht_id, str(uuid7())):
        answer = await get(world, token, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "machtiging_beeindigd")
    assert await world.reasons("bericht:lezen") == ["toegestaan", "machtiging_beeindigd", "machtiging_beeindigd"]


async def test_read_without_the_action_returns_403_on_readable_bericht_only(world):
    hers, other = await world.deliver_letter(), await world.deliver_letter(oin=SVB, dienst="aow")
    under = await world.grant_machtiging(afzenders=[UWV])
    token = await world.issue_token(world.helper, under=under, acts=(Act.LIST,))
    answer = await get(world, token, hers)
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert (await get(world, token, other)).status_code == 404


async def test_read_of_sensitive_bericht_with_low_assurance_returns_step_up_challenge(world):
    bericht_id = await world.deliver_letter(oin=SVB, dienst="pgb-trekkingsrecht")
    under = await world.grant_machtiging()
    token = await world.issue_token(world.helper, under=under, acts=HELPING, assurance=Assurance.LOW)
    answer = await get(world, token, bericht_id)
    assert (answer.status_code, answer.json()["code"]) == (401, "niveau_te_laag")


async def test_row_66_ciphertext_moved_to_another_bericht_does_not_decrypt(world):
    first, second = await world.deliver_letter(inhoud="Eerste"), await world.deliver_letter(inhoud="Tweede")
    moving = "UPDATE bericht SET inhoud_sealed = (SELECT inhoud_sealed FROM bericht WHERE id = :other) WHERE id = :one"
    async with world.sessions.begin() as session:
        await session.execute(text(moving), {"one": first, "other": second})
    answer = await get(world, await world.issue_helper_token(), first)
    assert (answer.status_code, answer.json()["code"]) == (500, "interne_fout")
    assert "Tweede" not in answer.text
    assert await READER_MARKS.read(world) == []


@pytest.mark.parametrize("column", ["onderwerp_sealed", "inhoud_sealed"])
async def test_row_66_ciphertext_moved_to_another_citizen_does_not_decrypt(world, column):
    bericht_id = await world.deliver_letter(inhoud="Van haar", onderwerp="Van haar")
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET ontvanger_id = :thief"), {"thief": world.helper})
    answer = await get(world, await world.issue_token(world.helper), bericht_id)
    assert answer.status_code == 500
    assert "Van haar" not in answer.text


async def test_row_66_ciphertext_with_changed_byte_does_not_decrypt(world):
    bericht_id = await world.deliver_letter()
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE bericht SET inhoud_sealed = set_byte(inhoud_sealed, 20, 0)"))
        await session.execute(text("UPDATE bericht SET inhoud_sealed = set_byte(inhoud_sealed, 21, 0)"))
    assert (await get(world, await world.issue_helper_token(), bericht_id)).status_code == 500


@pytest.mark.parametrize(
    "forged",
    [
        {"Host": "kwaad.example"},
        {"X-Forwarded-Host": "kwaad.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=kwaad.example;proto=https"},
        {"X-Original-URL": "/api/v1/berichten/anders", "X-Rewrite-URL": "/x"},
    ],
    ids=lambda forged: next(iter(forged)),
)
async def test_row_60_forged_host_does_not_change_links(world, forged):
    await world.deliver_letter()
    await world.deliver_letter()
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.get(f"{API_PREFIX}/berichten", params={"aantal": 1}, headers=forged)
    assert answer.status_code == 200
    assert "kwaad" not in answer.text + str(answer.headers)
    assert answer.json()["_links"]["next"]["href"].startswith("http://localhost:8000/")


async def test_row_60_forged_host_does_not_change_the_token_audience(world):
    async with world.client(await world.issue_token(oin=UWV)) as client:
        answer = await client.get(f"{API_PREFIX}/berichten", headers={"Host": "kwaad.example"})
    assert answer.status_code == 403


async def test_row_5_log_injection_by_line_break_in_header_reaches_no_answer_or_journal(world):
    bericht_id = await world.deliver_letter()
    async with world.client(await world.issue_helper_token()) as client:
        await client.get(
            BERICHTEN_URL + bericht_id + "%0d%0aSet-Cookie:x", headers={"X-Request-ID": "aaaaaaaa%0d%0abbbb"}
        )
    rows = await JOURNAL_INTAKE.read(world, "object_id", "request_id")
    assert all("\n" not in f"{row}" and "%0d" not in f"{row}" for row in rows)
