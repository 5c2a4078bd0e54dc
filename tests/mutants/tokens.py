"""Mutants of tokens, introspection, revocation, userinfo and metadata."""

from __future__ import annotations

from typing import Any

from machtiging.access_tokens.sender_constraint import dpop
from machtiging.crypto import secrets
from machtiging.crypto.keyring import KeyRing
from machtiging.oauth import metadata, queries
from machtiging.oauth.client import Client
from machtiging.oauth.introspection import evaluation
from machtiging.oauth.openid import id_token as id_tokens
from machtiging.oauth.protocol.introspection_revocation import AccessTokenView, Revocation
from tests.mutants.mutant import Mutant, always_true, claims_of, swap


def _revocation_is_ignored() -> None:
    def build_replacement(was: Any) -> Any:
        async def find_status(*given: Any) -> Any:
            return (await was(*given))[0], True

        return find_status

    swap(queries, queries.token_status_from_row, build_replacement)


def _dpop_proof_is_reusable() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda *given: was(*given) | {"proof_proof_hash": secrets.sha256_digest(secrets.generate_token())}

    swap(dpop, dpop.build_jti_params, build_replacement)


def _introspection_permission_is_ignored() -> None:
    swap(evaluation, evaluation.may_introspect, lambda _: always_true)


def _revocation_ignores_token_owner() -> None:
    swap(AccessTokenView, AccessTokenView.check_client, lambda _: always_true)


def _revocation_does_nothing() -> None:
    swap(Revocation, Revocation.revoke_token, lambda _: lambda *_: None)


def _access_token_signature_is_ignored() -> None:
    for method in (KeyRing.verify_own_jwt, KeyRing.verify_own_statement):
        swap(KeyRing, method, lambda _: lambda self, token, **_: claims_of(token))


def _subject_is_not_pairwise() -> None:
    swap(Client, Client.sector_identifier, lambda _: property(lambda self: "everybody"))


def _id_token_nonce_is_wrong() -> None:
    def build_replacement(was: Any) -> Any:
        def id_token(issuer: Any, client: Any, active_grant: Any, nonce: str, **options: Any) -> Any:
            return was(issuer, client, active_grant, "0" * len(nonce), **options)

        return id_token

    swap(id_tokens, id_tokens.sign_id_token, build_replacement)


def _id_token_audience_is_wrong() -> None:
    def build_replacement(was: Any) -> Any:
        def sign(self: Any, claims: dict[str, Any], **options: Any) -> str:
            if options.get("typ") == "JWT":
                claims = claims | {"aud": claims["iss"] + "/api/v1"}
            return was(self, claims, **options)

        return sign

    swap(KeyRing, KeyRing.sign_jwt, build_replacement)


def _private_keys_are_published() -> None:
    def build_replacement(was: Any) -> Any:
        def published(self: Any, *rest: Any) -> Any:
            return {"keys": [key | {"d": "AQAB"} for key in was(self, *rest)["keys"]]}

        return published

    swap(KeyRing, KeyRing.public_jwks, build_replacement)


def _metadata_offers_pkce_plain() -> None:
    def build_replacement(was: Any) -> Any:
        return lambda *given: was(*given) | {"code_challenge_methods_supported": ["S256", "plain"]}

    swap(metadata, metadata.build_openid_configuration, build_replacement)


MUTANTS: dict[str, Mutant] = {
    "introspection_ignores_revocation": Mutant(
        "revocation check at introspection removed",
        ("test_revoked_token_is_rejected_everywhere_at_once",),
        _revocation_is_ignored,
    ),
    "introspection_permission_ignored": Mutant(
        "introspection permission check removed",
        ("test_introspection_by_another_client_is_inactive",),
        _introspection_permission_is_ignored,
    ),
    "revocation_owner_ignored": Mutant(
        "client check at revocation removed",
        ("test_revocation_by_another_client_is_ignored",),
        _revocation_ignores_token_owner,
    ),
    "revocation_does_nothing": Mutant(
        "revocation removed: the answer is 200",
        (
            "test_revoked_token_is_rejected_everywhere_at_once",
            "test_revocation_of_client_credentials_token_succeeds",
        ),
        _revocation_does_nothing,
    ),
    "dpop_proof_reusable": Mutant(
        "replay check of a DPoP proof removed", ("test_dpop_proof_replayed_is_rejected",), _dpop_proof_is_reusable
    ),
    "token_signature_ignored": Mutant(
        "signature check of an access token removed",
        ("test_introspection_of_tampered_token_is_inactive",),
        _access_token_signature_is_ignored,
    ),
    "subject_not_pairwise": Mutant(
        "pairwise subject removed",
        ("test_subject_is_pairwise_per_client",),
        _subject_is_not_pairwise,
    ),
    "id_token_nonce_wrong": Mutant(
        "nonce of the ID token replaced",
        ("test_id_token_nonce_is_that_of_the_request",),
        _id_token_nonce_is_wrong,
    ),
    "id_token_aud_wrong": Mutant(
        "audience of the ID token replaced",
        ("test_id_token_is_signed_with_published_key_and_has_required_claims",),
        _id_token_audience_is_wrong,
    ),
    "private_keys_published": Mutant(
        "private members added to the JWKS",
        ("test_jwks_keys_are_public_with_unique_kid",),
        _private_keys_are_published,
    ),
    "metadata_pkce_plain": Mutant(
        "PKCE plain offered in metadata", ("test_metadata_offers_pkce_s256_only",), _metadata_offers_pkce_plain
    ),
}
