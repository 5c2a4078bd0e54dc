"""Outbound fetches (`web/outbound/`) against real servers on this machine: SSRF, DNS rebinding, limits."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from machtiging.kernel.errors import Fault
from machtiging.web.outbound.http_client import OutboundHttpClient, OutboundRequestFailed
from machtiging.web.outbound.ssrf_policy import SsrfPolicy
from machtiging.web.outbound.ssrf_transport import SsrfGuardTransport
from machtiging.web.outbound.tls import tls_context
from tests.builders.server import (
    LOOPBACK,
    SITE_NAME,
    NameService,
    make_certificate_authority,
    make_http_response,
    make_json_response,
    make_outbound_client,
    serve_site,
)


async def refusal(visitor: OutboundHttpClient, url: str) -> str:
    with pytest.raises(OutboundRequestFailed) as refused:
        await visitor.get(url)
    return refused.value.code


def url_of(site, path: str = "/jwks", name: str = SITE_NAME) -> str:
    return f"https://{name}:{site.port}{path}"


async def test_fetch_returns_status_body_and_content_type() -> None:
    async with serve_site(answer=make_json_response({"keys": []})) as site:
        answer = await make_outbound_client().get(url_of(site, "/a/b?c=d"))
    assert (answer.status, answer.body) == (200, b'{"keys": []}')
    assert answer.content_type == "application/jwk-set+json"
    (head,) = site.asked
    assert head.startswith("GET /a/b?c=d HTTP/1.1\r\n")
    assert f"Host: {SITE_NAME}:{site.port}\r\n" in head
    assert "cookie" not in head.lower()


async def test_post_sends_a_form() -> None:
    async with serve_site(answer=make_http_response("204 No Content", b"")) as site:
        answer = await make_outbound_client().post(url_of(site, "/uit"), {"logout_token": "a.b+c"})
    assert answer.status == 204
    assert site.asked[0].startswith("POST /uit HTTP/1.1")
    assert site.asked[0].endswith("logout_token=a.b%2Bc")


async def test_dns_rebinding_is_blocked_by_resolving_once() -> None:
    names = NameService([["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"]])
    async with serve_site(answer=make_json_response({})) as site:
        assert (await make_outbound_client(resolve=names).get(url_of(site))).status == 200
    assert names.asked == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
        ["127.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "127.0.0.1"],
        ["fe80::1%1"],
    ],
)
async def test_ssrf_to_host_with_any_private_address_is_blocked(addresses) -> None:
    async with serve_site(answer=make_json_response({})) as site:
        assert await refusal(make_outbound_client(*addresses), url_of(site)) == "adres_niet_toegestaan"
    assert site.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_ssrf_to_loopback_in_any_notation_is_blocked(host) -> None:
    async with serve_site("localhost", answer=make_json_response({})) as site:
        visitor = OutboundHttpClient(SsrfGuardTransport(tls=tls_context(make_certificate_authority().file)))
        assert await refusal(visitor, f"https://{host}:{site.port}/") in ("adres_niet_toegestaan", "naam_onbekend")
    assert site.connections == 0


async def test_certificate_for_another_name_is_rejected() -> None:
    async with serve_site("ander.voorbeeld.example", "127.0.0.1", answer=make_json_response({})) as site:
        assert await refusal(make_outbound_client(), url_of(site)) == "niet_bereikbaar"
    assert site.asked == []


async def test_certificate_of_unknown_ca_is_rejected() -> None:
    async with serve_site(answer=make_json_response({})) as site:
        assert await refusal(make_outbound_client(tls=tls_context()), url_of(site)) == "niet_bereikbaar"
    assert site.asked == []


def test_unreadable_ca_file_is_a_fault(tmp_path) -> None:
    (tmp_path / "leeg.pem").write_text("niets")
    for file in ("leeg.pem", "bestaat-niet.pem"):
        with pytest.raises(Fault, match="autoriteiten_onleesbaar"):
            tls_context(tmp_path / file)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
async def test_redirect_is_not_followed(status) -> None:
    async with serve_site(answer=make_json_response({})) as elsewhere:
        there = f"Location: https://{SITE_NAME}:{elsewhere.port}/geheim"
        async with serve_site(answer=make_http_response(status, b"", there)) as site:
            assert (await make_outbound_client().get(url_of(site))).status == int(status[:3])
    assert elsewhere.connections == 0


async def test_response_over_size_limit_is_rejected() -> None:
    async with serve_site(answer=make_http_response("200 OK", b"x" * 64 * 1024)) as site:
        assert len((await make_outbound_client().get(url_of(site))).body) == 64 * 1024
        site.answer = make_http_response("200 OK", b"x" * (64 * 1024 + 1))
        assert await refusal(make_outbound_client(), url_of(site)) == "antwoord_te_groot"


async def test_response_without_content_length_over_size_limit_is_rejected() -> None:
    async with serve_site(answer=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 200_000) as site:
        assert await refusal(make_outbound_client(), url_of(site)) == "antwoord_te_groot"


async def test_compressed_response_is_rejected() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    async with serve_site(answer=make_http_response("200 OK", bomb, "Content-Encoding: gzip")) as site:
        assert await refusal(make_outbound_client(), url_of(site)) == "antwoord_ingepakt"


async def test_silent_or_slow_response_times_out() -> None:
    async with serve_site(silent=True) as site:
        assert await refusal(make_outbound_client(timeout=0.15), url_of(site)) in ("te_traag", "niet_bereikbaar")
    async with serve_site(answer=make_json_response({}), pieces=0.04) as site:
        assert await refusal(make_outbound_client(timeout=0.15), url_of(site)) == "te_traag"


async def test_slow_dns_times_out() -> None:
    async def sleeping(host: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    assert await refusal(make_outbound_client(timeout=0.02, resolve=sleeping), f"https://{SITE_NAME}/") == "te_traag"


async def test_unresolvable_name_is_rejected() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        return []

    assert await refusal(make_outbound_client(resolve=nothing), f"https://{SITE_NAME}/") == "naam_onbekend"
    assert await refusal(OutboundHttpClient(), "https://bestaat-niet.invalid/") == "naam_onbekend"


async def test_response_that_is_not_http_is_rejected() -> None:
    async with serve_site(answer=b"SSH-2.0-OpenSSH\r\n\r\n") as site:
        assert await refusal(make_outbound_client(), url_of(site)) == "niet_bereikbaar"


async def test_connection_refused_tries_the_next_address() -> None:
    async with serve_site(answer=make_json_response({})) as site:
        port = site.port
        visitor = make_outbound_client("127.0.0.2", "127.0.0.1")
        assert (await visitor.get(url_of(site))).status == 200
    assert await refusal(make_outbound_client(), f"https://{SITE_NAME}:{port}/") == "niet_bereikbaar"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE"])
async def test_proxy_and_ca_environment_variables_are_ignored(monkeypatch, name) -> None:
    async with (
        serve_site(tls=False, answer=make_http_response("200 OK", b"gekaapt")) as proxy,
        serve_site(answer=make_json_response({})) as site,
    ):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        assert (await make_outbound_client().get(url_of(site))).body == b"{}"
    assert proxy.connections == 0


async def test_plain_http_is_allowed_for_loopback_in_practice_only() -> None:
    async with serve_site(tls=False, answer=make_json_response({})) as site:
        plain = f"http://localhost:{site.port}/"
        assert await refusal(make_outbound_client(), plain) == "adres_niet_toegestaan"
        assert (
            await refusal(OutboundHttpClient(SsrfGuardTransport(SsrfPolicy((LOOPBACK,)))), plain)
            == "adres_niet_toegestaan"
        )
        assert (await OutboundHttpClient(SsrfGuardTransport(SsrfPolicy(practice=True))).get(plain)).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///jwks",
        "ftp://sleutels.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "https://gebruiker@sleutels.example/",
        "https://sleutels.example\\@kwaad.example/",
        "https://sleutels.example/#deel",
        "https://sleutels.example:0/",
        "https://sleutels.example:99999/",
        "https://sleutels.example:x/",
        "https://sleutels.example/ \r\nX: y",
        "https://sleutels.example/\n",
        "https://sleutels%2eexample/",
        "https://\u0455leutels.example/",
        "https://[::1/",
        "//sleutels.example/",
        "https://sleutels.example/" + "a" * 3000,
    ],
)
async def test_ambiguous_url_is_rejected(url) -> None:
    names = NameService([["127.0.0.1"]])
    assert await refusal(make_outbound_client(resolve=names), url) == "adres_vormfout"
    assert names.asked == 0


async def test_ssrf_to_other_ports_is_blocked() -> None:
    for port in (22, 80, 5432, 6379, 8080):
        assert await refusal(make_outbound_client("1.1.1.1"), f"https://{SITE_NAME}:{port}/") == "adres_niet_toegestaan"


async def test_ssrf_redirect_followed_by_another_client_is_blocked_by_the_transport() -> None:
    elsewhere = "Location: https://intern.voorbeeld.example/geheim"

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1" if host == SITE_NAME else "10.0.0.1"]

    async with serve_site(answer=make_http_response("302 Found", b"", elsewhere)) as site:
        transport = make_outbound_client(resolve=resolve).transport
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            with pytest.raises(OutboundRequestFailed, match="adres_niet_toegestaan"):
                await client.get(url_of(site))
    assert site.connections == 1


async def test_transport_refuses_credentials_and_other_schemes() -> None:
    async with httpx.AsyncClient(transport=SsrfGuardTransport()) as client:
        for url in ("https://gebruiker:geheim@sleutels.example/", "ftp://sleutels.example/"):
            with pytest.raises(OutboundRequestFailed, match="adres_vormfout"):
                await client.get(url)


async def test_transport_sends_the_name_and_no_accepted_encoding_of_another_client() -> None:
    async with serve_site(answer=make_json_response({})) as site:
        transport = make_outbound_client().transport
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(url_of(site), headers={"Host": "anders.example", "Accept-Encoding": "gzip"})
    head = site.asked[0].lower()
    assert f"host: {SITE_NAME}:{site.port}\r\n" in head
    assert "accept-encoding: identity\r\n" in head
    assert "anders.example" not in head


@pytest.mark.parametrize("host", ["999.1.1.1", "xn--a.invalid", "a<b.invalid"])
async def test_host_that_is_no_name_and_no_address_is_unknown(host) -> None:
    assert await refusal(OutboundHttpClient(), f"https://{host}/") == "naam_onbekend"
