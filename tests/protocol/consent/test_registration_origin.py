"""The consent page says how the app was registered: by an operator or by itself (NL GOV OAuth 3.1.4)."""

from __future__ import annotations

from tests.builders.applications import replace_services
from tests.builders.client import App, approve_program, register_program

BY_HAND = "Wij kennen deze app."
BY_ITSELF = "heeft zichzelf bij ons aangemeld"
NO_KEY = "Deze app heeft geen eigen sleutel"


async def page(oauth, app: App, *, practice: bool = True) -> str:
    flow = await oauth.start_flow(app)
    request_uri = await flow.pushed()
    replace_services(oauth.service, practice=practice)
    shown = await flow.authorize(request_uri)
    replace_services(oauth.service, practice=True)
    assert shown.status_code == 200, shown.text
    return shown.text


async def test_consent_page_of_operator_registered_app_says_so(oauth) -> None:
    text = await page(oauth, await oauth.register_reading_app())
    assert BY_HAND in text
    assert BY_ITSELF not in text
    assert NO_KEY not in text


async def test_consent_page_of_public_client_says_it_has_no_key(oauth) -> None:
    text = await page(oauth, await oauth.register_public_app())
    assert BY_HAND in text
    assert NO_KEY in text


async def test_consent_page_of_self_registered_approved_app_says_so(oauth) -> None:
    replace_services(oauth.service, practice=False)
    program = await register_program(oauth)
    await approve_program(oauth, program.client_id)
    replace_services(oauth.service, practice=True)
    text = await page(oauth, program.app, practice=False)
    assert BY_ITSELF + ". Wij hebben dat goedgekeurd." in text
    assert BY_HAND not in text


async def test_consent_page_of_self_registered_app_in_practice_says_unreviewed(oauth) -> None:
    text = await page(oauth, (await register_program(oauth)).app)
    assert BY_ITSELF + ". In een oefenomgeving kijken wij dat niet na." in text
    assert "goedgekeurd" not in text
