"""`machtiging clients`: register, list, approve and suspend OAuth clients."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from machtiging.cli.agencies import load_catalogue
from machtiging.cli.database import migrate_schema, open_service_sessions, provide_database
from machtiging.cli.errors import err, out
from machtiging.cli.operator_name import get_operator_name
from machtiging.kernel.clock import SystemClock
from machtiging.kernel.errors import InvalidInput, NotFound
from machtiging.settings import Settings

app = typer.Typer(help="OAuth clients: reading apps and sending agencies.", no_args_is_help=True)
_MAX_METADATA_BYTES = 256 * 1024


def read_metadata(file: Path) -> dict[str, Any]:
    """Read RFC 7591 client metadata from a file. Raises InvalidInput `clientgegevens_onleesbaar`."""
    try:
        if file.stat().st_size > _MAX_METADATA_BYTES:
            raise ValueError("the file is larger than 256 KiB")
        metadata = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "clientgegevens_onleesbaar", message="clientgegevens_onleesbaar.json", params={"file": file, "error": error}
        ) from error
    if not isinstance(metadata, dict):
        raise InvalidInput("clientgegevens_onleesbaar", params={"file": file})
    return metadata


@app.command("add")
def add_client(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="RFC 7591 metadata, JSON.")],
    oin: Annotated[
        str | None, typer.Option(help="OIN of an agency. The client may deliver letters of that agency.")
    ] = None,
) -> None:
    """Register a client and print its registration as JSON.

    The file holds RFC 7591 client metadata with the public keys of the client as `jwks`. Never put a private key in
    it. The same client is registered only once.
    """
    metadata = read_metadata(file)
    with provide_database(Settings()) as settings:
        registered = asyncio.run(_register_client(settings, metadata, oin))
    print(json.dumps(registered, indent=2, ensure_ascii=False, sort_keys=True))


async def _register_client(settings: Settings, metadata: dict[str, Any], oin: str | None) -> dict[str, Any]:
    from machtiging.berichtenbox.authorization_details.rules import BERICHTENBOX_DETAIL_TYPE
    from machtiging.oauth.register_client import register_client
    from machtiging.settings import Environment
    from machtiging.storage.unit_of_work import unit_of_work

    if settings.env is not Environment.PRODUCTION:
        await migrate_schema(settings)
    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        if settings.env is not Environment.PRODUCTION:
            await load_catalogue(session, settings)
        practice = settings.env is not Environment.PRODUCTION
        return await register_client(
            session,
            metadata,
            oin=oin,
            detail_type=BERICHTENBOX_DETAIL_TYPE,
            at=SystemClock().now(),
            practice=practice,
            operator=get_operator_name(),
        )


@app.command("invite")
def create_invitation(
    *,
    note: Annotated[str, typer.Option(help="The receiver or the reason. Only operators see it.")],
    uses: Annotated[int, typer.Option(min=1, max=1000, help="The number of clients that may register.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=366, help="The number of days that it is valid.")] = 7,
) -> None:
    """Print an initial access token (RFC 7591). Its holder may propose clients at /register.

    The token is shown once. In production a proposed client can do nothing before `clients approve`.
    """
    with provide_database(Settings()) as settings:
        token, name = asyncio.run(_create_invitation(settings, note, uses, days))
    print(token)
    err.print(f"Good for {uses} client(s), for {days} day(s). It is not kept here: give it to who asked for it.")
    err.print(f"To take it back: machtiging clients withdraw-invitation {name}", soft_wrap=True)


async def _create_invitation(settings: Settings, note: str, uses: int, days: int) -> tuple[str, str]:
    from machtiging.crypto.secrets import sha256_digest
    from machtiging.oauth.invitations.initial_access_token import create_invitation as invite_somebody
    from machtiging.oauth.invitations.initial_access_token import derive_invitation_name
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        at = SystemClock().now()
        token = await invite_somebody(
            session, note, uses=uses, lifetime=timedelta(days=days), at=at, operator=get_operator_name()
        )
        return token, derive_invitation_name(sha256_digest(token))


@app.command("approve")
def approve_client(
    client_id: Annotated[str, typer.Argument(help="The client_id, as in `clients list`.")],
    seen_as: Annotated[str, typer.Argument(help="The value of `seen_as` in `clients show`.")],
) -> None:
    """Approve a client that registered itself. Refused when it changed after `clients show`."""
    with provide_database(Settings()) as settings:
        asyncio.run(_approve_client(settings, client_id, seen_as))
    err.print(f"{client_id} takes part from now on.", markup=False)


async def _approve_client(settings: Settings, client_id: str, seen: str) -> None:
    from machtiging.oauth.registration.approval import approve_client as let_in
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        await let_in(session, client_id, seen, at=SystemClock().now(), operator=get_operator_name())


@app.command("show")
def show_client(client_id: Annotated[str, typer.Argument(help="The client_id, as in `clients list`.")]) -> None:
    """Print the registration of one client as JSON."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_load_client(settings, client_id))
    print(json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True))


