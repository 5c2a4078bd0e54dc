"""Only the pushed request counts, once, for its client and redirect URI (RFC 9126, RFC 9700 4.1, FAPI 2.0 5.3.2.2)."""

import math
from urllib.parse import urlsplit

import pytest

from tests.builders.messages import make_unsigned_jwt, read_claims, read_query
from tests.protocol.black_box.authorization_server import Attempt, assert_nothing_issued, assert_refused

ADDRESSES = {
    "prefix": "{uri}x",
    "longer path": "{uri}/../evil",
    "slash": "{uri}/",
    "shorter": "{short}",
    "parent": "{root}/",
    "query": "{uri}?next=https://evil.example",
    "fragment": "{uri}#x",
    "encoded": "{root}/%74erug",
    "encoded slash": "{root}%2Fterug",
    "backslash": "{root}\\@evil.example",
    "user": "{scheme}://{host}@evil.example{path}",
    "user before": "{scheme}://evil@{host}{path}",
    "other host": "https://evil.example{path}",
    "host in path": "https://evil.example/{host}{path}",
    "lookalike": "{scheme}://{host}.evil.example{path}",
    "other port": "{scheme}://localhost:7{path}",
    "case": "{upper}",
    "space": "{uri} ",
    "newline": "{uri}\n",
    "tab": "{uri}\t",
    "scheme": "javascript:alert(1)",
    "data": "data:text/html,x",
    "no scheme": "//{host}{path}",
    "two": "{uri} https://evil.example/",
    "empty": "",
}


def bent(uri, pattern):
    parts = urlsplit(uri)
    root = f"{parts.scheme}://{parts.netloc}"
    upper = f"{parts.scheme}://{parts.netloc}{parts.path.upper()}"
    told = {"uri": uri, "short": uri[:-1], "root": root, "scheme": parts.scheme, "host": parts.netloc}
    return pattern.format(**told, path=parts.path, upper=upper)


@pytest.mark.parametrize("pattern", ADDRESSES.values(), ids=ADDRESSES)
async def test_redirect_uri_not_exactly_registered_is_rejected(attempt, app, pattern):
    assert_refused(
        await attempt.push(redirect_uri=bent(app.redirect_uri, pattern)), "invalid_request", "invalid_redirect_uri"
    )


async def test_redirect_uri_of_another_client_is_rejected(attempt, other_client):
    assert_refused(
        await attempt.push(redirect_uri=other_client.redirect_uri), "invalid_request", "invalid_redirect_uri"
    )


async def test_par_without_client_authentication_is_rejected(attempt, server, app):
    form = attempt.parameters()
    answer = await server.post("pushed_authorization_request_endpoint", None, form)
    assert_refused(answer, "invalid_client", "invalid_request")


async def test_par_for_another_client_id_is_rejected(attempt, other_client):
    assert_refused(await attempt.push(client_id=other_client.client_id), "invalid_client", "invalid_request")


@pytest.mark.parametrize(
    "kind", ["token", "id_token", "code token", "code id_token", "id_token token", "none", "x", ""]
)
async def test_implicit_and_hybrid_response_types_are_rejected(attempt, kind):
    assert_refused(
        await attempt.push(response_type=kind), "unsupported_response_type", "invalid_request", "unauthorized_client"
    )


@pytest.mark.parametrize("mode", ["fragment", "form_post", "web_message"])
async def test_response_mode_readable_by_scripts_is_rejected(attempt, server, mode):
    if mode in server.metadata.get("response_modes_supported", ()):
        pytest.skip(f"the server offers {mode}")
    assert_refused(await attempt.push(response_mode=mode), "invalid_request", "unsupported_response_mode")


async def test_par_with_request_uri_is_rejected(attempt):
    reference = await attempt.pushed()
    assert_refused(await attempt.push(request_uri=reference), "invalid_request", "request_uri_not_supported")


async def test_par_with_unsigned_request_object_is_rejected(attempt, server, app):
    claims = attempt.parameters() | {"iss": app.client_id, "aud": server.issuer}
    answer = await server.post(
        "pushed_authorization_request_endpoint", app, {"request": make_unsigned_jwt({"alg": "none"}, claims)}
    )
    assert_refused(answer, "invalid_request_object", "request_not_supported", "invalid_request")


@pytest.mark.parametrize("twice", ["redirect_uri", "scope", "state", "code_challenge", "client_id", "response_type"])
async def test_par_with_duplicate_parameter_is_rejected(attempt, server, app, twice):
    form = attempt.parameters() | app.credentials(server.issuer)
    pairs = [*form.items(), (twice, form[twice])]
    assert_refused(
        await server.raw("pushed_authorization_request_endpoint", pairs), "invalid_request", "invalid_client"
    )


