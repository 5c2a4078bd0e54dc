"""Sender-constrained tokens: a stolen token is useless without its key or certificate.

`dpop` verifies DPoP proofs (RFC 9449). `client_certificate` reads the certificate passed on by a proxy (RFC 8705, RFC
9440). `binding` verifies the binding of a token. The API and the authorization server both use this package.
"""
