"""Errors as problem responses (RFC 9457), without internal detail."""

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict

from machtiging.dependencies import attach_services
from machtiging.kernel import errors
from machtiging.web import body_limits, headers
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.errors.problem_details import PROBLEM_TEMPLATES
from machtiging.web.pages import PageRenderer, PageServices


def make_app(*, pages: bool = True, issuer: str = "http://localhost:8000") -> FastAPI:
    app = FastAPI(openapi_url=None)
    if pages:
        attach_services(app, PageServices(pages=PageRenderer(["machtiging.web"]), practice=True))
    install_error_handlers(app)
    headers.install(app, issuer=issuer)
    body_limits.install(app, default_max_bytes=1000, max_bytes_by_path={"/api/groot": 5000})
    return app


def make_client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


def raising(error: Exception, path: str = "/api/v1/ding", **options) -> httpx.AsyncClient:
    app = make_app(**options)

    @app.api_route(path, methods=["GET", "POST"])
    async def ding() -> None:
        raise error

    return make_client(app)


def every_class(kind: type[errors.MachtigingError] = errors.MachtigingError) -> list[type[errors.MachtigingError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every_class(child))]


@pytest.mark.parametrize("kind", [kind for kind in every_class() if kind.__module__ == errors.__name__])
def test_every_error_class_has_a_problem_response(kind):
    assert kind in PROBLEM_TEMPLATES


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
async def test_error_gives_problem_json_with_its_status(error, status):
    answer = await raising(error).get("/api/v1/ding")
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    challenged = {"error"} if "error=" in answer.headers.get("www-authenticate", "") else set()
    assert set(body) == {"type", "title", "status", "detail", "code", "verzoekId"} | challenged
    assert body["verzoekId"] == answer.headers["x-request-id"]


async def test_refusal_shows_code_and_public_text_only():
    error = errors.NotInForce("machtiging_beeindigd", private="row 17")
    answer = await raising(error).get("/api/v1/ding")
    assert answer.json()["code"] == "machtiging_beeindigd"
    assert answer.json()["detail"] == "Deze machtiging is al gestopt."
    assert "row 17" not in answer.text


async def test_invalid_fields_are_returned_as_fouten():
    error = errors.InvalidInput("bsn_ongeldig", fields={"ontvanger.waarde": errors.Message("rsin_ongeldig")})
    body = (await raising(error).get("/api/v1/ding")).json()
    assert body["fouten"] == [
        {"veld": "ontvanger.waarde", "melding": "Dit RSIN klopt niet. Kijk de negen cijfers goed na."}
    ]


async def test_unexpected_exception_returns_500_with_id_only():
    answer = await raising(ZeroDivisionError("secret 999990019")).get("/api/v1/ding")
    assert answer.status_code == 500
    assert answer.json()["code"] == "interne_fout"
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_fault_returns_500_without_code_and_detail():
    answer = await raising(errors.Fault("versleuteling_klopt_niet", private="key 3")).get("/api/v1/ding")
    assert answer.json()["code"] == "interne_fout"
    assert "versleuteling" not in answer.text


async def test_too_many_requests_has_retry_after():
    answer = await raising(errors.TooMany("te_vaak_geprobeerd", params={"advice": "Wacht."}, retry_after=60)).get(
        "/api/v1/ding"
    )
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("token_ontbreekt", 'Bearer realm="machtiging"'),
        ("token_verlopen", 'Bearer realm="machtiging", error="invalid_token", error_description="token_verlopen"'),
    ],
)
async def test_unauthenticated_response_has_rfc_6750_challenge(code, expected):
    answer = await raising(errors.NotAuthenticated(code)).get("/api/v1/ding")
    assert answer.headers["www-authenticate"] == expected


