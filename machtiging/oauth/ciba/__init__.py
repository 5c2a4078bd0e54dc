"""At a counter: an app asks, the citizen answers on a device of her own (OpenID CIBA Core 1.0, poll mode).

The only hint that is taken is a meldcode: a short code that she makes in her own session and reads out, good for one
request. So nobody can be asked anything who did not just say that she wants to be asked: no app can send requests to
people it once met until one of them says yes, and no number of hers is ever typed in at a counter.

A code that is not hers (any more) is answered as one that is: that request waits and ends, and nobody is asked.
"""
