"""A large request body of an unauthenticated caller is not read."""

from __future__ import annotations

import httpx
import pytest

from machtiging.berichtenbox.routes import BODY_LIMITS
from machtiging.delegation.assignment_tasks.routes import TASK_BODY_LIMITS
from machtiging.identity.csrf import CSRF_HEADER
from machtiging.verification.routes import VERIFICATION_BODY_LIMITS
from tests.builders.people import ISSUER
from tests.builders.portal import assemble_service

CHUNK = b'{"toewijzingen": [' + b" " * 64 * 1024
CONTENT_TYPES = dict.fromkeys(BODY_LIMITS, "multipart/form-data; boundary=x")
CONTENT_TYPES |= dict.fromkeys([*TASK_BODY_LIMITS, *VERIFICATION_BODY_LIMITS], "application/json")
BRINGS = {
    "nothing": {},
    "a token of nobody": {"Authorization": f"Bearer {'a' * 43}"},
    "a cookie of nobody": {"Cookie": f"__Host-sessie={'a' * 43}", "Origin": ISSUER, CSRF_HEADER: "b" * 43},
}


def test_every_path_with_a_larger_limit_is_tested():
    [limits] = [one.kwargs for one in assemble_service().user_middleware if "max_bytes_by_path" in one.kwargs]
    assert set(limits["max_bytes_by_path"]) == set(CONTENT_TYPES)


@pytest.mark.parametrize("brought", BRINGS)
@pytest.mark.parametrize("path", CONTENT_TYPES)
async def test_row_61_large_body_of_unauthenticated_caller_is_refused_unread(portal, path, brought):
    read = []

    async def send_chunks():
        for _ in range(16):
            read.append(len(CHUNK))
            yield CHUNK

    headers = {"Content-Type": CONTENT_TYPES[path], "Accept": "application/json", **BRINGS[brought]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(portal.app)) as http:
        answer = await http.post(ISSUER + path, content=send_chunks(), headers=headers)
    assert (answer.status_code, read) == (401, [])
