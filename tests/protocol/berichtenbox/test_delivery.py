"""POST /api/v1/aanleveringen: which deliveries are accepted or rejected. Each bericht is stored once or not at all."""

import asyncio
import json

import pytest
from sqlalchemy import text

from tests.builders.letters import SVB, UWV, build_upload_parts, make_bericht, make_pdf
from tests.builders.rows import BERICHTEN, READERS

PDF = "application/pdf"
DELIVERIES_URL = "/api/v1/aanleveringen"


async def deliver(client, *bijlagen, **changes):
    return await client.post(DELIVERIES_URL, files=build_upload_parts(make_bericht(**changes), *bijlagen))


async def count(world, table="bericht"):
    return await READERS[table].count(world)


async def test_delivery_returns_201_with_location(world, agency_client):
    answer = await deliver(agency_client, ("brief.pdf", make_pdf(), PDF))
    assert answer.status_code == 201
    assert set(answer.json()) == {"berichtId"}
    assert answer.headers["location"].endswith("/api/v1/berichten/" + answer.json()["berichtId"])
    assert answer.headers["api-version"] == "0.1.0"
    assert await world.reasons("aanlevering:ontvangen") == ["ontvangen"]


async def test_delivered_bericht_is_stored_encrypted(world, agency_client):
    secret = "Zeer vertrouwelijk woord"
    pdf = make_pdf() + secret.encode() + b"%%EOF"
    assert (
        await deliver(agency_client, (f"{secret}.pdf", pdf, PDF), onderwerp=secret, inhoud=secret)
    ).status_code == 201
    for table in ("bericht", "bijlage", "bijlage_part", "person", "journal_intake"):
        for row in await READERS[table].read(world):
            told = b" ".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row)
            assert secret.encode() not in told
            assert b"999990019" not in told


async def test_delivery_takes_theme_and_sensitivity_from_dienst(world, agency_client):
    await deliver(agency_client, dienst="wia-uitkering")
    assert (await BERICHTEN.read(world, "theme", "sensitivity"))[0] == ("inkomen", "vertrouwelijk")


async def test_delivery_repeated_is_stored_once(world, agency_client):
    bericht = make_bericht(kenmerk="K1")
    first = await agency_client.post(DELIVERIES_URL, files=build_upload_parts(bericht, ("a.pdf", make_pdf(), PDF)))
    again = await agency_client.post(DELIVERIES_URL, files=build_upload_parts(bericht, ("a.pdf", make_pdf(), PDF)))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert await count(world) == await count(world, "bijlage") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"onderwerp": "Anders"},
        {"inhoud": "Anders"},
        {"dienst": "scholing"},
        {"publicatietijdstip": "2026-11-22T12:00:00Z"},
    ],
    ids=["subject", "text", "dienst", "time"],
)
async def test_delivery_with_same_reference_and_other_content_returns_409(world, agency_client, change):
    await deliver(agency_client, kenmerk="K1")
    answer = await deliver(agency_client, kenmerk="K1", **change)
    assert answer.status_code == 409
    assert answer.json()["code"] == "kenmerk_al_gebruikt"
    assert await count(world) == 1


async def test_delivery_with_same_reference_and_other_bijlage_or_recipient_returns_409(agency_client):
    await deliver(agency_client, ("a.pdf", make_pdf(), PDF), kenmerk="K1")
    assert (await deliver(agency_client, ("a.pdf", make_pdf(99), PDF), kenmerk="K1")).status_code == 409
    assert (await deliver(agency_client, ("b.pdf", make_pdf(), PDF), kenmerk="K1")).status_code == 409
    other = {"type": "BSN", "waarde": "999990020"}
    assert (await deliver(agency_client, ("a.pdf", make_pdf(), PDF), kenmerk="K1", ontvanger=other)).status_code == 409


@pytest.mark.parametrize(
    ("first", "again"),
    [("caf\u00e9-1", "cafe\u0301-1"), ("cafe\u0301-1", "caf\u00e9-1"), ("K 1", "K\u00a01"), ("K1", "  K1 ")],
    ids=ascii,
)
async def test_delivery_kenmerk_in_other_unicode_form_is_the_same_bericht(world, agency_client, first, again):
    assert (await deliver(agency_client, kenmerk=first)).status_code == 201
    assert (await deliver(agency_client, kenmerk=again)).status_code == 200
    bericht = build_upload_parts(make_bericht(kenmerk=...))
    for written in (again.encode(), b'"' + again.encode() + b'"'):
        answer = await agency_client.post(DELIVERIES_URL, files=bericht, headers={"Idempotency-Key": written})
        assert answer.status_code == 200
    assert await count(world) == 1


