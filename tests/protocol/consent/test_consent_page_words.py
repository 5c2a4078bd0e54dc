"""The words of the consent page: no codes, and the language of the person."""

from __future__ import annotations

import html
import re

from machtiging.agencies.rules import Theme
from machtiging.message_catalogue import ENGLISH, get_sentence, use_language
from tests.builders.client import make_authorization_details

IN_ENGLISH = {"Accept-Language": "en-GB,en;q=0.9"}


async def open_page(flow, headers: dict[str, str]) -> str:
    """The text of the consent page, without marks."""
    query = {"client_id": flow.app.client_id, "request_uri": await flow.pushed()}
    page = await flow.browser.get("/authorize", params=query, headers=headers)
    assert page.status_code == 200, page.text
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.text.split("<main")[1])))


async def test_consent_page_names_excluded_themes_in_words(oauth) -> None:
    excluded = frozenset({Theme.ZORG, Theme.JUSTITIE, Theme.OVERIG})
    held = await oauth.grant_machtiging(excluded_themes=excluded)
    told = await open_page(await oauth.start_flow(None, held), {})
    labels = [get_sentence(f"labels.theme.{theme}") for theme in ("zorg", "justitie", "overig")]
    assert f"Niet over {', '.join(labels)} " in told
    assert not {"zorg,", "justitie", "overig"} & set(told.split())


async def test_consent_page_says_that_the_app_gets_no_name_and_no_bsn(oauth) -> None:
    told = await open_page(await oauth.start_flow(), {})
    assert "De app krijgt uw naam en BSN niet. De app krijgt alleen een nummer." in told
    assert "schuilnaam" not in told
    assert "substantieel" not in told


async def test_consent_page_follows_accept_language(oauth) -> None:
    excluded = frozenset({Theme.ZORG})
    held = await oauth.grant_machtiging(excluded_themes=excluded)
    told = await open_page(await oauth.start_flow(None, held), IN_ENGLISH)
    with use_language(ENGLISH):
        theme = get_sentence("labels.theme.zorg")
    for words in (
        "May Leesapp do this?",
        "Who asks",
        "We know this app.",
        "see which letters there are read letters save attachments",
        f"Not about {theme} ",
        "letters of 1 January 2020 and later",
        "The app does not get your name or BSN.",
        "10 minutes. After that, the app asks again.",
        "valid until 21 February 2027 at",
        "Yes, I agree",
        "No, I refuse",
    ):
        assert words in told, words
    assert not {"De", "Wie", "Voor", "brieven", "niet"} & set(told.split())


async def test_choice_page_follows_accept_language(oauth) -> None:
    await oauth.grant_machtiging()
    flow = await oauth.start_flow()
    flow.asks = make_authorization_details()
    told = await open_page(flow, IN_ENGLISH)
    assert "Whose post may Leesapp see?" in told
    assert "yourself : your own Berichtenbox" in told
    assert not {"De", "Van", "Kies", "uw"} & set(told.split())
