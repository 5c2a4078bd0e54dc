"""Tokens, what is told of them and of the server, with one guard taken away."""

from __future__ import annotations

from typing import Any

from tests.mutants.mutant import Mutant, claims_of, swap, yes


def _a_revoked_token_stays_active() -> None:
    from machtiging.oauth import queries

    swap(queries, "token_status_from_row", lambda was: lambda *given: (was(*given)[0], True))


def _a_proof_can_be_used_again() -> None:
    from machtiging.access.sender_constraint import dpop
    from machtiging.crypto import secrets

    def broken(was: Any) -> Any:
        """What is remembered is something else."""
        return lambda *given: was(*given) | {"proof_proof_hash": secrets.sha256_digest(secrets.generate_token())}

    swap(dpop, "consume_jti_params", broken)


def _everybody_may_ask_about_every_token() -> None:
    from machtiging.oauth.introspection import fast_path
    from machtiging.oauth.protocol.introspection_revocation import Introspection

    swap(fast_path, "may_introspect", lambda _: yes)
    swap(Introspection, "check_permission", lambda _: yes)


def _everybody_may_revoke_every_token() -> None:
    from machtiging.oauth.protocol.introspection_revocation import AccessTokenView

    swap(AccessTokenView, "check_client", lambda _: lambda *_: True)


def _revoking_does_nothing() -> None:
    from machtiging.oauth.protocol.introspection_revocation import Revocation

    swap(Revocation, "revoke_token", lambda _: lambda *_: None)


def _access_tokens_are_not_verified() -> None:
    from machtiging.crypto.keyring import KeyRing

    for name in ("verify_own_jwt", "verify_own_statement"):
        swap(KeyRing, name, lambda _: lambda self, token, **_: claims_of(token))


def _one_subject_for_all_clients() -> None:
    from machtiging.oauth.client import Client

    swap(Client, "sector_identifier", lambda _: property(lambda self: "everybody"))


def _the_nonce_is_ours() -> None:
    from machtiging.oauth.openid import id_token as id_tokens

    def broken(was: Any) -> Any:
        def id_token(issuer: Any, client: Any, consented: Any, nonce: str, **rest: Any) -> Any:
            return was(issuer, client, consented, "0" * len(nonce), **rest)

        return id_token

    swap(id_tokens, "sign_id_token", broken)


def _id_tokens_are_for_the_api() -> None:
    from machtiging.crypto.keyring import KeyRing

    def broken(was: Any) -> Any:
        def sign(self: Any, claims: dict[str, Any], **options: Any) -> str:
            if options.get("typ") == "JWT":
                claims = claims | {"aud": claims["iss"] + "/api/v1"}
            return was(self, claims, **options)

        return sign

    swap(KeyRing, "sign_jwt", broken)


def _private_keys_are_published() -> None:
    from machtiging.crypto.keyring import KeyRing

    def broken(was: Any) -> Any:
        def published(self: Any, *rest: Any) -> Any:
            return {"keys": [key | {"d": "AQAB"} for key in was(self, *rest)["keys"]]}

        return published

    swap(KeyRing, "public_jwks", broken)


def _plain_is_advertised() -> None:
    from machtiging.oauth import metadata

    def broken(was: Any) -> Any:
        return lambda *given: was(*given) | {"code_challenge_methods_supported": ["S256", "plain"]}

    swap(metadata, "build_openid_configuration", broken)


MUTANTS: dict[str, Mutant] = {
    "revoked_is_active": Mutant(
        "introspection ignores revocation",
        ("test_revoked_token_is_rejected_everywhere_at_once",),
        _a_revoked_token_stays_active,
    ),
    "introspection_for_all": Mutant(
        "every client may ask about every token",
        ("test_introspection_by_another_client_is_inactive",),
        _everybody_may_ask_about_every_token,
    ),
    "revocation_by_all": Mutant(
        "every client may revoke every token",
        ("test_revocation_by_another_client_is_ignored",),
        _everybody_may_revoke_every_token,
    ),
    "revocation_does_nothing": Mutant(
        "revocation answers 200 and does nothing",
        (
            "test_revoked_token_is_rejected_everywhere_at_once",
            "test_revocation_of_client_credentials_token_succeeds",
        ),
        _revoking_does_nothing,
    ),
    "proof_reusable": Mutant(
        "a DPoP proof can be used again", ("test_dpop_proof_replayed_is_rejected",), _a_proof_can_be_used_again
    ),
    "token_unverified": Mutant(
        "the signature of an access token is not read",
        ("test_introspection_of_tampered_token_is_inactive",),
        _access_tokens_are_not_verified,
    ),
    "one_subject": Mutant(
        "a person is the same subject at every client",
        ("test_subject_is_pairwise_per_client",),
        _one_subject_for_all_clients,
    ),
    "nonce_lost": Mutant(
        "the ID token has another nonce than the request",
        ("test_id_token_nonce_is_that_of_the_request",),
        _the_nonce_is_ours,
    ),
    "id_token_audience": Mutant(
        "the ID token is not for the client",
        ("test_id_token_is_signed_with_published_key_and_has_required_claims",),
        _id_tokens_are_for_the_api,
    ),
    "private_keys": Mutant(
        "the published keys hold private members",
        ("test_jwks_keys_are_public_with_unique_kid",),
        _private_keys_are_published,
    ),
    "plain_advertised": Mutant(
        "discovery offers plain PKCE", ("test_metadata_offers_pkce_s256_only",), _plain_is_advertised
    ),
}
