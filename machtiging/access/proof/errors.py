"""Refusals of a sender-constrained request, each with its challenge (RFC 9449 section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from machtiging.kernel.errors import NotAuthenticated

# The only signature algorithms accepted for a proof, whatever its header says.
ALGORITHMS = ("ES256", "PS256", "Ed25519")
NONCE_WANTED, SEEN_BEFORE = "dpop_nonce_nodig", "dpop_hergebruikt"
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "dpop_ontbreekt": "Bij dit toegangsbewijs hoort een bewijs van uw sleutel, in de kop DPoP.",
        "dpop_dubbel": "Stuur precies één kop DPoP.",
        "dpop_vormfout": "Het bewijs in de kop DPoP is niet goed gemaakt of niet goed ondertekend.",
        "dpop_andere_methode": "Het bewijs in de kop DPoP is voor een andere methode gemaakt.",
        "dpop_ander_adres": "Het bewijs in de kop DPoP is voor een ander adres gemaakt.",
        "dpop_tijd": "Het bewijs in de kop DPoP is te oud, of komt uit de toekomst.",
        NONCE_WANTED: "Neem in het bewijs in de kop DPoP de nonce op die wij meesturen.",
        "dpop_ander_token": "Het bewijs in de kop DPoP hoort niet bij dit toegangsbewijs.",
        SEEN_BEFORE: "Het bewijs in de kop DPoP is al eens gebruikt. Maak er voor elk verzoek een.",
        "dpop_andere_sleutel": "Dit toegangsbewijs hoort bij een andere sleutel.",
        "token_gebonden": "Dit toegangsbewijs werkt alleen samen met het bewijs waaraan het gebonden is.",
        "token_niet_gebonden": "Dit toegangsbewijs is niet aan een sleutel gebonden. Stuur het als Bearer.",
        "certificaat_ontbreekt": "Dit toegangsbewijs werkt alleen met het certificaat waaraan het gebonden is.",
        "certificaat_anders": "Dit toegangsbewijs hoort bij een ander certificaat.",
        "certificaat_niet_van_proxy": "De kop Client-Cert nemen wij alleen van onze eigen proxy aan.",
        "certificaat_vormfout": "Het certificaat is niet te lezen.",
        "certificaat_niet_geldig": "Het certificaat is verlopen of nog niet geldig.",
    }
)


class NoToken(NotAuthenticated):
    """No token was sent. The challenge names both schemes and no error (RFC 6750 section 3.1, RFC 9449 section 7.1)."""

    challenge = f'Bearer realm="machtiging", DPoP realm="machtiging", algs="{" ".join(ALGORITHMS)}"'


class ProofRefused(NotAuthenticated):
    """The proof or certificate does not match the token.

    `error` is the code of RFC 9449, or of RFC 6750 when the token is at fault.
    """

    def __init__(self, code: str, *, private: str = "") -> None:
        super().__init__(code, _TEXTS[code], private=private)
        if code == NONCE_WANTED:
            self.error = "use_dpop_nonce"
        elif code.startswith("dpop_") and code != "dpop_andere_sleutel":
            self.error = "invalid_dpop_proof"
        else:
            self.error = "invalid_token"
        scheme = "Bearer" if code.startswith("certificaat_") else "DPoP"
        algorithms = f', algs="{" ".join(ALGORITHMS)}"' if scheme == "DPoP" else ""
        self.challenge = f'{scheme} realm="machtiging", error="{self.error}", error_description="{code}"{algorithms}'
