"""Mutual TLS client authentication and certificate-bound tokens (RFC 8705 sections 2 and 3)."""

import ipaddress
from datetime import timedelta

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from machtiging.crypto.certificates import CertificateAuthorities
from machtiging.kernel.errors import InvalidInput
from tests.builders.applications import replace_services
from tests.builders.client import make_agency_metadata, make_client_keys
from tests.builders.keys import KeyHolder, make_certificate
from tests.builders.machtiging import UWV
from tests.builders.messages import read_claims
from tests.builders.people import ISSUER

BOUND = "tls_client_certificate_bound_access_tokens"
NAME = "CN=postkamer,O=UWV,C=NL"
DELIVERING = {"grant_type": "client_credentials", "scope": "aanleveringen:schrijven"}
ROOT = make_certificate("CN=Wortel,O=PKI,C=NL", authority=True)
MIDDLE = make_certificate("CN=Midden,O=PKI,C=NL", authority=True, by=ROOT)


@pytest.fixture
def oauth_behind_proxy(oauth):
    """The service behind a trusted proxy on 127.0.0.1 that forwards certificates."""
    replace_services(
        oauth.service,
        trusted_proxies=(ipaddress.ip_network("127.0.0.1"),),
        authorities=CertificateAuthorities([ROOT.certificate]),
        practice=False,  # no answer tells which clients exist
    )
    return oauth


async def register_app(oauth, **changes):
    wanted = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": NAME} | changes
    metadata = make_agency_metadata(make_client_keys()) | wanted
    del metadata["jwks"]
    return await oauth.add({name: value for name, value in metadata.items() if value is not ...}, None, UWV)


async def by_itself(oauth, *certificates, **changes):
    jwks = {"keys": [one.jwk() for one in certificates]}
    method = "self_signed_tls_client_auth"
    metadata = {"token_endpoint_auth_method": method, "jwks": jwks, "tls_client_auth_subject_dn": None} | changes
    made = make_agency_metadata(make_client_keys()) | metadata
    return await oauth.add({name: value for name, value in made.items() if value is not None}, None, UWV)


async def ask(app, certificate=None, path="/token", form=DELIVERING, **headers):
    shown = {} if certificate is None else certificate.header
    return await app.http.post(path, data={"client_id": app.client_id, **form}, headers={**shown, **headers})


def is_unknown(answer, why=""):
    """Assert the uniform invalid_client response."""
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (why, answer.text)
    assert answer.json()["error_description"] == "Client authentication failed."


def is_refused(answer):
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), answer.text


async def test_tls_client_auth_with_certificate_of_trusted_authority_is_accepted(oauth_behind_proxy):
    app = await register_app(oauth_behind_proxy)
    answer = await ask(app, make_certificate(NAME, by=ROOT))
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer"), answer.text


@pytest.mark.parametrize(
    ("member", "sans"),
    [
        ({"tls_client_auth_san_dns": "postkamer.uwv.example"}, {"dns": "postkamer.uwv.example"}),
        ({"tls_client_auth_san_uri": "urn:uwv:postkamer"}, {"uri": "urn:uwv:postkamer"}),
        ({"tls_client_auth_san_ip": "192.0.2.7"}, {"ip": "192.0.2.7"}),
        ({"tls_client_auth_san_email": "post@uwv.example"}, {"email": "post@uwv.example"}),
    ],
)
async def test_tls_client_auth_by_subject_alternative_name_is_accepted(oauth_behind_proxy, member, sans):
    app = await register_app(oauth_behind_proxy, **member, tls_client_auth_subject_dn=...)
    assert (await ask(app, make_certificate(NAME, by=ROOT, sans=sans.items()))).status_code == 200
    is_unknown(await ask(app, make_certificate(NAME, by=ROOT)))