async def test_par_with_unregistered_scope_is_not_granted(attempt):
    answer = await attempt.push(scope=f"{attempt.client.scope} beheer:alles")
    if answer.status_code == 201:  # RFC 6749 3.3 lets a server leave a scope out, if it says so
        shown = await attempt.visit(answer.json()["request_uri"])
        redeemed = await attempt.redeem(read_query(shown.headers["location"])["code"])
        assert "beheer:alles" not in redeemed.json()["scope"].split()
    else:
        assert_refused(answer, "invalid_scope")


async def test_request_uri_is_short_lived_and_unguessable(attempt):
    answers = [await attempt.again().push() for _ in range(2)]
    references = [answer.json()["request_uri"] for answer in answers]
    assert references[0] != references[1]
    assert all(len(reference.split(":")[-1]) * math.log2(64) >= 128 for reference in references)
    assert all(0 < answer.json()["expires_in"] < 600 for answer in answers)
    assert all("no-store" in answer.headers["cache-control"] for answer in answers)


async def test_request_uri_of_another_client_is_rejected(attempt, app, other_client):
    attempt = attempt.again()
    shown = await attempt.visit(await attempt.pushed(), client_id=other_client.client_id)
    assert_nothing_issued(shown, app.redirect_uri)
    assert (
        not shown.headers.get("location", "").startswith(other_client.redirect_uri)
        or "error" in shown.headers["location"]
    )


async def test_request_uri_reused_issues_no_second_code(attempt, app):
    reference = await attempt.pushed()
    first = await attempt.visit(reference)
    assert (await attempt.redeem(read_query(first.headers["location"])["code"])).status_code == 200
    assert_nothing_issued(await attempt.visit(reference), app.redirect_uri)


async def test_request_uri_invented_is_rejected(attempt, app):
    shown = await attempt.visit("urn:ietf:params:oauth:request_uri:" + "a" * 43)
    assert_nothing_issued(shown, app.redirect_uri)


@pytest.mark.parametrize("reference", ["https://evil.example/request.jwt", "file:///etc/passwd", "http://127.0.0.1:9/"])
async def test_ssrf_request_uri_at_other_address_is_not_fetched(attempt, app, reference):
    assert_nothing_issued(await attempt.visit(reference), app.redirect_uri)


async def test_front_channel_parameters_beside_request_uri_are_ignored(attempt, app):
    shown = await attempt.visit(
        await attempt.pushed(), redirect_uri="https://evil.example/", state="evil", scope="beheer:alles", nonce="evil"
    )
    location = shown.headers["location"]
    assert location.startswith(app.redirect_uri)
    told = read_query(location)
    if "error" not in told:  # a rejection is right, too
        assert told["state"] == attempt.state
        answer = (await attempt.redeem(told["code"])).json()
        assert "beheer:alles" not in answer["scope"].split()
        assert read_claims(answer["id_token"])["nonce"] == attempt.nonce


async def test_open_redirect_with_invalid_request_uri_is_blocked(attempt, app):
    for bad in ("urn:ietf:params:oauth:request_uri:" + "a" * 43, "x"):
        for address in ("https://evil.example/", app.redirect_uri):
            shown = await attempt.visit(bad, redirect_uri=address)
            assert shown.status_code >= 400 or "error" in read_query(shown.headers["location"])
            assert "evil.example" not in shown.headers.get("location", "")


async def test_authorization_without_login_issues_no_code(attempt, server, app):
    stranger = server.person()
    shown = await stranger.ask("GET", attempt.address(await attempt.pushed()))
    assert "code=" not in shown.headers.get("location", "")


async def test_login_in_another_browser_issues_no_code(server, app, person):
    await Attempt(server, app, person).tokens()
    stranger = server.person()
    attempt = Attempt(server, app, stranger)
    shown = await stranger.ask("GET", attempt.address(await attempt.pushed()))
    assert not shown.headers.get("location", "").startswith(app.redirect_uri)


async def test_clickjacking_pages_deny_framing_and_caching(attempt, server):
    attempt = attempt.again(person=server.person())
    await attempt.answer()
    pages = [page for page in attempt.person.pages if str(page.url).startswith(server.issuer)]
    assert pages
    for page in pages:
        policy = page.headers.get("content-security-policy", "")
        assert "frame-ancestors 'none'" in policy or page.headers.get("x-frame-options") == "DENY"
        assert "no-store" in page.headers.get("cache-control", "")
