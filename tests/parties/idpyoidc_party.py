"""The package idpyoidc from PyPI at our door: why it cannot come in (docs/divergences.md)."""

import base64
import json
import sys

import requests
from cryptojwt.jwk.jwk import key_from_jwk_dict
from idpyoidc.client.client_auth import assertion_jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def say(told):
    print(json.dumps(told), flush=True)


def machine(told):
    """What it signs says a list of one audience where FAPI 2.0 wants a string: it cannot prove itself here that way."""
    client = told["clients"]["machine"]
    proof = assertion_jwt(client["client_id"], [key_from_jwk_dict(client["jwk"])], told["issuer"], "ES256", lifetime=60)
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": proof}
    answer = requests.post(told["issuer"] + "/token", data=form, timeout=20).json()
    payload = proof.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {"audience": claims["aud"], "error": answer["error"]}


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        TOLD = json.load(file)
    try:
        say({"done": {"machine": machine}[sys.argv[2]](TOLD)})
    except Exception as error:  # noqa: BLE001 - the test says it aloud
        import traceback

        say({"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-1500:]})
