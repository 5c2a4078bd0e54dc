"""Parameters of one request: request objects (RFC 9101), resources (RFC 8707) and narrower authorization_details."""
