"""Refusals of a sender-constrained request, each with its challenge (RFC 9449 section 7.1)."""

from __future__ import annotations

from machtiging.kernel.errors import NotAuthenticated

# The only signature algorithms accepted for a proof, whatever its header says.
PROOF_ALGORITHMS = ("ES256", "PS256", "Ed25519")
NONCE_REQUIRED, PROOF_REPLAYED = "dpop_nonce_nodig", "dpop_hergebruikt"


class MissingToken(NotAuthenticated):
    """No token was sent. The challenge names both schemes and no error (RFC 6750 section 3.1, RFC 9449 section 7.1)."""

    challenge = f'Bearer realm="machtiging", DPoP realm="machtiging", algs="{" ".join(PROOF_ALGORITHMS)}"'


class ProofRefused(NotAuthenticated):
    """The proof or certificate does not match the token.

    `error` is the code of RFC 9449, or of RFC 6750 when the token is at fault.
    """

    def __init__(self, code: str, *, private: str = "") -> None:
        super().__init__(code, private=private)
        if code == NONCE_REQUIRED:
            self.error = "use_dpop_nonce"
        elif code.startswith("dpop_") and code != "dpop_andere_sleutel":
            self.error = "invalid_dpop_proof"
        else:
            self.error = "invalid_token"
        scheme = "Bearer" if code.startswith("certificaat_") else "DPoP"
        algorithms = f', algs="{" ".join(PROOF_ALGORITHMS)}"' if scheme == "DPoP" else ""
        self.challenge = f'{scheme} realm="machtiging", error="{self.error}", error_description="{code}"{algorithms}'