async def _load_client(settings: Settings, client_id: str) -> dict[str, Any]:
    from machtiging.oauth.queries import list_oauth_clients
    from machtiging.oauth.registration.approval import digest_registration
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        for client in await list_oauth_clients(session):
            if client.client_id == client_id:
                how = "program" if client.by_program else "operator"
                description = {"client_id": client_id, "state": client.state, "registered_by": how}
                return {**client.registration, **description, "seen_as": digest_registration(client.registration)}
    raise NotFound("client_onbekend")


@app.command("suspend")
def suspend_client(client_id: Annotated[str, typer.Argument(help="The client_id, as in `clients list`.")]) -> None:
    """Suspend a client. It gets no new tokens, and its current tokens are closed at once.

    The machtigingen and consents of people do not end.
    """
    with provide_database(Settings()) as settings:
        closed = asyncio.run(_suspend_client(settings, client_id))
    err.print(f"{client_id} is suspended; {closed} token(s) closed.", markup=False)


async def _suspend_client(settings: Settings, client_id: str) -> int:
    from machtiging.oauth.suspend_client import suspend_client as suspend_client
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await suspend_client(session, client_id, at=SystemClock().now(), operator=get_operator_name())


@app.command("resume")
def resume_client(client_id: Annotated[str, typer.Argument(help="The client_id, as in `clients list`.")]) -> None:
    """Resume a suspended client. Closed tokens stay closed: the client requests new ones.

    A client that registered itself needs `clients approve` again.
    """
    with provide_database(Settings()) as settings:
        changed = asyncio.run(_resume_client(settings, client_id))
    err.print(
        f"{client_id} {'takes part again, once approved if it registered itself' if changed else 'was not suspended'}.",
        markup=False,
    )


async def _resume_client(settings: Settings, client_id: str) -> bool:
    from machtiging.oauth.suspend_client import resume_client as resume_client
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return await resume_client(session, client_id, at=SystemClock().now(), operator=get_operator_name())


@app.command("list")
def list_clients() -> None:
    """List every registered client."""
    with provide_database(Settings()) as settings:
        found = asyncio.run(_load_client_rows(settings))
    table = Table(
        Column("client_id", no_wrap=True),
        "name",
        Column("OIN", no_wrap=True),
        "state",
        "registered by",
        "how it authenticates",
    )
    for client in found:
        table.add_row(*client)
    out.print(table)
    err.print(f"{len(found)} clients.")


async def _load_client_rows(settings: Settings) -> list[tuple[str, ...]]:
    from machtiging.oauth.queries import list_oauth_clients
    from machtiging.storage.unit_of_work import unit_of_work

    async with open_service_sessions(settings) as sessions, unit_of_work(sessions) as session:
        return [
            (
                client.client_id,
                str(client.registration.get("client_name", "")),
                client.oin or "",
                client.state if client.withdrawn_at is None else "withdrawn",
                "program" if client.by_program else "operator",
                str(client.registration.get("token_endpoint_auth_method", "")),
            )
            for client in await list_oauth_clients(session)
        ]
