"""Get the tokens that the Bruno collection needs, and write them to its file `.env`.

A token is good for ten minutes, an assertion for one minute and one request. Run this program again for new ones.
"""

import secrets
from pathlib import Path

from client import API, Client
from reading_app import get_tokens

agency, verifier, app = Client("agency"), Client("plain-verifier"), Client("plain-app")
reading_token = get_tokens(app, ["lijst", "lezen"])["access_token"]
letters = app.http.get(f"{API}/berichten?aantal=1", headers={"Authorization": f"Bearer {reading_token}"}).json()
sent = agency.post_form("/token", {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"})
asks = verifier.post_form("/token", {"grant_type": "client_credentials", "scope": "verificaties:vragen"})
variables = {
    "AGENCY_ID": agency.client_id,
    "AGENCY_TOKEN": sent["access_token"],
    "AGENCY_ASSERTION": agency.assertion()["client_assertion"],
    "AGENCY_ASSERTION_2": agency.assertion()["client_assertion"],
    "VERIFIER_TOKEN": asks["access_token"],
    "READING_TOKEN": reading_token,
    "BERICHT_ID": letters["berichten"][0]["berichtId"],
    "KENMERK": f"bruno-{secrets.token_hex(8)}",
}
file = Path(__file__).parent.parent / "bruno" / ".env"
file.touch(mode=0o600)
file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
print("The collection is ready.")
