"""A token under a machtiging gives access only for the organisation that accepted the machtiging."""

from __future__ import annotations

from uuid import UUID

import pytest

from machtiging.access.actor import Actor
from machtiging.berichtenbox.download import authorize_download, stream_bijlage
from machtiging.berichtenbox.routes import API_PREFIX
from machtiging.delegation.authority.queries import load_authority
from machtiging.kernel.assurance import Assurance
from machtiging.kernel.errors import NotInForce
from tests.builders.letters import HELPING
from tests.builders.rows import BIJLAGEN, ISSUED_TOKENS
from tests.protocol.organisation.organisations import move_rows

LETTERS = f"{API_PREFIX}/berichten"
PDF = b"%PDF-1.7\n" + b"x" * 200 + b"\n%%EOF\n"
OTHER = "andere_organisatie"


async def machtiging_for(world, kvk):
    capacity = "relative" if kvk is None else "professional"
    return await world.grant_machtiging(kvk, capacity=capacity)


async def token_for(world, machtiging_id, kvk):
    """A token of the helper as issued in a session of this organisation."""
    token = await world.issue_token(world.helper, under=machtiging_id, acts=HELPING)
    await moved(world, kvk)
    return token


async def moved(world, kvk):
    async with world.sessions.begin() as session:
        await move_rows(session, kvk, "issued_token")


async def uses_of(world):
    """The requests about one bericht: list, read, download, mark, delete."""
    letter = await world.deliver_letter(("brief.pdf", PDF, "application/pdf"))
    (row,) = await BIJLAGEN.read(world, "id")
    merge = {"content": b'{"gelezen": true}', "headers": {"Content-Type": "application/merge-patch+json"}}
    return [
        ("GET", LETTERS, {}),
        ("GET", f"{LETTERS}/{letter}", {}),
        ("GET", f"{LETTERS}/{letter}/bijlagen/{row.id}", {}),
        ("PATCH", f"{LETTERS}/{letter}", merge),
        ("DELETE", f"{LETTERS}/{letter}", {}),
    ]


async def test_box_access_with_token_of_another_organisation_is_refused_and_journalled(
    world, organisation_pair
) -> None:
    accepted_for, used_for = organisation_pair
    machtiging_id, uses = await machtiging_for(world, accepted_for), await uses_of(world)
    token = await token_for(world, machtiging_id, used_for)
    async with world.client(token) as client:
        for method, path, more in uses:
            answer = await client.request(method, path, **more)
            assert (answer.status_code, answer.json()["code"]) == (403, OTHER), (method, path, answer.text)
    for act in ("lijst", "lezen", "downloaden", "markeren", "verwijderen"):
        assert await world.reasons(f"bericht:{act}") == [OTHER]


async def test_box_access_with_token_of_same_organisation_is_allowed(world) -> None:
    machtiging_id, uses = await machtiging_for(world, "90000001"), await uses_of(world)
    async with world.client(await token_for(world, machtiging_id, "90000001")) as client:
        assert [(await client.request(*use[:2])).status_code for use in uses[:3]] == [200, 200, 200]


async def test_download_stops_when_the_token_moves_to_another_organisation(world) -> None:
    machtiging_id, uses = await machtiging_for(world, "90000001"), await uses_of(world)
    await token_for(world, machtiging_id, "90000001")
    (issued,) = await ISSUED_TOKENS.read(world, "id", ISSUED_TOKENS.c.machtiging_id.is_not(None))
    asked = UUID(uses[1][1].rsplit("/", 1)[1]), UUID(uses[2][1].rsplit("/", 1)[1])
    async with world.sessions.begin() as session:
        found = await load_authority(session, machtiging_id)
        actor = Actor(
            world.helper,
            found,
            Assurance.SUBSTANTIAL,
            frozenset(HELPING),
            "app",
            issued.id,
            organisation_kvk="90000001",
        )
        wanted = await authorize_download(session, world.keyring, world.policy, actor, asked, at=world.clock.now())
    await moved(world, "90000002")
    with pytest.raises(NotInForce, match="toegang_beeindigd_tijdens_downloaden"):
        async for _ in stream_bijlage(world.sessions, actor, wanted, world.clock):
            pass