async def test_tls_client_auth_with_intermediate_chain_is_accepted(oauth_behind_proxy):
    app, leaf = await register_app(oauth_behind_proxy), make_certificate(NAME, by=MIDDLE)
    is_unknown(await ask(app, leaf))
    assert (await ask(app, leaf, **{"Client-Cert-Chain": MIDDLE.header["Client-Cert"]})).status_code == 200
    is_refused(await ask(app, leaf, **{"Client-Cert-Chain": ":AAAA:"}))
    is_refused(await ask(app, leaf, **{"Client-Cert-Chain": ", ".join([MIDDLE.header["Client-Cert"]] * 5)}))


STRANGERS = [
    (lambda: make_certificate(NAME), "signed by itself with the right name"),
    (lambda: make_certificate("CN=ander,O=UWV,C=NL", by=ROOT), "another name"),
    (lambda: make_certificate("CN=Postkamer,O=UWV,C=NL", by=ROOT), "the name in other capitals"),
    (lambda: make_certificate("O=UWV,C=NL", by=ROOT), "a part of the name"),
    (lambda: make_certificate("OU=x,CN=postkamer,O=UWV,C=NL", by=ROOT), "more than the name"),
    (lambda: make_certificate("C=NL,O=UWV,CN=postkamer", by=ROOT), "the name the other way round"),
    (lambda: make_certificate(NAME, by=make_certificate("CN=Nep", authority=True)), "unknown authority"),
    (
        lambda: make_certificate(NAME, by=make_certificate("CN=Wortel,O=PKI,C=NL", authority=True)),
        "an authority that only bears the name",
    ),
    (lambda: make_certificate(NAME, by=make_certificate("CN=leaf", by=ROOT)), "signed by a leaf"),
    (lambda: make_certificate(NAME, by=ROOT, usage=ExtendedKeyUsageOID.SERVER_AUTH), "for servers"),
]


async def test_tls_client_auth_with_other_certificate_is_rejected(oauth_behind_proxy):
    app = await register_app(oauth_behind_proxy)
    for make, why in STRANGERS:
        is_unknown(await ask(app, make()), why)


async def test_tls_client_auth_without_certificate_is_rejected(oauth_behind_proxy):
    is_unknown(await ask(await register_app(oauth_behind_proxy)))


async def test_enumeration_unknown_client_looks_like_wrong_certificate(oauth_behind_proxy):
    app = await register_app(oauth_behind_proxy)
    wrong = await ask(app, make_certificate(NAME))
    unknown = await ask(app, make_certificate(NAME), form={**DELIVERING, "client_id": "niemand"})
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert await oauth_behind_proxy.lines("token:geweigerd") == []


async def test_tls_client_auth_without_client_id_is_rejected(oauth_behind_proxy):
    app = await register_app(oauth_behind_proxy)
    answer = await app.http.post("/token", data=DELIVERING, headers=make_certificate(NAME, by=ROOT).header)
    is_unknown(answer)


async def test_private_key_jwt_client_with_certificate_only_is_rejected(oauth_behind_proxy):
    agency = await oauth_behind_proxy.register_agency()
    is_unknown(await ask(agency, make_certificate(NAME, by=ROOT)))


@pytest.mark.parametrize("changes", [{"ends": timedelta(seconds=-1)}, {"begins": timedelta(hours=1)}])
async def test_tls_client_auth_with_expired_or_future_certificate_is_rejected(oauth_behind_proxy, changes):
    is_refused(await ask(await register_app(oauth_behind_proxy), make_certificate(NAME, by=ROOT, **changes)))
    own = make_certificate(**changes)
    is_refused(await ask(await by_itself(oauth_behind_proxy, own, client_name="Eigen"), own))


async def test_tls_client_auth_from_untrusted_peer_is_rejected(oauth_behind_proxy):
    app, agency = (
        await register_app(oauth_behind_proxy),
        await oauth_behind_proxy.register_agency(client_name="Met sleutel"),
    )
    transport = httpx.ASGITransport(oauth_behind_proxy.service, client=("203.0.113.7", 40000))
    certificate = make_certificate(NAME, by=ROOT)
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as stranger:
        for data in ({"client_id": app.client_id, **DELIVERING}, {**agency.credentials(), **DELIVERING}):
            is_refused(await stranger.post("/token", data=data, headers=certificate.header))


