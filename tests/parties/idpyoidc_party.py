"""Ours, driven by the package idpyoidc from PyPI. Configured as it can be, nothing of it patched or subclassed.

It is told in configuration: how it authenticates at each service, PKCE as an add-on, and a general service of its own
for what it has none for (pushing a request, asking for the tokens of CIBA). An application tells it with each call whom
an assertion is for, with which algorithm and for how long.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from cryptojwt.jwk.rsa import new_rsa_key
from cryptojwt.key_bundle import KeyBundle
from cryptojwt.key_jar import KeyJar, build_keyjar
from idpyoidc.client.oauth2.stand_alone_client import StandAloneClient, backchannel_logout
from idpyoidc.message.oidc import AccessTokenResponse
from idpyoidc.message.oidc.backchannel_authentication import TokenRequest

OAUTH2, OIDC, ADD_ON = "idpyoidc.client.oauth2", "idpyoidc.client.oidc", "idpyoidc.client.oauth2.add_on"
EXCHANGE, CIBA = "urn:ietf:params:oauth:grant-type:token-exchange", "urn:openid:params:grant-type:ciba"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def say(told):
    print(json.dumps(told), flush=True)


def ask(told):
    say(told)
    return json.loads(sys.stdin.readline())


def service(path, **configured):
    return {"class": path, "kwargs": configured}


def services(how="private_key_jwt"):
    """Those of an app. The last is the general one; it is known by an empty name."""
    return {
        "provider_info": service(f"{OIDC}.provider_info_discovery.ProviderInfoDiscovery"),
        "registration": service(f"{OIDC}.registration.Registration", default_authn_method="bearer_header"),
        "authorization": service(f"{OIDC}.authorization.Authorization"),
        "accesstoken": service(f"{OIDC}.access_token.AccessToken", default_authn_method=how),
        "refresh_token": service(f"{OIDC}.refresh_access_token.RefreshAccessToken", default_authn_method=how),
        "userinfo": service(f"{OIDC}.userinfo.UserInfo"),
        "end_session": service(f"{OIDC}.end_session.EndSession"),
        "introspection": service(f"{OAUTH2}.introspection.Introspection", default_authn_method=how),
        "revocation": service(f"{OAUTH2}.token_revocation.TokenRevocation", default_authn_method=how),
        "any": service("idpyoidc.client.service.Service", http_method="POST", default_authn_method=how),
    }


def machine_services():
    """Those of a client without a person at a browser."""
    how = {"default_authn_method": "private_key_jwt"}
    tokens = {"msg_type": TokenRequest, "response_cls": AccessTokenResponse, "http_method": "POST"}
    asking = f"{OIDC}.backchannel_authentication.BackChannelAuthentication"
    return {
        "metadata": service(f"{OAUTH2}.server_metadata.ServerMetadata"),
        "client_credentials": service(f"{OAUTH2}.client_credentials.CCAccessTokenRequest", **how),
        "introspection": service(f"{OAUTH2}.introspection.Introspection", **how),
        "exchange": service(f"{OAUTH2}.token_exchange.TokenExchange", **how),
        "asking": service(asking, http_method="POST", **how),
        "any": service("idpyoidc.client.service.Service", **tokens, **how),
    }


def add_on(name, **configured):
    return {name: {"function": f"{ADD_ON}.{name}.add_support", "kwargs": configured}}


PKCE = add_on("pkce", code_challenge_length=64, code_challenge_method="S256")


def claims_of(token):
    claims = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))


class RecordingTransport:
    """The HTTP client of the library. It records requests, and returns prepared responses."""

    def __init__(self):
        self.seen, self.proofs, self.instead = [], [], {}

    def __call__(self, method, url, **options):
        answer = requests.request(method, url, **{"timeout": 20} | options)
        path = urlsplit(url).path
        self.seen.append((path, answer.status_code))
        self.proofs += [claims_of(proof) for name, proof in (options.get("headers") or {}).items() if name == "dpop"]
        if change := self.instead.get(path):
            answer._content = change(answer.text).encode()
        return answer


class PartyUnderTest:
    """One client of the library, and what its application does with it."""

    def __init__(self, told, name="app", add_ons=PKCE, how="private_key_jwt", **changes):
        mine = told["clients"].get(name, {})
        self.told, self.wire, jar = (
            told,
            RecordingTransport(),
            build_keyjar([{"type": "EC", "crv": "P-256", "use": ["sig"]}]),
        )
        if "jwk" in mine:
            jar = KeyJar()
            jar.import_jwks({"keys": [mine["jwk"]]}, "")
        made = {"issuer": told["issuer"], "base_url": "http://localhost:9", "client_type": "oidc", "add_ons": add_ons}
        made |= {
            "redirect_uris": [mine.get("redirect_uri", "http://localhost:9/nieuw")],
            "client_id": mine["client_id"],
        }
        made |= {"scopes_supported": ["openid"], "response_types_supported": ["code"]}
        made |= {name: value for name, value in changes.items() if name != "services"}
        used = changes.get("services", services(how))
        self.rp = StandAloneClient(keyjar=jar, config=copy.deepcopy(made), services=used, httpc=self.wire)
        self.rp.do_provider_info()
        self.context = self.rp.get_context()
        if made["client_id"]:
            self.rp.do_client_registration()  # which only reads what was configured

    @property
    def proof(self):
        """The settings of a client assertion. The default: the token endpoint, RS256, 600 seconds."""
        made = {"audience": self.told["issuer"], "algorithm": "ES256", "lifetime": 60}
        return made | {"client_id": self.rp.get_client_id()}

    def do(self, what, asked=None, **more):
        """One request of one of its services. `state`: whose visit it belongs to."""
        return self.rp.do_request(what, request_args=asked or {}, **more, **self.proof)

    def push(self, url, *only):
        """The request in this address, which the library made, to where requests are pushed. By the library."""
        query = dict(parse_qsl(urlsplit(url).query))
        endpoint = self.context.provider_info["pushed_authorization_request_endpoint"]
        return self.do("", {name: query[name] for name in only or query}, endpoint=endpoint)

    def visit(self, pushed):
        query = {"client_id": self.rp.get_client_id(), "request_uri": pushed["request_uri"]}
        location = ask({"go": f"{self.context.provider_info['authorization_endpoint']}?{urlencode(query)}"})["location"]
        return dict(parse_qsl(urlsplit(location).query))

    def answer(self, **more):
        return self.visit(self.push(self.rp.init_authorization(req_args=more or None)))

    def walk(self, **more):
        """The state under which the library keeps what it got, and the tokens."""
        state = self.rp.finalize_auth(self.answer(**more))["state"]
        return state, self.do("accesstoken", state=state)

    def active(self, token):
        return self.do("introspection", {"token": token})


def raised(act, *given, **named):
    """The name of the error that the library raises, and what it says first."""
    try:
        return f"it took it: {act(*given, **named)}"
    except Exception as error:  # noqa: BLE001 - which one, the test says
        return f"{type(error).__name__}: {error}"


def code_flow(told):
    party = PartyUnderTest(told)
    state, tokens = party.walk(authorization_details=told["details"])
    person = party.rp.get_user_info(state)
    before = party.active(tokens["access_token"]).to_dict()
    given_back = raised(party.do, "token_revocation", {"token": tokens["access_token"]})
    claims = tokens["__verified_id_token"].to_dict()
    after = party.active(tokens["access_token"]).to_dict()
    details = tokens["authorization_details"]
    said = {"claims": claims, "person": person.to_dict(), "details": details, "given_back": given_back}
    return said | {"before": before, "after": after, "revoked": party.wire.seen[-2]}


def public(told):
    """Nothing is sent that proves who it is: configured with a method without a name."""
    party = PartyUnderTest(told, "public", how="")
    party.context.set_usage("token_endpoint_auth_method", "")
    done = party.rp.finalize(party.answer())
    return {"person": done["userinfo"].to_dict(), "claims": done["id_token"].to_dict()}


def refresh(told):
    party = PartyUnderTest(told, "refreshing")
    state, first = party.walk()
    second = party.do("refresh_token", state=state)
    person = party.rp.get_user_info(state)
    again = party.do("refresh_token", {"refresh_token": first["refresh_token"]}, state=state)
    rotated = second["refresh_token"] != first["refresh_token"]
    after = party.active(second["access_token"]).to_dict()
    return {"rotated": rotated, "person": person.to_dict(), "again": again["error"], "after": after}


def signed_request(told):
    party = PartyUnderTest(told, add_ons=PKCE | add_on("jar", request_type="request_parameter"))
    how = {"expires_in": 300, "request_object_signing_alg": "ES256"}
    answer = party.visit(party.push(party.rp.init_authorization(behaviour_args=how), "client_id", "request"))
    state = party.rp.finalize_auth(answer)["state"]
    return {"claims": party.do("accesstoken", state=state)["__verified_id_token"].to_dict()}


def registered(told, **more):
    algorithms = ("id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported")
    made = {"client_name": "Nieuwkomer", "token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    made |= {"token_endpoint_auth_signing_alg_values_supported": ["ES256"], "default_max_age": 0}
    made |= {name: ["PS256"] for name in algorithms}
    newcomer = {"clients": {"newcomer": {"client_id": ""}}, "issuer": told["issuer"]}
    party = PartyUnderTest(newcomer, "newcomer", **made)
    invitation = told["clients"]["newcomer"]["initial_access_token"]
    asked = {"scope": "openid", **more}
    return party, party.rp.do_request("registration", request_args=asked, access_token=invitation)


def registration(told):
    party, made = registered(told)
    state, tokens = party.walk()
    person = party.rp.get_user_info(state)
    algorithm = tokens["__verified_id_token"].jws_header["alg"]
    return {"client": made.to_dict(), "person": person.to_dict(), "algorithm": algorithm, "signed": person._jws or ""}


def back_channel(told):
    """An app that is told that its visitor has left. The library says whose session it was."""
    came, arrived = [], threading.Event()

    class CallbackHandler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *_):
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), CallbackHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://localhost:{server.server_port}/uit"
    party, _ = registered(told, backchannel_logout_uri=where, post_logout_redirect_uris=["http://localhost:9/dag"])
    state, _ = party.walk()
    there = party.rp.logout(state, post_logout_redirect_uri="http://localhost:9/dag")["url"]
    location = ask({"leave": there})["location"]
    arrived.wait(20)
    server.shutdown()
    (notice,) = came
    head, body, signature = notice.removeprefix("logout_token=").split(".")
    forged = f"logout_token={head}.{body}.{'A' * 20}{signature[20:]}"
    other, _ = registered(told)
    told_to_another = raised(backchannel_logout, other.rp, request=notice)
    changed = raised(backchannel_logout, party.rp, request=forged)
    ours = backchannel_logout(party.rp, request=notice) == state
    return {"location": location, "ours": ours, "to_another": told_to_another, "changed": changed}


def logout(told):
    party = PartyUnderTest(told, "leaving")
    state, _ = party.walk()
    there = party.rp.logout(state, post_logout_redirect_uri=told["clients"]["leaving"]["post_logout_redirect_uri"])
    return {"location": ask({"leave": there["url"]})["location"], "state": there["request"]["state"]}


def machine_party(told, name):
    return PartyUnderTest(told, name, add_ons={}, client_type="oauth2", services=machine_services())


def machine(told):
    party = machine_party(told, "machine")
    tokens = party.do("client_credentials", {"scope": told["clients"]["machine"]["scope"]})
    return {"type": tokens["token_type"], "seen": party.active(tokens["access_token"]).to_dict()}


def exchange(told):
    _, tokens = PartyUnderTest(told).walk(resource=told["first"], authorization_details=told["details"])
    asked = {"grant_type": EXCHANGE, "subject_token": tokens["access_token"], "subject_token_type": ACCESS_TOKEN}
    got = machine_party(told, "exchanger").do("token_exchange", asked | {"resource": told["second"]}, state="een")
    seen = machine_party(told, "archive").active(got["access_token"])
    return {"exchanged": got.to_dict(), "seen": seen.to_dict()}


def ciba(told):
    party = machine_party(told, "desk")
    asked = {"login_hint": told["meldcode"], "binding_message": told["binding_message"], "scope": "openid"}
    begun = party.do("backchannel_authentication", asked | {"authorization_details": told["details"]})
    want = {"grant_type": CIBA, "auth_req_id": begun["auth_req_id"]}
    endpoint = party.context.provider_info["token_endpoint"]
    time.sleep(begun["interval"])
    waiting = party.do("", want, endpoint=endpoint)
    ask({"approve": begun["auth_req_id"]})
    time.sleep(begun["interval"])
    tokens = party.do("", want, endpoint=endpoint)
    claims, details = tokens["__verified_id_token"].to_dict(), tokens["authorization_details"]
    return {"waiting": waiting["error"], "claims": claims, "details": details}


def assertions(told):
    """The assertions that the library sends by default, and those with wrong settings."""
    ours, elsewhere = told["issuer"], "https://elders.example"
    made = {"default": {}, "endpoint": {"audience": ours + "/token"}, "ours": {"audience": ours}}
    made |= {"elsewhere": {"audience": elsewhere}, "both": {"audience": [ours, elsewhere]}}
    made |= {"ours twice": {"audience": [ours, ours]}, "nobody": {"audience": [""]}}
    party, told_how = machine_party(told, "machine"), {"algorithm": "ES256", "lifetime": 60}
    asked = {"scope": told["clients"]["machine"]["scope"]}
    found = {}
    for name, change in made.items():
        answer = party.rp.do_request("client_credentials", request_args=asked, **told_how, **change)
        found[name] = answer.get("error", "taken")
    bound, _ = registered(told, dpop_bound_access_tokens=True)
    found["of a client whose tokens are bound"] = bound.push(bound.rp.init_authorization()).get("error", "taken")
    return found


def dpop(told):
    """Its add-on puts no nonce in a proof, and hashes a token in hex."""
    how = {"dpop_signing_alg_values_supported": ["ES256"]}
    party = PartyUnderTest(told, add_ons=PKCE | add_on("dpop", **how))
    state = party.rp.finalize_auth(party.answer())["state"]
    first = party.do("accesstoken", state=state)
    second = party.do("accesstoken", state=state, nonce="een")
    asking = PartyUnderTest(told, add_ons=PKCE | add_on("dpop", with_dpop_header=["userinfo"], **how))
    asking.rp.get_user_info(asking.walk()[0])
    proofs = {"nonce": party.wire.proofs[-1].get("nonce"), "ath": asking.wire.proofs[-1]["ath"]}
    return {"first": first["error"], "second": second["error"], **proofs}


def par(told):
    """Its add-on signs with RS256, puts the assertion inside, and accepts only status 200."""
    party = PartyUnderTest(told, add_ons=PKCE | add_on("par", authn_method="private_key_jwt"))
    bundle = KeyBundle()
    bundle.append(new_rsa_key(use="sig"))
    party.rp.get_attribute("keyjar").add_kb("", bundle)
    ours = raised(party.rp.init_authorization, behaviour_args=party.proof)
    refused = party.wire.seen[-1]
    party.context.add_on["pushed_authorization"]["http_client"] = lambda **_: created()
    return {"ours": ours, "seen": refused, "created": raised(party.rp.init_authorization, behaviour_args=party.proof)}


def created():
    """A successful response to a pushed request (RFC 9126 2.2)."""
    answer = requests.Response()
    answer.status_code = 201
    answer._content = b'{"request_uri": "urn:ietf:params:oauth:request_uri:een", "expires_in": 60}'
    return answer


def wrong(told):
    """The library rejects responses of another server or another visit."""
    party, found = PartyUnderTest(told), {}
    answer = party.answer()
    found["from"] = answer.get("iss")
    found["iss"] = raised(party.rp.finalize_auth, answer | {"iss": "https://elders.example"})
    without = {name: value for name, value in answer.items() if name != "iss"}
    found["no iss"] = raised(party.rp.finalize_auth, without)
    found["state"] = raised(party.rp.finalize_auth, answer | {"state": "van een ander"})
    state = party.rp.finalize_auth(answer)["state"]
    kept = []
    party.wire.instead["/token"] = lambda text: kept.append(text) or text
    party.do("accesstoken", state=state)
    (own,) = kept
    party.wire.instead["/token"] = lambda _: own  # the tokens of the visit before
    found["nonce"] = raised(party.walk)
    party.wire.instead["/token"] = lambda text: json.dumps(json.loads(text) | {"id_token": spoilt(json.loads(text))})
    found["signature"] = raised(party.walk)
    party.wire.instead = {"/userinfo": lambda text: json.dumps(json.loads(text) | {"sub": "een ander"})}
    found["sub"] = raised(party.rp.get_user_info, party.walk()[0])
    found["discovery"] = raised(PartyUnderTest, told | {"issuer": told["issuer"].replace("localhost", "127.0.0.1")})
    return found


def spoilt(tokens):
    head, claims, signature = tokens["id_token"].split(".")
    return f"{head}.{claims}.{'A' * 20}{signature[20:]}"


STEPS = {
    name: step
    for name, step in list(globals().items())
    if callable(step) and getattr(step, "__code__", None) and step.__code__.co_varnames[:1] == ("told",)
}

if __name__ == "__main__":
    logging.disable()
    with open(sys.argv[1]) as file:
        TOLD = json.load(file)
    try:
        say({"done": STEPS[sys.argv[2]](TOLD)})
    except Exception as error:  # noqa: BLE001 - the test says it aloud
        say({"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-1500:]})
