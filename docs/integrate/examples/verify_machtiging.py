"""Ask if somebody may act for somebody, check the proof, and find its place in the journal."""

import base64
import hashlib
import json
import sys

from client import API, ISSUER, Client
from joserfc import jws, jwt
from joserfc.jwk import KeySet

RIET, BRAM, DENNIS = ({"type": "BSN", "waarde": bsn} for bsn in ("999990019", "999990020", "999990032"))
QUESTION = {"dienst": "inkomstenbelasting", "doel": "behandelen", "vertegenwoordigde": RIET}
QUESTIONS = [
    QUESTION | {"kenmerk": "1", "gemachtigde": BRAM},
    QUESTION | {"kenmerk": "2", "gemachtigde": BRAM, "handeling": "downloaden"},
    QUESTION | {"kenmerk": "3", "gemachtigde": DENNIS},
    QUESTION | {"kenmerk": "4", "gemachtigde": BRAM, "op": "2020-01-01T12:00:00+01:00"},
    QUESTION | {"kenmerk": "5", "gemachtigde": BRAM, "dienst": "aow"},
]

agency = Client("verifier")
form = {"grant_type": "client_credentials", "scope": "verificaties:vragen"}
token = agency.post_form("/token", form, dpop=True)["access_token"]


def check_proof(proof: str, question: dict, salt: str) -> dict:
    """Check a proof without asking us anything but the keys. Raises JoseError or ValueError."""
    keys = agency.http.get(ISSUER + "/.well-known/machtiging-bewijssleutels").json()["keys"]
    # `van` and `tot` say when a key signed. The library does not know these members.
    known = KeySet.import_key_set({"keys": [{k: v for k, v in key.items() if k not in ("van", "tot")} for key in keys]})
    if jws.extract_compact(proof.encode()).headers()["typ"] != "machtiging-verificatie+jwt":
        raise ValueError("typ")
    claims = jwt.decode(proof, known, algorithms=["ES256"]).claims
    text = json.dumps(question, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"{salt}\0{text}".encode()).digest()
    if claims["vraag"]["digest"] != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
        raise ValueError("this proof answers another question")
    return claims


answer = agency.request("POST", f"{API}/verificaties", token, {"verificaties": QUESTIONS})
if answer.is_error:
    sys.exit(f"{answer.status_code}: {answer.text}")
results = answer.json()["resultaten"]
for result in results:
    print(result["kenmerk"], result.get("code", result.get("reden", result.get("antwoord"))))
yes = results[0]
print("As:", yes["hoedanigheid"], "on the ground of", yes["grond"])
print("May:", ", ".join(f"{one['handeling']} ({one['niveau']})" for one in yes["handelingen"]))
claims = check_proof(yes["bewijs"], QUESTIONS[0], yes["zout"])
print("Proof for:", claims["aud"], "answer:", claims["antwoord"])
place = agency.request("GET", f"{API}/verificaties/{yes['verificatieId']}", token).json()
print("In the journal:", place["antwoord"])
