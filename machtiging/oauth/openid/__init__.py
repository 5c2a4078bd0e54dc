"""The OpenID provider: authentication requests, claims, ID tokens, userinfo and logout.

This package does not import Authlib; `authorize/` and `protocol/` call it.
"""
