"""The machtigingscode: nine random characters and a check character in Crockford base32.

The entropy is 45 bits. Guessing is infeasible: a helper has five tries an hour and needs the birth date too. The table
only holds a blind index, so a stolen table cannot be searched. Pure except for randomness.
"""

from __future__ import annotations

import secrets

from machtiging.kernel.readable_code import CODE_ALPHABET, compute_check_character

CODE_LENGTH = 10
GROUP_LENGTH = 4
# The purpose of the blind index of codes.
CODE_INDEX_PURPOSE = "machtigingscode"


def generate_code() -> str:
    """Generate a code without separators."""
    body = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH - 1))
    return body + compute_check_character(body)


def format_code(code: str) -> str:
    """Format the code for people: XXXX-XXXX-XX."""
    return "-".join(code[start : start + GROUP_LENGTH] for start in range(0, len(code), GROUP_LENGTH))


def is_well_formed_code(code: str) -> bool:
    """Check length, alphabet and check character of a normalised code."""
    return (
        len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET) and compute_check_character(code[:-1]) == code[-1]
    )
