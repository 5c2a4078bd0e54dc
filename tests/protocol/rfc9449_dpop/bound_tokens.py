"""Access tokens that are bound to a key, at the doors of the API."""

from machtiging.access_tokens.sender_constraint.errors import PROOF_ALGORITHMS
from machtiging.access_tokens.tokens import insert_token
from machtiging.storage.unit_of_work import unit_of_work
from tests.builders.applications import API_ISSUER
from tests.builders.bearer import READ, make_token_facts, sign_access_token

READ_URL = API_ISSUER + READ


async def issue_dpop_bound_token(bearer_world, key_holder, **changes):
    wanted = {"person_id": bearer_world.people.son, "machtiging_id": bearer_world.machtiging.id, "jkt": key_holder.jkt}
    facts = make_token_facts(**(wanted | changes))
    async with unit_of_work(bearer_world.database.sessions) as session:
        await insert_token(session, facts)
    return sign_access_token(facts, cnf={"jkt": key_holder.jkt})


async def ask(bearer_world, token, *proofs, scheme="DPoP", path=READ):
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return await bearer_world.ask(headers=headers, path=path)


def is_refused(answer, code, error="invalid_dpop_proof", why=""):
    """401 in the words of RFC 9449 section 7.1, with the exact reason."""
    assert (answer.status_code, answer.json()["code"]) == (401, code), (why, answer.text)
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP realm="machtiging"')
    assert f'error="{error}"' in challenge
    assert f'algs="{" ".join(PROOF_ALGORITHMS)}"' in challenge
