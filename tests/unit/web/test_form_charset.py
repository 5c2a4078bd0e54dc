"""Forms with a charset parameter: only UTF-8 is accepted."""

import httpx
import pytest
from fastapi import FastAPI, Request

from machtiging.web import body_limits
from machtiging.web.errors.handlers import install_error_handlers


@pytest.fixture
def application() -> FastAPI:
    made = FastAPI(openapi_url=None)
    install_error_handlers(made)
    body_limits.install(made)

    @made.post("/")
    async def read(request: Request) -> dict[str, str]:
        return {"a": str((await request.form()).get("a")).encode().decode()}

    return made


async def post(application: FastAPI, charset: str) -> httpx.Response:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\\ud800--.-\r\n--b--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary=b{charset}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://localhost:8000"
    ) as client:
        return await client.post("/", content=body, headers=headers)


@pytest.mark.parametrize("charset", ["raw_unicode_escape", "punycode", "undefined", "utf-7", "utf-8-sig"])
@pytest.mark.parametrize(
    "written", ["; charset={}", '; Charset="{}"', ";charset*=utf-8''{}", ";charset =utf-8;charset={}"]
)
async def test_form_with_charset_other_than_utf_8_returns_415(application, written, charset):
    assert (await post(application, written.format(charset))).status_code == 415


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", ';charset="UTF-8" ; x=y'])
async def test_form_in_utf_8_is_accepted(application, charset):
    answer = await post(application, charset)
    assert (answer.status_code, answer.json()) == (200, {"a": "\\ud800--.-"})
