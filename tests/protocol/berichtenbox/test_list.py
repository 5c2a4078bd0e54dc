"""GET /api/v1/berichten: the readable berichten, page by page, and no others."""

from datetime import date, timedelta

import pytest

from machtiging.delegation.rules import Act
from machtiging.kernel.assurance import Assurance
from tests.builders.letters import HELPING, SVB, UWV, make_pdf
from tests.builders.rows import READER_MARKS

BERICHTEN_URL = "/api/v1/berichten"


async def list_berichten(world, token, **params):
    async with world.client(token) as client:
        answer = await client.get(BERICHTEN_URL, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(world, token, **params):
    return [bericht["berichtId"] for bericht in (await list_berichten(world, token, **params))["berichten"]]


async def test_list_summary_has_no_text_of_the_bericht(world):
    bericht_id = await world.deliver_letter(
        ("a.pdf", make_pdf(), "application/pdf"), onderwerp="Uw AOW", inhoud="Geheim"
    )
    page = await list_berichten(world, await world.issue_helper_token())
    assert page["berichten"] == [
        {
            "berichtId": bericht_id,
            "afzender": {"oin": UWV, "naam": "UWV"},
            "onderwerp": "Uw AOW",
            "publicatietijdstip": "2026-11-23T12:00:00Z",
            "bijlagen": 1,
            "gelezen": False,
        }
    ]
    assert page["_links"] == {"self": {"href": "http://localhost:8000/api/v1/berichten?aantal=20"}}


async def test_row_40_list_holds_only_berichten_within_the_machtiging(world):
    shown = await world.deliver_letter(oin=UWV)
    await world.deliver_letter(oin=SVB, dienst="aow")
    await world.deliver_letter(oin=UWV, dienst="wia-uitkering")
    await world.deliver_letter(oin=UWV, publicatietijdstip="2025-12-31T22:59:59Z")
    await world.deliver_letter(ontvanger={"type": "BSN", "waarde": "999990044"})
    token = await world.issue_helper_token(afzenders=[UWV])
    assert await ids(world, token) == [shown]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"afzenders": [SVB]}, {"aow", "pgb-trekkingsrecht"}),
        ({"diensten": [f"{UWV}/scholing"]}, {"scholing"}),
        ({"diensten": ["scholing"]}, set()),
        ({"themes": ["pensioen"]}, {"aow"}),
        ({"themes": ["pensioen", "zorg"], "excluded_themes": ["zorg"]}, {"aow"}),
        ({"excluded_themes": ["inkomen"]}, {"aow", "pgb-trekkingsrecht"}),
        ({"highest_sensitivity": "gewoon"}, {"aow", "scholing"}),
        ({"highest_sensitivity": "vertrouwelijk"}, {"aow", "scholing", "pgb-trekkingsrecht"}),
        ({"letters_from": date(2026, 11, 24)}, set()),
    ],
    ids=lambda each: str(sorted(each) if isinstance(each, set) else each),
)
async def test_row_40_each_limit_of_the_machtiging_limits_the_list(world, change, expected):
    made = {
        "aow": await world.deliver_letter(oin=SVB, dienst="aow"),
        "pgb-trekkingsrecht": await world.deliver_letter(oin=SVB, dienst="pgb-trekkingsrecht"),
        "scholing": await world.deliver_letter(oin=UWV, dienst="scholing"),
        "wia-uitkering": await world.deliver_letter(oin=UWV, dienst="wia-uitkering"),
    }
    found = await ids(world, await world.issue_helper_token(**change))
    assert set(found) == {made[dienst] for dienst in expected}


async def test_list_from_date_begins_at_midnight_in_the_netherlands(world):
    await world.deliver_letter(publicatietijdstip="2026-05-31T21:59:59.999999Z")
    shown = await world.deliver_letter(publicatietijdstip="2026-05-31T22:00:00Z")
    assert await ids(world, await world.issue_helper_token(letters_from=date(2026, 6, 1))) == [shown]


async def test_list_hides_bericht_before_its_publication(world, clock):
    bericht_id = await world.deliver_letter(publicatietijdstip="2026-11-23T12:05:00Z")
    token = await world.issue_token(world.citizen)
    assert await ids(world, token) == []
    async with world.client(token) as client:
        assert (await client.get(f"{BERICHTEN_URL}/{bericht_id}")).status_code == 404
    clock.advance(timedelta(minutes=5))
    assert await ids(world, token) == [bericht_id]


async def test_list_for_the_citizen_holds_all_own_berichten(world):
    made = {
        await world.deliver_letter(),
        await world.deliver_letter(dienst="wia-uitkering"),
        await world.deliver_letter(oin=SVB, dienst="aow"),
    }
    assert set(await ids(world, await world.issue_token(world.citizen))) == made


