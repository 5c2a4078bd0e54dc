"""Every error has one answer, and nothing from inside leaks."""

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict

from machtiging.dependencies import attach_services
from machtiging.kernel import errors
from machtiging.web import headers, limits, problems
from machtiging.web.pages import Pages, PageServices


def an_app(*, pages: bool = True, issuer: str = "http://localhost:8000") -> FastAPI:
    app = FastAPI(openapi_url=None)
    if pages:
        attach_services(app, PageServices(pages=Pages(["machtiging.web"]), practice=True))
    problems.install(app)
    headers.install(app, issuer=issuer)
    limits.install(app, default=1000, larger={"/api/groot": 5000})
    return app


def a_client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


def raising(error: Exception, path: str = "/api/v1/ding", **options) -> httpx.AsyncClient:
    app = an_app(**options)

    @app.api_route(path, methods=["GET", "POST"])
    async def ding() -> None:
        raise error

    return a_client(app)


def every_class(kind: type[errors.MachtigingError] = errors.MachtigingError) -> list[type[errors.MachtigingError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every_class(child))]


@pytest.mark.parametrize("kind", [kind for kind in every_class() if kind.__module__ == errors.__name__])
def test_every_class_of_error_has_an_answer_of_its_own(kind):
    assert kind in problems.ANSWERS


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput("x"), 400),
        (errors.NotAuthenticated("x"), 401),
        (errors.NotAllowed("x"), 403),
        (errors.NotInForce("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.TooLarge("x"), 413),
        (errors.UnsupportedMedia("x"), 415),
        (errors.TooMany("x"), 429),
        (errors.Fault("x"), 500),
        (errors.Fault("opslag_niet_bereikbaar"), 503),
    ],
)
async def test_an_error_of_ours_is_a_problem_with_its_status(error, status):
    answer = await raising(error).get("/api/v1/ding")
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    challenged = {"error"} if "error=" in answer.headers.get("www-authenticate", "") else set()
    assert set(body) == {"type", "title", "status", "detail", "code", "verzoekId"} | challenged
    assert body["verzoekId"] == answer.headers["x-request-id"]


async def test_a_refusal_tells_its_code_and_public_sentence_and_keeps_the_private_detail():
    error = errors.NotInForce("machtiging_beeindigd", "Deze machtiging is beëindigd.", private="row 17")
    answer = await raising(error).get("/api/v1/ding")
    assert answer.json()["code"] == "machtiging_beeindigd"
    assert answer.json()["detail"] == "Deze machtiging is beëindigd."
    assert "row 17" not in answer.text


async def test_bad_fields_come_back_as_fouten():
    error = errors.InvalidInput("bsn_ongeldig", "Klopt niet.", fields={"ontvanger.waarde": "Controleer de cijfers."})
    body = (await raising(error).get("/api/v1/ding")).json()
    assert body["fouten"] == [{"veld": "ontvanger.waarde", "melding": "Controleer de cijfers."}]


async def test_an_unexpected_exception_tells_only_its_id():
    answer = await raising(ZeroDivisionError("secret 999990019")).get("/api/v1/ding")
    assert answer.status_code == 500
    assert answer.json()["code"] == "interne_fout"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_fault_hides_its_code_and_detail():
    answer = await raising(errors.Fault("versleuteling_klopt_niet", private="key 3")).get("/api/v1/ding")
    assert answer.json()["code"] == "interne_fout"
    assert "versleuteling" not in answer.text


async def test_too_many_tries_says_when_to_come_back():
    answer = await raising(errors.TooMany("te_vaak_geprobeerd", retry_after=60)).get("/api/v1/ding")
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("token_ontbreekt", 'Bearer realm="machtiging"'),
        ("token_verlopen", 'Bearer realm="machtiging", error="invalid_token", error_description="token_verlopen"'),
    ],
)
async def test_a_401_challenges_as_rfc_6750_says(code, expected):
    answer = await raising(errors.NotAuthenticated(code)).get("/api/v1/ding")
    assert answer.headers["www-authenticate"] == expected


