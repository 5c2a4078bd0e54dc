"""Every error of the kernel has an OAuth answer, and no text can break a header or give something away."""

from __future__ import annotations

import logging

import pytest

from machtiging.kernel import errors
from machtiging.oauth.errors import ERROR_DESCRIPTIONS, ERROR_RESPONSES, OAuthErrorCode, OAuthRefusal, to_oauth_error
from machtiging.oauth.protocol.requests import validate_parameters


def tree(kind=errors.MachtigingError):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_the_whole_tree_is_mapped() -> None:
    assert set(tree()) == set(ERROR_RESPONSES)


def test_an_error_of_a_class_nobody_thought_of_takes_its_parents_answer() -> None:
    class Special(errors.NotInForce):
        """Something new."""

    assert to_oauth_error(Special("bijzonder")).error is OAuthErrorCode.INVALID_GRANT


def test_public_and_private_sentences_stay_inside() -> None:
    answer = to_oauth_error(errors.NotFound("x", "Dit is van Jan", private="geheim"))
    assert "Jan" not in answer.description
    assert "geheim" not in answer.description


def test_texts_are_what_rfc_6749_allows() -> None:
    assert set(ERROR_DESCRIPTIONS) == set(OAuthErrorCode)
    for text in ERROR_DESCRIPTIONS.values():
        assert all(" " <= letter <= "~" and letter not in '"\\' for letter in text)


def test_failed_client_authentication_is_401_and_the_rest_400() -> None:
    for wire in OAuthErrorCode:
        assert to_oauth_error(OAuthRefusal(wire, "x")).status == (401 if wire is OAuthErrorCode.INVALID_CLIENT else 400)


def test_authlib_never_logs_tokens_even_when_the_root_logger_tells_all(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("authlib", "authlib.oauth2.rfc6749.grants.authorization_code", "authlib.oauth2.rfc6749"):
            logging.getLogger(name).debug("Issue token %r", {"access_token": "geheim"})
            logging.getLogger(name).info("Issue token %r", {"access_token": "geheim"})
    assert "geheim" not in caplog.text


def test_parameters_are_unique_printable_and_not_empty() -> None:
    assert validate_parameters([("a", "1"), ("b", ""), ("c", "é日")]) == {"a": "1", "c": "é日"}
    for pairs in ([("a", "1"), ("a", "1")], [("a", ""), ("a", "")], [("a", "\0")], [("\n", "1")], [("a", "\ud800")]):
        with pytest.raises(OAuthRefusal):
            validate_parameters(pairs)
