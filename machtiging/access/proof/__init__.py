"""What a sender shows besides a token, so that a stolen token is worth nothing: a proof of a key, or a certificate.

`dpop` checks proofs (RFC 9449), `certificate` the certificate that a proxy passes on (RFC 8705, RFC 9440), `binding`
says what a token is bound to and holds its bearer to that. The doors of the API and the authorization server use it.
"""
