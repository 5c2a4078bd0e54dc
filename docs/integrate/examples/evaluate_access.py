"""Ask one question and a batch of questions in the form of AuthZEN 1.0, as an enforcement point does."""

from client import ISSUER, Client

RIET, BRAM, DENNIS = ({"type": "bsn", "id": bsn} for bsn in ("999990019", "999990020", "999990032"))
CONTEXT = {
    "vertegenwoordigde": RIET,
    "doel": "toegang",
    # The level of the login in your own portal.
    "acr": "http://eidas.europa.eu/LoA/substantial",
}
EVALUATION = {
    "subject": BRAM,
    "action": {"name": "lezen"},
    "resource": {"type": "dienst", "id": "inkomstenbelasting"},
    "context": CONTEXT,
}

agency = Client("verifier")
form = {"grant_type": "client_credentials", "scope": "verificaties:vragen"}
token = agency.post_form("/token", form, dpop=True)["access_token"]

answer = agency.request("POST", ISSUER + "/access/v1/evaluation", token, EVALUATION)
print(answer.status_code, "decision:", answer.json()["decision"])

batch = EVALUATION | {
    "evaluations": [
        {"action": {"name": "downloaden"}},
        {"subject": DENNIS},
        {"action": {"name": "onbekend"}},
    ]
}
answer = agency.request("POST", ISSUER + "/access/v1/evaluations", token, batch)
print(answer.status_code, "decisions:", [one["decision"] for one in answer.json()["evaluations"]])
