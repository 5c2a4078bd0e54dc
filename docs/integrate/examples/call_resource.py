"""Get a token for a resource server of somebody else, and call it twice: once with the token, once without a proof."""

import sys

import httpx
from client import Client
from reading_app import get_tokens

RESOURCE = "http://localhost:9002/dossiers"

app = Client("reading-app")
tokens = get_tokens(app, ["lijst", "lezen"], resource=RESOURCE)
answer = app.request("GET", RESOURCE, tokens["access_token"])
print(answer.status_code, answer.text)
stolen = httpx.get(RESOURCE, headers={"Authorization": f"DPoP {tokens['access_token']}"})
print("Without a proof:", stolen.status_code, stolen.headers.get("WWW-Authenticate"))
sys.exit(0 if answer.status_code == 200 and stolen.status_code == 401 else 1)
