"""Delivery and PATCH accept JSON with a byte order mark."""

import json
from codecs import BOM_UTF8

from machtiging.berichtenbox.routes import API_PREFIX
from tests.builders.letters import UWV, build_upload_parts, make_bericht


async def test_delivery_with_byte_order_mark_is_the_same_bericht(world) -> None:
    bericht = json.dumps(make_bericht(kenmerk="K-1")).encode()
    async with world.client(await world.issue_token(oin=UWV, acts=())) as http:
        first = await http.post(f"{API_PREFIX}/aanleveringen", files=build_upload_parts(BOM_UTF8 + bericht))
        again = await http.post(f"{API_PREFIX}/aanleveringen", files=build_upload_parts(bericht))
        twice = await http.post(f"{API_PREFIX}/aanleveringen", files=build_upload_parts(BOM_UTF8 * 2 + bericht))
    assert (first.status_code, again.status_code, twice.status_code) == (201, 200, 400)
    assert first.json() == again.json()


async def test_patch_with_byte_order_mark_is_accepted(world) -> None:
    letter = await world.deliver_letter()
    kind = {"Content-Type": "application/merge-patch+json"}
    async with world.client(await world.issue_token(world.citizen)) as http:
        answer = await http.patch(
            f"{API_PREFIX}/berichten/{letter}", content=BOM_UTF8 + b'{"gelezen": true}', headers=kind
        )
    assert (answer.status_code, answer.json()["gelezen"]) == (200, True)
