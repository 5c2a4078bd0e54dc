"""Send one letter to Riet, a person of the practice world. Then send it again, and then send another one instead."""

import json
import secrets

from client import API, Client

agency = Client("agency")
answer = agency.post_form("/token", {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"})
token = answer["access_token"]

letter = {
    "ontvanger": {"type": "BSN", "waarde": "999990019"},
    "dienst": "inkomstenbelasting",
    "onderwerp": "Uw aangifte is ontvangen",
    "inhoud": "Geachte mevrouw Van der Linden, wij hebben uw aangifte ontvangen.",
    "kenmerk": f"guide-{secrets.token_hex(8)}",
}


def send(letter: dict) -> None:
    """Send a letter and print the answer. To send PDF's, add parts named `bijlage`."""
    parts = [("bericht", (None, json.dumps(letter), "application/json"))]
    # parts.append(("bijlage", ("aanslag.pdf", open("aanslag.pdf", "rb"), "application/pdf")))
    headers = {"Authorization": f"Bearer {token}"}
    answer = agency.http.post(f"{API}/aanleveringen", files=parts, headers=headers)
    print(answer.status_code, answer.json().get("berichtId") or answer.json()["code"])


send(letter)
send(letter)
send(letter | {"onderwerp": "Een andere brief"})
send(letter | {"kenmerk": "guide-other", "dienst": "kinderbijslag"})
