"""RFC 7636, RFC 9700 2.1.1, FAPI 2.0 5.3.2.2: PKCE with S256 is required, without downgrade."""

import pytest

from tests.builders.messages import Pkce
from tests.protocol.black_box.authorization_server import Attempt, assert_refused


@pytest.fixture(params=["app", "public"])
def any_attempt(request, server, person):
    return Attempt(server, server.client(request.param), person)


async def test_downgrade_authorization_request_without_pkce_is_rejected(any_attempt):
    assert_refused(await any_attempt.push(code_challenge=None, code_challenge_method=None), "invalid_request")


async def test_pkce_method_without_challenge_is_rejected(any_attempt):
    assert_refused(await any_attempt.push(code_challenge=None), "invalid_request")


@pytest.mark.parametrize("method", ["plain", "s256", "S512", "none", ""])
async def test_downgrade_pkce_method_other_than_s256_is_rejected(any_attempt, method):
    assert_refused(await any_attempt.push(code_challenge_method=method), "invalid_request")


async def test_downgrade_pkce_challenge_without_method_is_rejected(any_attempt):
    assert_refused(await any_attempt.push(code_challenge_method=None), "invalid_request")


@pytest.mark.parametrize("challenge", ["a", "a" * 42, "a" * 129, "é" * 43, "a b" * 20, "+/=" * 15])
async def test_pkce_challenge_malformed_is_rejected(any_attempt, challenge):
    assert_refused(await any_attempt.push(code_challenge=challenge), "invalid_request")


async def test_code_without_verifier_is_rejected(any_attempt):
    answer = await any_attempt.redeem(await any_attempt.code(), code_verifier=None)
    assert_refused(answer, "invalid_grant", "invalid_request")


async def test_code_with_wrong_verifier_is_rejected(any_attempt):
    assert_refused(await any_attempt.redeem(await any_attempt.code(), code_verifier=Pkce().verifier), "invalid_grant")


async def test_code_with_challenge_as_verifier_is_rejected(any_attempt):
    code = await any_attempt.code()
    assert_refused(await any_attempt.redeem(code, code_verifier=any_attempt.pkce.challenge), "invalid_grant")


@pytest.mark.parametrize("verifier", ["", "a", "a" * 42, "a" * 129, "a" * 5000, "é" * 50])
async def test_pkce_verifier_malformed_is_rejected(attempt, verifier):
    answer = await attempt.redeem(await attempt.code(), code_verifier=verifier)
    assert_refused(answer, "invalid_grant", "invalid_request")


async def test_code_injection_with_verifier_of_another_flow_is_rejected(attempt):
    mine, victims = attempt.again(), attempt.again()
    await mine.code()
    assert_refused(await victims.redeem(await victims.code(), code_verifier=mine.pkce.verifier), "invalid_grant")
