"""Client metadata: the rules of registration (RFC 7591), the client cache and CORS origins."""