async def test_tls_client_auth_without_configured_authorities_is_rejected(oauth_behind_proxy):
    app = await register_app(oauth_behind_proxy)
    replace_services(oauth_behind_proxy.service, authorities=CertificateAuthorities())
    is_unknown(await ask(app, make_certificate(NAME, by=ROOT)))


async def test_self_signed_tls_client_auth_with_registered_certificate_is_accepted(oauth_behind_proxy):
    old, new = make_certificate(), make_certificate()
    app = await by_itself(oauth_behind_proxy, old, new)
    assert [(await ask(app, one)).status_code for one in (old, new)] == [200, 200]


async def test_self_signed_tls_client_auth_with_other_certificate_of_same_name_is_rejected(oauth_behind_proxy):
    mine = make_certificate(NAME, by=ROOT)
    app = await by_itself(oauth_behind_proxy, mine)
    for other in (make_certificate(NAME), make_certificate(NAME, by=ROOT)):
        is_unknown(await ask(app, other))


async def test_token_of_registered_mtls_client_is_bound_to_its_certificate(oauth_behind_proxy):
    own = make_certificate()
    app = await by_itself(oauth_behind_proxy, own, **{BOUND: True})
    given = (await ask(app, own)).json()
    assert given["token_type"] == "Bearer"
    assert read_claims(given["access_token"])["cnf"] == {"x5t#S256": own.x5t}
    told = (await ask(app, own, "/introspect", {"token": given["access_token"]})).json()
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "Bearer", {"x5t#S256": own.x5t})


async def test_token_of_private_key_jwt_client_is_bound_to_its_certificate(oauth_behind_proxy):
    agency, own = await oauth_behind_proxy.register_agency(**{BOUND: True}), make_certificate()
    is_refused(await agency.post("/token", DELIVERING))
    answer = await agency.http.post("/token", data={**agency.credentials(), **DELIVERING}, headers=own.header)
    assert read_claims(answer.json()["access_token"])["cnf"] == {"x5t#S256": own.x5t}


async def test_certificate_bound_client_with_dpop_proof_is_rejected(oauth_behind_proxy, clock):
    own = make_certificate()
    app = await by_itself(oauth_behind_proxy, own, **{BOUND: True})
    is_refused(await ask(app, own, DPoP=KeyHolder(clock).proof("POST", ISSUER + "/token")))


async def test_mtls_client_with_dpop_gets_dpop_bound_token(oauth_behind_proxy, clock):
    own, holder = make_certificate(), KeyHolder(clock)
    app = await by_itself(oauth_behind_proxy, own, dpop_bound_access_tokens=True)
    given = await ask(app, own, DPoP=holder.proof("POST", ISSUER + "/token"))
    assert read_claims(given.json()["access_token"])["cnf"] == {"jkt": holder.jkt}


async def test_discovery_metadata_names_mtls_only_if_configured(oauth):
    place = "/.well-known/oauth-authorization-server"
    told = (await oauth.connection().get(place)).json()
    assert told[BOUND] is False
    assert not {"tls_client_auth", "self_signed_tls_client_auth"} & set(told["token_endpoint_auth_methods_supported"])
    replace_services(oauth.service, trusted_proxies=(ipaddress.ip_network("127.0.0.1"),))
    told = (await oauth.connection().get(place)).json()
    assert told[BOUND] is True
    assert "self_signed_tls_client_auth" in told["token_endpoint_auth_methods_supported"]
    assert "tls_client_auth" not in told["token_endpoint_auth_methods_supported"]
    replace_services(oauth.service, authorities=CertificateAuthorities([ROOT.certificate]))
    told = (await oauth.connection().get(place)).json()
    for endpoint in ("token", "introspection", "revocation"):
        assert "tls_client_auth" in told[f"{endpoint}_endpoint_auth_methods_supported"]


