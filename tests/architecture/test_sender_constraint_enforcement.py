"""Sender constraint: every module that reads a token verifies the DPoP proof or client certificate."""

from tests.architecture.sources import modules, name_of

# Checks a token again whose sender constraint was verified by the door.
SECOND_LOOK = {"machtiging/access_tokens/revocation_check.py"}


def test_module_that_reads_a_token_enforces_its_sender_constraint():
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in modules()}
    takers = {name for name, text in texts.items() if "read_authorization_header(" in text}
    assert takers > SECOND_LOOK
    assert {name for name in takers - SECOND_LOOK if "await enforce_sender_constraint(" not in texts[name]} == set()


# The door; the scheme of a challenge; the rate limiter; a module that rejects the header; registration tokens.
READERS = {
    "machtiging/access_tokens/bearer.py",
    "machtiging/web/errors/challenges.py",
    "machtiging/web/rate_limit/callers.py",
    "machtiging/oauth/protocol/client_assertion.py",
    "machtiging/oauth/registration/routes.py",
}


def test_authorization_header_is_read_in_listed_modules_only():
    assert {name_of(path) for path in modules() if '"authorization"' in path.read_text(encoding="utf-8")} == READERS
