"""Headers of every response: security, API version, request id."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from machtiging.web import headers
from machtiging.web.errors.handlers import install_error_handlers
from machtiging.web.frame.assets import asset_url


def make_client(issuer: str = "http://localhost:8000") -> httpx.AsyncClient:
    app = FastAPI(openapi_url=None)
    headers.install(app, issuer=issuer)
    install_error_handlers(app)

    @app.get("/api/v1/goed")
    async def goed() -> dict[str, str]:
        return {}

    @app.get("/api/v1/stuk")
    async def stuk() -> None:
        raise ValueError

    @app.get("/pagina")
    async def pagina() -> HTMLResponse:
        return HTMLResponse("<p>")

    @app.get("/eigen")
    async def eigen() -> HTMLResponse:
        return HTMLResponse("<p>", headers={"Content-Security-Policy": "form-action *", "Cache-Control": "public"})

    @app.get("/.well-known/iets")
    async def iets() -> JSONResponse:
        return JSONResponse({})

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


@pytest.mark.parametrize("path", ["/api/v1/goed", "/api/v1/stuk", "/api/v1/anders", "/pagina", "/.well-known/iets"])
async def test_every_response_has_security_headers(path):
    answer = await make_client().get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/v1/goed", "/api/v1/stuk", "/api/v1/anders", "/api/v1/goed/"])
async def test_every_api_response_has_api_version(path):
    assert (await make_client().get(path)).headers["api-version"] == "0.1.0"


async def test_page_response_has_no_api_version():
    assert "api-version" not in (await make_client().get("/pagina")).headers


async def test_page_content_security_policy_allows_own_style_and_forms_only():
    policy = (await make_client().get("/pagina")).headers["content-security-policy"]
    assert "style-src 'self'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


async def test_header_set_by_route_is_kept():
    answer = await make_client().get("/eigen")
    assert answer.headers["content-security-policy"] == "form-action *"
    assert answer.headers["cache-control"] == "public"


async def test_safe_request_id_is_kept():
    answer = await make_client().get("/api/v1/goed", headers={"X-Request-ID": "abc-123.DEF_9"})
    assert answer.headers["x-request-id"] == "abc-123.DEF_9"


async def test_uuid_request_id_is_kept():
    the_id = "12345678-1234-4123-8123-123456789012"
    assert (await make_client().get("/api/v1/goed", headers={"X-Request-ID": the_id})).headers["x-request-id"] == the_id


@pytest.mark.parametrize("offered", ["999990019", "bsn-999990019", "99999001x99999001"])
async def test_request_id_that_contains_a_bsn_is_replaced(offered):
    answer = await make_client().get("/api/v1/goed", headers={"X-Request-ID": offered})
    assert offered not in answer.headers["x-request-id"]
    assert len(answer.headers["x-request-id"]) == 36


@pytest.mark.parametrize("offered", ["kort", "x" * 65, "met spatie en meer", "<script>alert(1)</script>", "a\tbcdefgh"])
async def test_unsafe_request_id_is_replaced(offered):
    answer = await make_client().get("/api/v1/goed", headers={"X-Request-ID": offered})
    assert answer.headers["x-request-id"] != offered
    assert len(answer.headers["x-request-id"]) == 36


async def test_hsts_is_sent_only_with_https_issuer():
    assert "strict-transport-security" not in (await make_client().get("/pagina")).headers
    secure = await make_client("https://machtigen.example").get("/pagina")
    assert secure.headers["strict-transport-security"].startswith("max-age=31536000")


async def test_asset_is_kept_by_the_browser_and_a_missing_one_is_not():
    app = FastAPI(openapi_url=None)
    headers.install(app, issuer="http://localhost:8000")
    install_error_handlers(app)
    app.mount("/static", StaticFiles(packages=[("machtiging.web", "static")]))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")
    assert "immutable" in (await client.get(asset_url("portal.css"))).headers["cache-control"]
    missing = await client.get("/static/portal.000000000000.css")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")