async def test_list_pages_have_no_gaps_or_duplicates(world):
    made = [
        await world.deliver_letter(publicatietijdstip=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2, 3, 3, 3, 4, 5)
    ]
    token, found, cursor = await world.issue_helper_token(), [], {}
    for _ in range(4):
        page = await list_berichten(world, token, aantal=2, **cursor)
        found += [bericht["berichtId"] for bericht in page["berichten"]]
        following = page["_links"].get("next")
        if following is None:
            break
        cursor = {"cursor": following["href"].split("cursor=")[1]}
    assert len(found) == len(made)
    assert set(found) == set(made)
    assert found[:2] == [made[6], made[5]]
    assert following is None


async def test_list_bericht_added_between_two_pages_does_not_shift_the_pages(world):
    made = [await world.deliver_letter(publicatietijdstip=f"2026-11-0{day}T12:00:00Z") for day in (1, 2, 3)]
    token = await world.issue_helper_token()
    first = await list_berichten(world, token, aantal=2)
    await world.deliver_letter()
    cursor = first["_links"]["next"]["href"].split("cursor=")[1]
    assert await ids(world, token, aantal=2, cursor=cursor) == [made[0]]


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1] + ("A" if c[-1] != "A" else "Q"), lambda c: "B" + c[1:], lambda c: c[:20]]
)
async def test_list_cursor_tampered_is_rejected(world, change):
    for _ in range(2):
        await world.deliver_letter()
    token = await world.issue_helper_token()
    cursor = (await list_berichten(world, token, aantal=1))["_links"]["next"]["href"].split("cursor=")[1]
    async with world.client(token) as client:
        answer = await client.get(BERICHTEN_URL, params={"cursor": change(cursor)})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_ongeldig")


@pytest.mark.parametrize("cursor", ["x", "é", "=" * 50, "' OR 1=1 --", "AAAA", ""], ids=repr)
async def test_list_cursor_invented_is_rejected(world, cursor):
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.get(BERICHTEN_URL, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_ongeldig")


async def test_list_cursor_of_another_reader_is_rejected(world):
    for _ in range(2):
        await world.deliver_letter()
    cursor = (await list_berichten(world, await world.issue_token(world.citizen), aantal=1))["_links"]["next"][
        "href"
    ].split("cursor=")[1]
    async with world.client(await world.issue_helper_token()) as client:
        assert (await client.get(BERICHTEN_URL, params={"cursor": cursor})).status_code == 400


@pytest.mark.parametrize("aantal", ["0", "101", "-1", "x", "1e9", "", "1;2"])
async def test_list_page_size_out_of_range_is_rejected(world, aantal):
    async with world.client(await world.issue_helper_token()) as client:
        answer = await client.get(BERICHTEN_URL, params={"aantal": aantal})
    assert answer.status_code == 400
    assert answer.json()["fouten"][0]["veld"] == "query.aantal"


async def test_list_is_journalled_and_marks_nothing_read(world):
    await world.deliver_letter()
    await list_berichten(world, await world.issue_helper_token())
    assert await world.reasons("bericht:lijst") == ["toegestaan"]
    assert await READER_MARKS.read(world) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "paused", "paused_at": "now"}, "machtiging_gepauzeerd"),
        ({"ends_at": -1}, "machtiging_verlopen"),
        ({"starts_at": 1}, "machtiging_niet_begonnen"),
    ],
    ids=["paused", "expired", "not begun"],
)
async def test_list_under_machtiging_not_in_force_returns_403(world, clock, change, code):
    moved = {name: clock.now() + timedelta(hours=value) for name, value in change.items() if isinstance(value, int)}
    if "paused_at" in change:
        moved["paused_at"] = clock.now()
    async with world.client(await world.issue_helper_token(**(change | moved))) as client:
        answer = await client.get(BERICHTEN_URL)
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert await world.reasons("bericht:lijst") == [code]


async def test_list_without_the_action_returns_403(world):
    under = await world.grant_machtiging()
    async with world.client(await world.issue_token(world.helper, under=under, acts=(Act.READ,))) as client:
        answer = await client.get(BERICHTEN_URL)
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")


async def test_list_hides_sensitive_berichten_below_the_assurance_level(world):
    shown = await world.deliver_letter()
    await world.deliver_letter(oin=SVB, dienst="pgb-trekkingsrecht")
    token = await world.issue_token(
        world.helper, under=await world.grant_machtiging(), acts=HELPING, assurance=Assurance.LOW
    )
    assert await ids(world, token) == [shown]