async def test_delivery_subject_in_other_unicode_form_is_the_same_bericht(world, agency_client):
    assert (await deliver(agency_client, kenmerk="K1", onderwerp="Uw caf\u00e9")).status_code == 201
    assert (await deliver(agency_client, kenmerk="K1", onderwerp="Uw cafe\u0301")).status_code == 200


async def test_delivery_reference_is_unique_per_sender(world, agency_client):
    await deliver(agency_client, kenmerk="K1")
    async with world.client(await world.issue_token(oin=SVB)) as other:
        assert (await deliver(other, kenmerk="K1", dienst="aow")).status_code == 201


async def test_concurrent_identical_deliveries_are_stored_once(world, agency_client):
    bericht = make_bericht(kenmerk="K1", ontvanger={"type": "BSN", "waarde": "111222333"})
    answers = await asyncio.gather(
        *(
            agency_client.post(DELIVERIES_URL, files=build_upload_parts(bericht, ("a.pdf", make_pdf(), PDF)))
            for _ in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["berichtId"] for answer in answers}) == 1
    assert await count(world) == await count(world, "bijlage") == 1


@pytest.mark.parametrize("header", ["abc-1", '"abc-1"'], ids=["plain", "quoted"])
async def test_delivery_idempotency_key_is_used_as_reference(world, agency_client, header):
    bericht = make_bericht(kenmerk=...)
    answers = [
        await agency_client.post(DELIVERIES_URL, files=build_upload_parts(bericht), headers={"Idempotency-Key": header})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert (await BERICHTEN.read(world, "sender_reference"))[0][0] == "abc-1"


async def test_delivery_without_reference_is_rejected(agency_client):
    answer = await deliver(agency_client, kenmerk=...)
    assert (answer.status_code, answer.json()["code"]) == (400, "kenmerk_ontbreekt")


async def test_delivery_with_bsn_failing_the_11_proef_is_rejected_without_echo(world, agency_client):
    answer = await deliver(agency_client, ontvanger={"type": "BSN", "waarde": "999990018"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bsn_ongeldig")
    assert answer.json()["fouten"][0]["veld"] == "ontvanger.waarde"
    assert "999990018" not in answer.text
    assert await count(world) == 0


@pytest.mark.parametrize("dienst", ["bestaat-niet", "aow"], ids=["unknown", "of another agency"])
async def test_delivery_with_dienst_not_of_the_sender_is_rejected(world, agency_client, dienst):
    answer = await deliver(agency_client, dienst=dienst)
    assert (answer.status_code, answer.json()["code"]) == (400, "dienst_onbekend")
    assert await world.reasons("aanlevering:geweigerd") == ["dienst_onbekend"]


async def test_delivery_by_inactive_sender_returns_403(world, agency_client):
    async with world.sessions.begin() as session:
        await session.execute(text("UPDATE agency SET active = false WHERE oin = :oin"), {"oin": UWV})
    answer = await deliver(agency_client)
    assert (answer.status_code, answer.json()["code"]) == (403, "afzender_niet_actief")


async def test_delivery_without_token_returns_401(world):
    async with world.client() as client:
        answer = await deliver(client)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_ontbreekt")


async def test_delivery_with_citizen_token_returns_403(world):
    async with world.client(await world.issue_token(world.citizen)) as client:
        assert (await deliver(client)).status_code == 403


@pytest.mark.parametrize(
    "extra",
    [{"afzender": SVB}, {"oin": SVB}, {"theme": "zorg"}, {"sensitivity": "gewoon"}, {"id": "1"}, {"gelezen": True}],
    ids=lambda extra: next(iter(extra)),
)
async def test_row_6_mass_assignment_in_delivery_is_rejected(world, agency_client, extra):
    answer = await deliver(agency_client, **extra)
    assert answer.status_code == 400
    assert answer.json()["fouten"] == [{"veld": next(iter(extra)), "melding": "Dit veld kennen wij niet."}]
    assert await count(world) == 0


async def test_row_7_type_confusion_in_delivery_is_rejected_with_the_field(world, agency_client):
    answer = await deliver(agency_client, onderwerp=0, inhoud=False)
    assert answer.status_code == 400
    assert {fault["veld"] for fault in answer.json()["fouten"]} == {"onderwerp", "inhoud"}
    assert await count(world) == 0


@pytest.mark.parametrize(
    "when",
    ["1999-12-31T23:59:59Z", "2028-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
    ids=["long ago", "far ahead", "before the calendar begins in UTC", "after it ends in UTC"],
)
async def test_delivery_with_impossible_publication_time_is_rejected(agency_client, when):
    answer = await deliver(agency_client, publicatietijdstip=when)
    assert (answer.status_code, answer.json()["code"]) == (400, "publicatietijdstip_onmogelijk")


async def test_delivery_of_largest_bericht_is_accepted(agency_client):
    assert (await deliver(agency_client, onderwerp="x" * 255, inhoud="é" * (512 * 1024))).status_code == 201


async def test_row_63_deeply_nested_json_is_rejected(world, agency_client):
    answer = await agency_client.post(DELIVERIES_URL, files=build_upload_parts("[" * 100_000))
    assert (answer.status_code, answer.json()["code"]) == (400, "bericht_ongeldig")
    assert await count(world) == 0


async def test_row_58_html_disguised_as_pdf_is_rejected(world, agency_client):
    answer = await deliver(agency_client, ("brief.pdf", b"<!DOCTYPE html><script>alert(1)</script>%%EOF", PDF))
    assert (answer.status_code, answer.json()["code"]) == (415, "bijlage_geen_pdf")
    assert await count(world) == 0


def build_body(filename: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="bericht"\r\n\r\n' + json.dumps(make_bericht()).encode()
    part = b'\r\n--x\r\nContent-Disposition: form-data; name="bijlage"; filename="' + filename + b'"\r\n\r\n'
    return head + part + make_pdf() + b"\r\n--x--\r\n"


MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


async def test_row_55_path_traversal_in_file_name_is_rejected(world, agency_client):
    answer = await agency_client.post(DELIVERIES_URL, content=build_body(b"../brief.pdf"), headers=MULTIPART)
    assert (answer.status_code, answer.json()["code"]) == (400, "bijlage_naam_ongeldig")
    assert await count(world) == 0


@pytest.mark.whole
async def test_delivery_of_25_mib_bijlage_is_stored_in_parts(world, agency_client):
    assert (await deliver(agency_client, ("groot.pdf", make_pdf(25 * 1024 * 1024), PDF))).status_code == 201
    assert await count(world, "bijlage_part") == 25


@pytest.mark.whole
async def test_delivery_of_101_bijlagen_is_rejected_and_of_100_accepted(world, agency_client):
    many = [(f"{n}.pdf", make_pdf(), PDF) for n in range(101)]
    answer = await deliver(agency_client, *many)
    assert (answer.status_code, answer.json()["code"]) == (413, "te_veel_bijlagen")
    assert await count(world) == 0
    assert (await deliver(agency_client, *many[:100])).status_code == 201
    assert await count(world, "bijlage") == 100


async def test_delivery_cut_halfway_stores_nothing(world, agency_client):
    whole = build_body(b"brief.pdf")
    messages = [
        {"type": "http.request", "body": whole[:400], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = {**agency_client.headers, **MULTIPART, "host": "localhost:8000", "accept": "*/*"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": DELIVERIES_URL,
        "raw_path": DELIVERIES_URL.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await world.app(scope, receive, send)
    assert sent[0]["status"] == 400
    for table in ("bericht", "bijlage", "bijlage_part"):
        assert await count(world, table) == 0


async def test_delivery_with_other_content_type_returns_415(agency_client):
    for kind in ("application/json", "text/plain", "multipart/mixed; boundary=x", "multipart/form-data", ""):
        answer = await agency_client.post(DELIVERIES_URL, content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415


async def test_row_57_compressed_delivery_returns_415(agency_client):
    answer = await agency_client.post(DELIVERIES_URL, content=b"x", headers=MULTIPART | {"Content-Encoding": "gzip"})
    assert answer.status_code == 415
