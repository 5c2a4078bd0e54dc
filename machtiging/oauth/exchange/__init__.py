"""Token exchange (RFC 8693): a resource server gets a narrower token for the next service.

The new token never outlives the old one.
"""
