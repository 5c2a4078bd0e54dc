"""The app of a public client: its redirect URI, pushed request and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from tests.builders.client import make_app_metadata, make_authorization_details
from tests.builders.messages import Pkce, read_query


@contextmanager
def serve_redirect_uri() -> Iterator[str]:
    """Serve a redirect URI on loopback."""

    class Welcome(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>app</h1>")

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Welcome)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/terug"
    server.shutdown()
    server.server_close()


@dataclass
class PushedApp:
    """An app that has pushed a request. `url` is that of its consent page."""

    service: str
    url: str
    client_id: str
    redirect_uri: str
    pkce: Pkce

    def redeem_code(self, landed_on: str) -> dict[str, Any]:
        """Redeem the code in the address where the browser landed; returns the token response."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code": read_query(landed_on)["code"],
            "code_verifier": self.pkce.verifier,
        }
        answer = httpx.post(self.service + "/token", data=form)
        assert answer.status_code == 200, answer.text
        return answer.json()


def push_request(running_demo: Any, redirect_uri: str, asks: str | None = None) -> PushedApp:
    """Register a public client and push its request, by default for the own box."""
    file = running_demo.place / f"app-{uuid4()}.json"
    file.write_text(json.dumps(make_app_metadata(None, redirect_uris=[redirect_uri])))
    client_id = json.loads(running_demo.command("clients", "add", str(file)).stdout)["client_id"]
    pkce = Pkce()
    request = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid",
        "nonce": str(uuid4()),
        "authorization_details": asks or make_authorization_details(),
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    }
    answer = httpx.post(running_demo.url + "/par", data=request)
    assert answer.status_code == 201, answer.text
    query = urlencode({"client_id": client_id, "request_uri": answer.json()["request_uri"]})
    return PushedApp(running_demo.url, f"{running_demo.url}/authorize?{query}", client_id, redirect_uri, pkce)
