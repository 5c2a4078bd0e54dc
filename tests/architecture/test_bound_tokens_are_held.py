"""Wherever a token opens something, whoever brings it is held to the key or certificate that it is bound to."""

from tests.architecture.sources import modules, name_of

# A second look at a token that was held to its key when the door opened.
SECOND_LOOK = {"machtiging/access/revocation_check.py"}


def test_whoever_takes_a_token_from_a_request_also_holds_its_bearer():
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in modules()}
    takers = {name for name, text in texts.items() if "credentials_in(" in text}
    assert takers > SECOND_LOOK
    assert {name for name in takers - SECOND_LOOK if "await hold_bearer(" not in texts[name]} == set()


# The door itself; who only looks at the scheme; who only counts; who refuses the header; tokens that are no access
# tokens.
READERS = {
    "machtiging/access/bearer.py",
    "machtiging/web/doors.py",
    "machtiging/web/rate_limit/callers.py",
    "machtiging/oauth/protocol/client_assertion.py",
    "machtiging/oauth/registration/routes.py",
}


def test_nobody_reads_the_authorization_header_by_himself():
    assert {name_of(path) for path in modules() if '"authorization"' in path.read_text(encoding="utf-8")} == READERS