async def test_discovery_mtls_endpoint_alias_is_named_and_accepted_in_dpop_htu(oauth_behind_proxy, clock):
    place = "/.well-known/oauth-authorization-server"
    assert "mtls_endpoint_aliases" not in (await oauth_behind_proxy.connection().get(place)).json()
    replace_services(oauth_behind_proxy.service, mtls_url="https://certificaat.machtigen.test")
    aliases = (await oauth_behind_proxy.connection().get(place)).json()["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == "https://certificaat.machtigen.test/token"
    own, holder = make_certificate(), KeyHolder(clock)
    app = await by_itself(oauth_behind_proxy, own, dpop_bound_access_tokens=True)
    for address in (aliases["token_endpoint"], ISSUER + "/token"):
        assert (await ask(app, own, DPoP=holder.proof("POST", address))).status_code == 200
    wrong = await ask(app, own, DPoP=holder.proof("POST", "https://ander.machtigen.test/token"))
    assert wrong.json()["error"] == "invalid_dpop_proof"


OWN = make_certificate()


WRONGLY_NAMED = [
    ({"tls_client_auth_subject_dn": "geen naam"}, "no name"),
    ({"tls_client_auth_subject_dn": ""}, "an empty name"),
    ({"tls_client_auth_subject_dn": ["CN=a"]}, "a list"),
    ({"tls_client_auth_san_dns": "a.example"}, "two names"),
    ({"tls_client_auth_subject_dn": ...}, "none at all"),
    ({"tls_client_auth_subject_dn": ..., "tls_client_auth_san_ip": "300.1.1.1"}, "no address"),
    ({"tls_client_auth_subject_dn": ..., "tls_client_auth_san_dns": "*.a.example"}, "a wildcard"),
    ({"tls_client_auth_subject_dn": ..., "tls_client_auth_san_uri": "geen uri"}, "no URI"),
    ({"tls_client_auth_subject_dn": ..., "tls_client_auth_san_email": "a@b@c"}, "no mail"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "a name with a key"),
    ({BOUND: True, "dpop_bound_access_tokens": True}, "bound in two ways"),
    ({BOUND: "ja"}, "neither yes nor no"),
    ({"dpop_bound_access_tokens": 1}, "a number for yes"),
    (
        {"token_endpoint_auth_method": "self_signed_tls_client_auth", "tls_client_auth_subject_dn": ...},
        "no certificate",
    ),
]


async def test_registration_with_invalid_mtls_metadata_is_rejected(oauth):
    for changes, why in WRONGLY_NAMED:
        wanted = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": NAME} | changes
        metadata = make_agency_metadata(make_client_keys()) | wanted
        if wanted["token_endpoint_auth_method"] != "private_key_jwt":
            del metadata["jwks"]
        with pytest.raises(InvalidInput, match="clientgegevens_ongeldig") as refused:
            await oauth.add({name: value for name, value in metadata.items() if value is not ...}, None, UWV)
        assert refused.value.fields.keys() <= {*wanted, "jwks"}, why


NOT_ONE_THAT_FITS = [
    ({**OWN.jwk(), "x5c": []}, "no certificate"),
    ({**OWN.jwk(), "x5c": [*OWN.jwk()["x5c"] * 2]}, "two"),
    ({**OWN.jwk(), "x5c": ["AAAA"]}, "unreadable"),
    ({**OWN.jwk(), "x5c": make_certificate().jwk()["x5c"]}, "of another key"),
    ({**OWN.jwk(), "d": "AAAA"}, "with a secret"),
    ({"x5c": OWN.jwk()["x5c"]}, "without its key"),
    ("sleutel", "no object"),
]


async def test_registration_of_certificate_must_match_its_key(oauth):
    by_itself = {"token_endpoint_auth_method": "self_signed_tls_client_auth"}
    for key, why in NOT_ONE_THAT_FITS:
        metadata = make_agency_metadata(make_client_keys()) | by_itself | {"jwks": {"keys": [key]}}
        with pytest.raises(InvalidInput, match="clientgegevens_ongeldig") as refused:
            await oauth.add(metadata, None, UWV)
        assert refused.value.fields.keys() == {"jwks"}, why
