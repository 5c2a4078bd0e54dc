"""Lists, reads, downloads and delivers with the client that `openapi-python-client` generated. Run by its own Python.

Standard input: `{"url", "agency", "citizen", "bericht", "pdf"}`; standard output: what came back.
"""

import base64
import json
import sys
from io import BytesIO

from berichtenbox_client import AuthenticatedClient
from berichtenbox_client.api.aanleveringen import lever_bericht_aan
from berichtenbox_client.api.berichten import download_bijlage, lees_bericht, lijst_berichten, markeer_bericht
from berichtenbox_client.models import AanleveringIn, BerichtIn, StatusIn
from berichtenbox_client.types import File

told = json.load(sys.stdin)


def client(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(told["url"], token=told[token], raise_on_unexpected_status=True)


pdf = File(BytesIO(base64.b64decode(told["pdf"])), "brief.pdf", "application/pdf")
letter = AanleveringIn(BerichtIn.from_dict(told["bericht"]), [pdf])
delivered = lever_bericht_aan.sync(client=client("agency"), body=letter)
with client("citizen") as citizen:
    [summary] = lijst_berichten.sync(client=citizen).berichten
    read = lees_bericht.sync(summary.bericht_id, client=citizen)
    [bijlage] = read.bijlagen
    saved = download_bijlage.sync(read.bericht_id, bijlage.bijlage_id, client=citizen).payload.read()
    marks = markeer_bericht.sync(read.bericht_id, client=citizen, body=StatusIn(map_="Belasting"))
    refused = lees_bericht.sync("019ab0c4-7a5e-7c3e-9f1a-123456789012", client=citizen)
answer = {
    "delivered": delivered.bericht_id,
    "listed": summary.bericht_id,
    "read": read.inhoud,
    "saved": base64.b64encode(saved).decode(),
    "marks": marks.to_dict(),
    "refused": refused.code,
}
json.dump(answer, sys.stdout)
