"""The authorization server: it turns a machtiging into short-lived tokens that say "helper H acts for citizen C".

`authorize/` is the browser's way (pushed request, consent, code), `protocol/` the only place that knows Authlib.
"""
