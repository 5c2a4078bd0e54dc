"""Authorization details (RFC 9396): what a client asks for, and what a grant gives.

The authorization server does not know what a type means. `handler` is the port: one implementation per installation
says what a person can consent to, and whether a grant is still good.
"""
