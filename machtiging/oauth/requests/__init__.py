"""What one request may ask: signed request objects (JAR), resources (RFC 8707), and details that only grow narrower."""
