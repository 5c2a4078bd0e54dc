"""Actions of a token. A missing one is named in the refusal; marking and deleting each need their own."""

from __future__ import annotations

import json

import pytest

from machtiging.berichtenbox.routes import API_PREFIX, MERGE_PATCH
from machtiging.delegation.rules import Act
from tests.builders.letters import HELPING
from tests.builders.rows import BERICHTEN, JOURNAL_INTAKE

LETTERS = f"{API_PREFIX}/berichten"
READING = (Act.LIST, Act.READ, Act.DOWNLOAD)


async def ask(client, act, letter):
    """Send the request that needs this action."""
    if act is Act.MARK:
        headers = {"Content-Type": MERGE_PATCH}
        return await client.patch(f"{LETTERS}/{letter}", content=json.dumps({"gelezen": True}), headers=headers)
    if act is Act.DELETE:
        return await client.delete(f"{LETTERS}/{letter}")
    return await client.get(LETTERS if act is Act.LIST else f"{LETTERS}/{letter}")


@pytest.mark.parametrize("act", [Act.LIST, Act.READ, Act.MARK, Act.DELETE])
@pytest.mark.parametrize("given", [(), READING], ids=["no details", "reading"])
async def test_token_without_required_action_returns_403_with_the_action(world, act, given):
    if act in given:
        return
    letter = await world.deliver_letter()
    async with world.client(await world.issue_token(world.citizen, acts=given)) as client:
        answer = await ask(client, act, letter)
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert answer.json()["error"] == "insufficient_scope"
    assert f"'{act.value}'" in answer.json()["detail"]
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert f"authorization_details of type berichtenbox with the action {act.value}" in challenge
    assert await world.reasons(f"bericht:{act.value}") == ["handeling_niet_toegestaan"]
    assert tuple((await BERICHTEN.read(world, "read_at", "changed_at", "deleted_at"))[0]) == (None, None, None)


async def test_own_app_with_actions_marks_and_deletes_and_is_journalled(world):
    letter = await world.deliver_letter()
    async with world.client(await world.issue_token(world.citizen, acts=(*READING, Act.MARK, Act.DELETE))) as client:
        marked = await ask(client, Act.MARK, letter)
        assert (marked.status_code, marked.json()["gelezen"]) == (200, True)
        assert (await ask(client, Act.DELETE, letter)).status_code == 204
    acts = JOURNAL_INTAKE.c.act.in_(["bericht:markeren", "bericht:verwijderen"])
    lines = await JOURNAL_INTAKE.read(world, "act", "outcome", "client_id", "actor_id", acts)
    assert set(lines) == {
        ("bericht:markeren", "allowed", "client-app", world.citizen),
        ("bericht:verwijderen", "allowed", "client-app", world.citizen),
    }


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
async def test_mark_action_does_not_grant_delete_nor_the_reverse(world, act):
    letter = await world.deliver_letter()
    other = Act.DELETE if act is Act.MARK else Act.MARK
    async with world.client(await world.issue_token(world.citizen, acts=(*READING, other))) as client:
        assert (await ask(client, act, letter)).status_code == 403


@pytest.mark.parametrize("act", [Act.MARK, Act.DELETE])
@pytest.mark.parametrize("acts", [HELPING, tuple(Act)], ids=["helping", "forged"])
async def test_helper_token_marking_or_deleting_returns_403_without_challenge(world, act, acts):
    letter = await world.deliver_letter()
    token = await world.issue_token(world.helper, under=await world.grant_machtiging(), acts=acts)
    async with world.client(token) as helper:
        answer = await ask(helper, act, letter)
    assert (answer.status_code, answer.json()["code"]) == (403, "handeling_niet_toegestaan")
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("act", [Act.READ, Act.MARK, Act.DELETE])
async def test_idor_bericht_of_another_box_without_action_returns_404(world, act):
    letter = await world.deliver_letter()
    async with world.client(await world.issue_token(world.helper, acts=())) as stranger:
        assert (await ask(stranger, act, letter)).status_code == 404