async def test_a_person_with_a_browser_gets_a_page():
    answer = await raising(errors.NotFound("x"), "/ding").get("/ding", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="nl">' in answer.text
    assert answer.text.count("<h1>") == 1
    assert "Oefenomgeving" in answer.text


async def test_under_api_even_a_browser_gets_a_problem():
    answer = await raising(errors.NotFound("x")).get("/api/v1/ding", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_pages_everybody_gets_a_problem():
    answer = await raising(errors.NotFound("x"), "/ding", pages=False).get("/ding", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_who_is_not_logged_in_is_sent_to_the_login_and_back():
    client = raising(errors.NotAuthenticated("niet_ingelogd"), "/ding")
    answer = await client.get("/ding?x=1&y=2", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/inloggen?terug=/ding%3Fx%3D1%26y%3D2"


@pytest.mark.parametrize("refusal", [errors.NotAuthenticated("x"), errors.LevelTooLow("x", level="hoog", acr="y")])
async def test_form_without_session_is_never_redirected_to_the_login(refusal):
    answer = await raising(refusal, "/ding").post("/ding", headers={"Accept": "text/html"})
    assert (answer.status_code, "location" in answer.headers) == (401, False)
    assert answer.headers["content-type"].startswith("text/html")


async def test_an_unknown_path_and_a_slash_too_many_are_404():
    client = raising(ValueError())
    for path in ("/api/v1/anders", "/api/v1/ding/"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "niet_gevonden"


async def test_a_wrong_method_is_a_problem_that_says_what_is_allowed():
    answer = await raising(ValueError()).delete("/api/v1/ding")
    assert answer.status_code == 405
    assert answer.json()["code"] == "methode_niet_toegestaan"
    assert {part.strip() for part in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


async def test_allow_names_the_methods_of_every_route_on_the_path():
    app = an_app()
    app.get("/api/v1/ding/{x}")(lambda x: None)
    app.patch("/api/v1/ding/{x}")(lambda x: None)
    client = a_client(app)
    assert (await client.put("/api/v1/ding/1")).headers["allow"] == "GET, HEAD, PATCH"
    options = await client.options("/api/v1/ding/1")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, PATCH")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    gelezen: bool
    map: str


async def test_invalid_input_is_400_with_every_fault_in_dutch_and_no_value_repeated():
    app = an_app()

    @app.post("/api/v1/ding")
    async def ding(body: _Body) -> None:
        """Never reached."""

    answer = await a_client(app).post("/api/v1/ding", json={"gelezen": 0, "extra\r\n": "999990019"})
    assert answer.status_code == 400
    assert {(fault["veld"], fault["soort"]) for fault in answer.json()["fouten"]} == {
        ("gelezen", "bool_type"),
        ("map", "missing"),
        ("extra", "extra_forbidden"),
    }
    assert "999990019" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"[" * 5000, b"\xff\xfe", b"nul"], ids=["cut", "deep", "not utf-8", "no json"])
async def test_row_63_broken_and_deep_json_is_400(body):
    app = an_app()
    limits.install(app, default=10_000)

    @app.post("/api/v1/ding")
    async def ding(body: _Body) -> None:
        """Never reached."""

    answer = await a_client(app).post("/api/groot", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 404}
    answer = await a_client(app).post("/api/v1/ding", content=body[:999], headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def reading_app() -> FastAPI:
    app = an_app()

    async def taken(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    app.post("/api/v1/ding")(taken)
    app.post("/api/groot")(taken)
    return app


async def chunks(count: int):
    for _ in range(count):
        yield b"x" * 100


@pytest.mark.parametrize("body", [b"x" * 1001, chunks(11)], ids=["with a length", "in chunks"])
async def test_a_body_over_the_limit_is_413(body):
    answer = await a_client(reading_app()).post("/api/v1/ding", content=body)
    assert answer.status_code == 413
    assert answer.json()["code"] == "verzoek_te_groot"


async def test_a_body_at_the_limit_is_taken_and_a_path_may_have_more():
    client = a_client(reading_app())
    assert (await client.post("/api/v1/ding", content=b"x" * 1000)).json() == {"bytes": 1000}
    assert (await client.post("/api/groot", content=chunks(50))).json() == {"bytes": 5000}
    assert (await client.post("/api/groot", content=chunks(51))).status_code == 413


async def test_row_57_a_compressed_body_is_refused_unread():
    answer = await a_client(reading_app()).post("/api/v1/ding", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


async def test_a_length_that_is_no_number_is_400():
    answer = await a_client(reading_app()).post("/api/v1/ding", content=b"x", headers={"Content-Length": "-1"})
    assert answer.status_code == 400
