"""Help requests in a database: made by son, opened and agreed to by mother."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from machtiging.agencies.rules import Theme
from machtiging.delegation.help_requests.creation import RequestedHelp, create_help_request
from machtiging.delegation.help_requests.decision import agree_to_help_request
from machtiging.delegation.help_requests.opening import open_help_request
from machtiging.delegation.help_requests.queries import (
    load_own_request,
)
from machtiging.delegation.help_requests.rules import RequestWords
from machtiging.kernel.clock import to_dutch_date
from tests.builders.keys import NOON, load_keyring
from tests.builders.machtiging import (
    MACHTIGING_LIMITS,
    make_scope,
)

LATER = NOON + timedelta(hours=1)
LAST_DAY = to_dutch_date(NOON) + timedelta(days=90)


def make_content(**changes: Any) -> RequestedHelp:
    """The content of a request. Changes may name a field of the words or of the scope."""
    words = RequestWords("mijn moeder", "uw zoon Bram", "de zorgtoeslag regelen")
    scope = make_scope(excluded_themes=frozenset({Theme.ZORG}))
    in_words = {name: changes.pop(name) for name in list(changes) if hasattr(words, name)}
    in_scope = {name: changes.pop(name) for name in list(changes) if hasattr(scope, name)}
    content = RequestedHelp(replace(words, **in_words), replace(scope, **in_scope), LAST_DAY)
    return replace(content, **changes)


def keep_terms(terms):
    return terms


async def add_request(session, people, key="een", at=NOON, requester=None, **changes):
    """Son requests to help. Returns the request with its code."""
    holder = requester or people.helper
    made_id = await create_help_request(
        session, load_keyring(), MACHTIGING_LIMITS, holder, make_content(**changes), key, at=at
    )
    return await load_own_request(session, load_keyring(), made_id, holder.person_id)


async def open_request(session, people, **changes):
    """The same, opened by mother."""
    request = await add_request(session, people, **changes)
    await open_help_request(session, load_keyring(), people.giver, request.words.code, at=LATER)
    return request


async def agree(session, citizen, request_id, choose_terms=keep_terms, at=LATER):
    return await agree_to_help_request(
        session, load_keyring(), MACHTIGING_LIMITS, citizen, request_id, choose_terms, at=at
    )
