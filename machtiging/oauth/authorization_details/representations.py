"""Load the representation of a grant or request, through the handler."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Text, Uuid, bindparam

from machtiging.access_tokens.representation import Representation
from machtiging.oauth.authorization_details.handler import AuthorizationDetailsHandler, RepresentationKey
from machtiging.storage.statement import Executor, Statement

# Statements are compiled once for each handler. An installation has one handler.
HANDLERS_CACHED = 8


@lru_cache(maxsize=2 * HANDLERS_CACHED)
def _build_statement(handler: AuthorizationDetailsHandler, *, for_share: bool) -> Statement:
    key = RepresentationKey(
        bindparam("machtiging_id", type_=Uuid()),
        bindparam("person_id", type_=Uuid()),
        bindparam("organisation_kvk", type_=Text()),
    )
    return Statement(handler.select_representation(key, for_share=for_share))


async def load_representation(
    executor: Executor, handler: AuthorizationDetailsHandler, key: RepresentationKey, *, lock: bool = False
) -> Representation | None:
    """Load the representation with these values; None without a `machtiging_id`, or when there is none.

    `lock`: it stays as it is until the transaction ends. For inserting a row under it: a concurrent end waits, and then
    ends that row too.
    """
    if key.machtiging_id is None:
        return None
    row = await _build_statement(handler, for_share=lock).one_or_none(executor, key._asdict())
    return None if row is None else handler.read_representation(executor, row)
