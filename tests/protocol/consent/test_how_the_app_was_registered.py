"""NL GOV OAuth 3.1.4: the page says how we came to know the app: by hand, by itself, with or without a key."""

from __future__ import annotations

from tests.builders.oauth import App
from tests.builders.registration import a_program, approved

BY_HAND = "vooraf door ons geregistreerd"
BY_ITSELF = "heeft zichzelf bij ons aangemeld"
NO_KEY = "Deze app heeft geen eigen sleutel"


async def page(oauth, app: App, *, practice: bool = True) -> str:
    flow = await oauth.flow(app)
    request_uri = await flow.pushed()
    oauth.service.state.practice = practice
    shown = await flow.authorize(request_uri)
    oauth.service.state.practice = True
    assert shown.status_code == 200, shown.text
    return shown.text


async def test_an_app_that_an_operator_registered(oauth) -> None:
    text = await page(oauth, await oauth.reading_app())
    assert BY_HAND in text
    assert BY_ITSELF not in text
    assert NO_KEY not in text


async def test_an_app_without_a_key(oauth) -> None:
    text = await page(oauth, await oauth.public_app())
    assert BY_HAND in text
    assert NO_KEY in text


async def test_an_app_that_registered_itself_and_was_approved(oauth) -> None:
    oauth.service.state.practice = False
    program = await a_program(oauth)
    await approved(oauth, program.client_id)
    oauth.service.state.practice = True
    text = await page(oauth, program.app, practice=False)
    assert BY_ITSELF + ", en wij hebben dat goedgekeurd" in text
    assert BY_HAND not in text


async def test_in_practice_it_says_that_nobody_looked(oauth) -> None:
    text = await page(oauth, (await a_program(oauth)).app)
    assert BY_ITSELF + "; in een oefenomgeving kijken wij dat niet na" in text
    assert "goedgekeurd" not in text
