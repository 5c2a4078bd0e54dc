"""The OpenID provider: what may be asked about a person and her login, what is told, and the end of a session.

Nothing in here knows Authlib; `authorize/` and `protocol/` call into it.
"""
