"""OAuth 2.0 authorization server: issues short-lived tokens for the person or the machtiging.

`authorize/` is the browser's part (pushed request, consent, code). Only `protocol/`, and token exchange
and CIBA in `token_endpoint/`, call Authlib.
"""
