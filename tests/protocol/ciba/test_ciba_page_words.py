"""The words on the pages of a person at a counter."""

from __future__ import annotations

from machtiging.agencies.rules import Theme
from machtiging.message_catalogue import get_sentence
from tests.builders.client import make_authorization_details
from tests.builders.people import ISSUER

IN_ENGLISH = {"Accept-Language": "en"}


async def test_request_page_names_the_counter_and_when_it_asked(ciba_desk) -> None:
    await ciba_desk.start_request()
    told = (await (await ciba_desk.citizen()).get("/verzoeken")).text
    assert "<dt>Welke balie</dt><dd>Bibliotheek Oost. Wij kennen deze app.</dd>" in told
    assert "<dt>Gevraagd op</dt>" in told
    assert "substantieel" not in told


async def test_request_page_names_excluded_themes_in_words(ciba_desk) -> None:
    held = await ciba_desk.oauth.grant_machtiging(excluded_themes=frozenset({Theme.ZORG}))
    code = await ciba_desk.create_meldcode(ciba_desk.son)
    await ciba_desk.start_request(code, authorization_details=make_authorization_details(held.id))
    told = (await (await ciba_desk.citizen(ciba_desk.son)).get("/verzoeken")).text
    assert f"<dt>Niet over</dt><dd>{get_sentence('labels.theme.zorg')}</dd>" in told


async def test_request_page_follows_accept_language(ciba_desk) -> None:
    await ciba_desk.start_request()
    told = (await (await ciba_desk.citizen()).get("/verzoeken", headers=IN_ENGLISH)).text.split("<main")[1]
    for words in ("May Bibliotheek Oost see your own post?", "Which counter", "I did not ask for this"):
        assert words in told
    assert "U kunt" not in told


async def test_meldcode_page_says_how_long_the_code_works(ciba_desk) -> None:
    browser = await ciba_desk.citizen()
    page = (await browser.get("/aan-de-balie")).text
    csrf = page.split('action="/aan-de-balie"')[1].split('value="')[1].split('"')[0]
    assert "10 minuten lang: tot " in (await browser.post("/aan-de-balie", {"csrf": csrf})).text
    english = await browser.post("/aan-de-balie", {"csrf": csrf}, headers={"Origin": ISSUER} | IN_ENGLISH)
    assert "The code works once, for 10 minutes: until " in english.text