async def test_error_for_a_browser_is_a_page():
    answer = await raising(errors.NotFound("x"), "/ding").get("/ding", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert '<html lang="nl" ' in answer.text
    assert answer.text.count("<h1>") == 1
    assert "Oefenomgeving" in answer.text


async def test_error_under_api_is_problem_json_for_a_browser():
    answer = await raising(errors.NotFound("x")).get("/api/v1/ding", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_error_without_pages_is_problem_json():
    answer = await raising(errors.NotFound("x"), "/ding", pages=False).get("/ding", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_page_without_session_redirects_to_login_with_return_path():
    client = raising(errors.NotAuthenticated("niet_ingelogd"), "/ding")
    answer = await client.get("/ding?x=1&y=2", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/inloggen?terug=/ding%3Fx%3D1%26y%3D2"


@pytest.mark.parametrize("refusal", [errors.NotAuthenticated("x"), errors.LevelTooLow("x", level="hoog", acr="y")])
async def test_form_without_session_returns_401_without_redirect(refusal):
    answer = await raising(refusal, "/ding").post("/ding", headers={"Accept": "text/html"})
    assert (answer.status_code, "location" in answer.headers) == (401, False)
    assert answer.headers["content-type"].startswith("text/html")


async def test_unknown_path_or_trailing_slash_returns_404():
    client = raising(ValueError())
    for path in ("/api/v1/anders", "/api/v1/ding/"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] == "niet_gevonden"


async def test_wrong_method_returns_405_with_allow():
    answer = await raising(ValueError()).delete("/api/v1/ding")
    assert answer.status_code == 405
    assert answer.json()["code"] == "methode_niet_toegestaan"
    assert {part.strip() for part in answer.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


async def test_allow_lists_the_methods_of_every_route():
    app = make_app()
    app.get("/api/v1/ding/{x}")(lambda x: None)
    app.patch("/api/v1/ding/{x}")(lambda x: None)
    client = make_client(app)
    assert (await client.put("/api/v1/ding/1")).headers["allow"] == "GET, HEAD, PATCH"
    options = await client.options("/api/v1/ding/1")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, PATCH")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    gelezen: bool
    map: str


async def test_invalid_input_returns_400_with_every_fault_and_no_value():
    app = make_app()

    @app.post("/api/v1/ding")
    async def ding(body: _Body) -> None:
        """Never reached."""

    answer = await make_client(app).post("/api/v1/ding", json={"gelezen": 0, "extra\r\n": "999990019"})
    assert answer.status_code == 400
    assert {(fault["veld"], fault["soort"]) for fault in answer.json()["fouten"]} == {
        ("gelezen", "bool_type"),
        ("map", "missing"),
        ("extra", "extra_forbidden"),
    }
    assert "999990019" not in answer.text


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 5000, b"\xff\xfe", b"nul"], ids=["truncated", "deep", "not utf-8", "no json"]
)
async def test_row_63_malformed_or_deeply_nested_json_returns_400(body):
    app = make_app()
    body_limits.install(app, default_max_bytes=10_000)

    @app.post("/api/v1/ding")
    async def ding(body: _Body) -> None:
        """Never reached."""

    answer = await make_client(app).post("/api/groot", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 404}
    answer = await make_client(app).post(
        "/api/v1/ding", content=body[:999], headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


def reading_app() -> FastAPI:
    app = make_app()

    async def count_bytes(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    app.post("/api/v1/ding")(count_bytes)
    app.post("/api/groot")(count_bytes)
    return app


async def chunks(count: int):
    for _ in range(count):
        yield b"x" * 100


@pytest.mark.parametrize("body", [b"x" * 1001, chunks(11)], ids=["with a length", "in chunks"])
async def test_body_over_the_limit_returns_413(body):
    answer = await make_client(reading_app()).post("/api/v1/ding", content=body)
    assert answer.status_code == 413
    assert answer.json()["code"] == "verzoek_te_groot"


async def test_body_at_the_limit_is_accepted():
    client = make_client(reading_app())
    assert (await client.post("/api/v1/ding", content=b"x" * 1000)).json() == {"bytes": 1000}
    assert (await client.post("/api/groot", content=chunks(50))).json() == {"bytes": 5000}
    assert (await client.post("/api/groot", content=chunks(51))).status_code == 413


async def test_row_57_compressed_body_returns_415():
    answer = await make_client(reading_app()).post("/api/v1/ding", content=b"x", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


async def test_invalid_content_length_returns_400():
    answer = await make_client(reading_app()).post("/api/v1/ding", content=b"x", headers={"Content-Length": "-1"})
    assert answer.status_code == 400
