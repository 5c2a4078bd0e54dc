"""An attacker who can write the whole database and has no key. What each sealed row opens, and how it is forged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from machtiging.crypto import secrets
from machtiging.storage.row_mac import SealedTable
from tests.builders.ciba import register_ciba_desk
from tests.builders.client import create_invitation, make_app_metadata, make_client_keys, post_registration
from tests.builders.database import bypass_triggers
from tests.builders.flow import OAuthWorld
from tests.builders.rows import PERSONS
from tests.builders.tokens import make_refresh_token_holder

Use = Callable[[], Awaitable[bool]]
SERVICE = "/api/v1/toestemmingen"
# Values that the checks of the tables let through, where a change of the text itself would not be.
_FITTING = {
    "assurance": ("hoog", "laag"),
    "organisation_kvk": ("12345678", "87654321"),
    "oin": ("00000099000000001000", "00000099000000002000"),
    "jkt": ("A" * 43, "B" * 43),
    "x5t": ("A" * 43, "B" * 43),
    "code_challenge": ("A" * 43, "B" * 43),
    "state": ("active", "proposed"),
    "redirect_uri": ("https://dief.example/terug", "https://app.example/terug"),
}

# Columns that a check of the table keeps together.
_TOGETHER: dict[str, dict[str, Any]] = {
    "fetched_jwks": {"fetched_at": datetime.now().astimezone()},
    "fetched_at": {"fetched_jwks": {"keys": []}},
    "representation_set": {"machtiging_id": None},
    "broker_issuer": {"broker_subject": "dief"},
    "broker_subject": {"broker_issuer": "https://dief.example"},
}


@dataclass(frozen=True)
class Opening:
    """A row that opens something. Which one it is, and using it; the use tells whether it opened."""

    where: str
    use: Use


async def session_row(oauth: OAuthWorld) -> Opening:
    """A login session: its cookie opens the page with her questions."""
    ciba_desk = await register_ciba_desk(oauth)
    browser = await ciba_desk.citizen()

    async def use() -> bool:
        return (await browser.get("/verzoeken")).status_code == 200

    return Opening("true", use)


async def attempt_row(oauth: OAuthWorld) -> Opening:
    """A login under way: the browser comes back from the broker."""
    browser = oauth.world.browser()
    oauth._open.append(browser.http)
    back = await browser.to_callback()

    async def use() -> bool:
        response = await browser.get(back)
        return response.status_code == 303 and browser.token is not None

    return Opening("true", use)


async def person_row(oauth: OAuthWorld) -> Opening:
    """A person: she logs in once more."""
    first, second = oauth.world.browser(), oauth.world.browser()
    oauth._open.extend([first.http, second.http])
    await first.log_in("vertegenwoordigde")
    back = await second.to_callback("vertegenwoordigde")

    async def use() -> bool:
        await second.get(back)
        return second.token is not None

    async with oauth.sessions() as session:
        newest = text("SELECT person_id FROM login_session ORDER BY created_at DESC, id DESC LIMIT 1")
        who = await session.scalar(newest)
    return Opening(f"id = '{who}'", use)


async def token_row(oauth: OAuthWorld) -> Opening:
    """An access token: its own client hears that it is active."""
    flow = await oauth.start_flow()
    token = (await flow.tokens())["access_token"]

    async def use() -> bool:
        return (await flow.app.post("/introspect", {"token": token})).json().get("active", False)

    return Opening("true", use)


async def grant_row(oauth: OAuthWorld) -> Opening:
    """A consent: its code is redeemed."""
    return await code_row(oauth)


async def code_row(oauth: OAuthWorld) -> Opening:
    """An authorization code: it is redeemed."""
    flow = await oauth.start_flow()
    code = await flow.code()

    async def use() -> bool:
        return (await flow.redeem(code)).status_code == 200

    return Opening("true", use)


async def refresh_row(oauth: OAuthWorld) -> Opening:
    """A refresh token: it gives another access token."""
    holder = await make_refresh_token_holder(oauth)

    async def use() -> bool:
        return (await holder.refresh()).status_code == 200

    return Opening("true", use)


async def client_row(oauth: OAuthWorld) -> Opening:
    """A client: it proves who it is, and gets a token."""
    agency = await oauth.register_agency()

    async def use() -> bool:
        return (await agency.post("/token", {"grant_type": "client_credentials"})).status_code == 200

    return Opening(f"client_id = '{agency.client_id}'", use)


async def pushed_row(oauth: OAuthWorld) -> Opening:
    """A pushed request: the browser brings its reference, and is asked for consent."""
    flow = await oauth.start_flow()
    request_uri = await flow.pushed()

    async def use() -> bool:
        return (await flow.authorize(request_uri)).status_code == 200

    return Opening("true", use)


async def counter_row(oauth: OAuthWorld) -> Opening:
    """A question at a counter that she said yes to: the app fetches its tokens."""
    ciba_desk = await register_ciba_desk(oauth)
    asked = await ciba_desk.approved()

    async def use() -> bool:
        return (await ciba_desk.polls(asked)).status_code == 200

    return Opening("true", use)


async def invitation_row(oauth: OAuthWorld) -> Opening:
    """An invitation: a program registers with it."""
    token = await create_invitation(oauth)

    async def use() -> bool:
        return (await post_registration(oauth, token, make_app_metadata(make_client_keys()))).status_code == 201

    return Opening("true", use)


OPENINGS: dict[str, Callable[[OAuthWorld], Awaitable[Opening]]] = {
    "person": person_row,
    "login_session": session_row,
    "login_attempt": attempt_row,
    "issued_token": token_row,
    "oauth_client": client_row,
    "pushed_request": pushed_row,
    "oauth_grant": grant_row,
    "authorization_code": code_row,
    "refresh_token": refresh_row,
    "backchannel_request": counter_row,
    "initial_access_token": invitation_row,
}


def other_value(sealed: SealedTable, column: str, value: Any) -> Any:
    """Another value that the column can hold. What an attacker would rather have, or what nobody wrote there."""
    if column in _FITTING:
        first, second = _FITTING[column]
        return second if value == first else first
    kind = sealed.table.c[column].type.python_type
    if value is None:
        value = {
            object: {},
            str: "",
            bytes: b"",
            dict: {},
            list: [],
            UUID: uuid4(),
            datetime: datetime.now().astimezone(),
        }[kind]
    if isinstance(value, bool):
        return not value
    changed: dict[type, Callable[[Any], Any]] = {
        str: lambda old: old + "x",
        bytes: lambda _old: secrets.sha256_digest("another"),
        dict: lambda old: {**old, "scope": "alles"},
        list: lambda old: [*old, "beheerder"],
        datetime: lambda old: old + timedelta(seconds=1 if column == "created_at" else -1),
    }
    return next((make(value) for one, make in changed.items() if isinstance(value, one)), uuid4())


async def forge(database: Any, sealed: SealedTable, where: str, column: str) -> None:
    """Change one column of this row, past every key and trigger, and keep its MAC. What refers to its key follows."""
    table = sealed.table.name
    async with bypass_triggers(database) as connection:
        old = await connection.scalar(text(f"SELECT {column} FROM {table} WHERE {where}"))
        new = other_value(sealed, column, old)
        if column == "person_id":  # somebody who is there
            new = await PERSONS.read_value(connection, "id", PERSONS.c.id != old) or new
        changes = {column: new, **_TOGETHER.get(column, {})}
        await connection.execute(sealed.table.update().where(text(where)).values(changes))
