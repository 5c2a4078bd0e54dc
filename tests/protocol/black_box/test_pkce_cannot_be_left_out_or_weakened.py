"""RFC 7636, RFC 9700 2.1.1, FAPI 2.0 5.3.2.2: a stolen code is worth nothing without the verifier."""

import pytest

from tests.builders.black_box import Attempt, Pkce, refused


@pytest.fixture(params=["app", "public"])
def any_attempt(request, server, person):
    return Attempt(server, server.client(request.param), person)


async def test_no_client_can_leave_pkce_out(any_attempt):
    refused(await any_attempt.push(code_challenge=None, code_challenge_method=None), "invalid_request")


async def test_a_method_without_a_challenge_is_refused(any_attempt):
    refused(await any_attempt.push(code_challenge=None), "invalid_request")


@pytest.mark.parametrize("method", ["plain", "s256", "S512", "none", ""])
async def test_no_method_but_s256_is_taken(any_attempt, method):
    refused(await any_attempt.push(code_challenge_method=method), "invalid_request")


async def test_a_challenge_without_its_method_does_not_fall_back_to_plain(any_attempt):
    refused(await any_attempt.push(code_challenge_method=None), "invalid_request")


@pytest.mark.parametrize("challenge", ["a", "a" * 42, "a" * 129, "é" * 43, "a b" * 20, "+/=" * 15])
async def test_a_challenge_that_is_no_hash_is_refused(any_attempt, challenge):
    refused(await any_attempt.push(code_challenge=challenge), "invalid_request")


async def test_without_the_verifier_a_code_is_worth_nothing(any_attempt):
    answer = await any_attempt.redeem(await any_attempt.code(), code_verifier=None)
    refused(answer, "invalid_grant", "invalid_request")


async def test_with_a_wrong_verifier_a_code_is_worth_nothing(any_attempt):
    refused(await any_attempt.redeem(await any_attempt.code(), code_verifier=Pkce().verifier), "invalid_grant")


async def test_the_challenge_itself_is_no_verifier(any_attempt):
    code = await any_attempt.code()
    refused(await any_attempt.redeem(code, code_verifier=any_attempt.pkce.challenge), "invalid_grant")


@pytest.mark.parametrize("verifier", ["", "a", "a" * 42, "a" * 129, "a" * 5000, "é" * 50])
async def test_a_verifier_of_the_wrong_form_is_refused(attempt, verifier):
    answer = await attempt.redeem(await attempt.code(), code_verifier=verifier)
    refused(answer, "invalid_grant", "invalid_request")


async def test_the_verifier_of_one_walk_does_not_open_the_code_of_another(attempt):
    mine, victims = attempt.again(), attempt.again()
    await mine.code()
    refused(await victims.redeem(await victims.code(), code_verifier=mine.pkce.verifier), "invalid_grant")
