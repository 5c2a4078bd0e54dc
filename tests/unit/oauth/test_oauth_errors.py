"""Kernel errors as OAuth error responses: code, status and safe descriptions."""

from __future__ import annotations

import logging

import pytest

from machtiging.kernel import errors
from machtiging.oauth.errors import ANSWERS, TEXTS, OAuthRefusal, Wire, answer_of
from machtiging.oauth.protocol.bridge import unique


def tree(kind=errors.MachtigingError):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_error_class_has_an_oauth_error_code() -> None:
    assert set(tree()) == set(ANSWERS)


def test_unknown_error_subclass_uses_the_code_of_its_parent() -> None:
    class Special(errors.NotInForce):
        """Something new."""

    assert answer_of(Special("bijzonder")).error is Wire.INVALID_GRANT


def test_error_description_leaks_no_detail() -> None:
    answer = answer_of(errors.NotFound("x", "Dit is van Jan", private="geheim"))
    assert "Jan" not in answer.description
    assert "geheim" not in answer.description


def test_error_descriptions_use_rfc_6749_characters() -> None:
    assert set(TEXTS) == set(Wire)
    for text in TEXTS.values():
        assert all(" " <= letter <= "~" and letter not in '"\\' for letter in text)


def test_invalid_client_is_401_and_other_errors_are_400() -> None:
    for wire in Wire:
        assert answer_of(OAuthRefusal(wire, "x")).status == (401 if wire is Wire.INVALID_CLIENT else 400)


def test_authlib_logs_no_token_at_debug_level(caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("authlib", "authlib.oauth2.rfc6749.grants.authorization_code", "authlib.oauth2.rfc6749"):
            logging.getLogger(name).debug("Issue token %r", {"access_token": "geheim"})
            logging.getLogger(name).info("Issue token %r", {"access_token": "geheim"})
    assert "geheim" not in caplog.text


def test_duplicate_or_unprintable_parameter_is_rejected() -> None:
    assert unique([("a", "1"), ("b", ""), ("c", "é日")]) == {"a": "1", "c": "é日"}
    for pairs in ([("a", "1"), ("a", "1")], [("a", ""), ("a", "")], [("a", "\0")], [("\n", "1")], [("a", "\ud800")]):
        with pytest.raises(OAuthRefusal):
            unique(pairs)
