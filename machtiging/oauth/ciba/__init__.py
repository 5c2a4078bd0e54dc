"""CIBA in poll mode: consent requests of an app at a counter.

The person decides on her own device. Source: OpenID CIBA Core 1.0. The only hint is a meldcode: a short code that the
person makes in her own session and reads out, valid for one request. So an app cannot send requests to people who did
not ask for one, and no personal number is typed at a counter.

An unknown meldcode gets the same response as a valid one. That request stays pending and expires, and no person sees
it. So a response does not reveal a person (enumeration).
"""
