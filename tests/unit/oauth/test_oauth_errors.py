"""Kernel errors as OAuth error responses: code, status and safe descriptions."""

from __future__ import annotations

import logging

import pytest

from machtiging.kernel import errors
from machtiging.message_catalogue import ENGLISH, get_sentence
from machtiging.oauth.errors import ERROR_RESPONSES, OAuthErrorCode, OAuthRefusal, to_oauth_error
from machtiging.oauth.protocol.requests import validate_parameters
from tests.builders.message_catalogue import read_catalogue


def tree(kind=errors.MachtigingError):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_error_class_has_an_oauth_error_code() -> None:
    assert set(tree()) == set(ERROR_RESPONSES)


def test_unknown_error_subclass_uses_the_code_of_its_parent() -> None:
    class Special(errors.NotInForce):
        """Something new."""

    assert to_oauth_error(Special("bijzonder")).error is OAuthErrorCode.INVALID_GRANT


def test_error_description_leaks_no_detail() -> None:
    answer = to_oauth_error(errors.NotFound("x", message="problem.not_found", params={"name": "Jan"}, private="geheim"))
    assert "Jan" not in answer.description
    assert "geheim" not in answer.description


def test_error_descriptions_use_rfc_6749_characters() -> None:
    for error in OAuthErrorCode:
        assert get_sentence(f"oauth.error.{error.value}", ENGLISH)
    for key, forms in read_catalogue(ENGLISH).items():
        if key.startswith("oauth."):
            assert all(" " <= letter <= "~" and letter not in '"\\' for text in forms for letter in text), key


def test_invalid_client_is_401_and_other_errors_are_400() -> None:
    for wire in OAuthErrorCode:
        assert to_oauth_error(OAuthRefusal(wire, "x")).status == (401 if wire is OAuthErrorCode.INVALID_CLIENT else 400)


def test_authlib_logs_no_token_at_debug_level(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("authlib", "authlib.oauth2.rfc6749.grants.authorization_code", "authlib.oauth2.rfc6749"):
            logging.getLogger(name).debug("Issue token %r", {"access_token": "geheim"})
            logging.getLogger(name).info("Issue token %r", {"access_token": "geheim"})
    assert "geheim" not in caplog.text


def test_duplicate_or_unprintable_parameter_is_rejected() -> None:
    assert validate_parameters([("a", "1"), ("b", ""), ("c", "é日")]) == {"a": "1", "c": "é日"}
    for pairs in ([("a", "1"), ("a", "1")], [("a", ""), ("a", "")], [("a", "\0")], [("\n", "1")], [("a", "\ud800")]):
        with pytest.raises(OAuthRefusal):
            validate_parameters(pairs)
