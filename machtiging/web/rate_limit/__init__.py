"""Rate limiting per access token, person and address, before a request is handled. Per process."""
