"""An AuthZEN client that others wrote (decern), not patched, over the network."""

import asyncio

import decern
import pytest

from machtiging.verification.authzen.tenants import load_tenants
from tests.builders.applications import copy_application
from tests.builders.server import serve_application
from tests.protocol.authzen.conftest import ALICE, BOB, RECORD, TENANTS
from tests.protocol.authzen_box.conftest import BELASTINGDIENST, TAX, about_letter


async def evaluate(served, path, token=None, **members):
    """The decision as the client reads it. It waits for the network, so it has a thread."""
    client = decern.Client(f"http://127.0.0.1:{served.port}{path}", token=token)
    return await asyncio.to_thread(client.evaluate, **members)


async def test_decern_client_reads_decisions_about_a_letter(pep):
    letter = await pep.world.deliver_letter(oin=BELASTINGDIENST, dienst=TAX)
    token = await pep.issue_token()
    async with serve_application(pep.app) as served:
        before = await evaluate(served, "", token, **about_letter(letter))
        machtiging_id = await pep.world.grant_machtiging()
        during = await evaluate(served, "", token, **about_letter(letter))
        await pep.world.revoke(machtiging_id)
        after = await evaluate(served, "", token, **about_letter(letter))
    assert [one.allowed for one in (before, during, after)] == [False, True, False]
    assert before.context["reason"] == "geen_geldige_machtiging"
    assert during.context["evaluation_id"]


async def test_decern_client_reads_decisions_of_a_tenant(pep):
    app = copy_application(pep.app, authzen_tenants=load_tenants(TENANTS, practice=True))
    async with serve_application(app) as served:
        answers = [
            await evaluate(served, "/authzen/proef", subject=subject, action="write", resource=RECORD)
            for subject in (ALICE, BOB)
        ]
    assert [one.allowed for one in answers] == [True, False]


async def test_decern_client_reports_an_invalid_token_with_our_message(pep):
    async with serve_application(pep.app) as served:
        with pytest.raises(decern.DecernError) as refused:
            await evaluate(served, "", "no-token", **about_letter("x"))
    assert (refused.value.status_code, "token_ongeldig" in refused.value.body) == (401, True)
