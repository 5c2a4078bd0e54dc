"""API problems follow `Accept-Language` (RFC 9110, 12.5.4). Codes and OAuth error descriptions do not."""

import pytest

from tests.builders.client import create_invitation, make_app_metadata, make_bearer_header, make_client_keys

LETTERS = "/api/v1/berichten"


@pytest.mark.parametrize(
    ("accept", "language", "title"),
    [
        ("en", "en", "You are not logged in"),
        ("nl", "nl", "U bent niet ingelogd"),
        ("", "nl", "U bent niet ingelogd"),
        ("fr", "nl", "U bent niet ingelogd"),
    ],
)
async def test_api_problem_follows_accept_language(world, accept, language, title) -> None:
    async with world.client() as client:
        problem = await client.get(LETTERS, headers={"Accept-Language": accept})
    assert problem.status_code == 401
    assert problem.headers["content-language"] == language
    assert "Accept-Language" in problem.headers["vary"]
    assert (problem.json()["title"], problem.json()["code"]) == (title, "token_ontbreekt")


async def test_oauth_error_description_stays_in_english(oauth) -> None:
    app = await oauth.register_reading_app()
    request = {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://app.voorbeeld.example/terug"}
    answers = [
        (await app.http.post("/token", data=app.credentials() | request, headers={"Accept-Language": accept})).json()
        for accept in ("nl", "en")
    ]
    assert answers[0] == answers[1]
    assert answers[0]["error_description"] == "The code or token is not valid, or no longer."


async def test_description_of_registration_error_does_not_follow_accept_language(oauth) -> None:
    metadata = make_app_metadata(make_client_keys(), client_name="")
    answers = []
    for accept in ("nl", "en"):
        headers = make_bearer_header(await create_invitation(oauth)) | {"Accept-Language": accept}
        answer = await oauth.connection().post("/register", json=metadata, headers=headers)
        answers.append((answer.status_code, answer.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 400
