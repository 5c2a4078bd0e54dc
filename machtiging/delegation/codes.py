"""The machtigingscode: nine random characters and a check character in Crockford base32.

The alphabet has no I, L, O and U, so a code is easy to read out and to type. The entropy is 45 bits. Guessing is
infeasible: a helper has five tries an hour and needs the birth date too. The table only holds a blind index, so a
stolen table cannot be searched. The check character is a weighted sum in GF(32). It detects every wrong character and
every swap of two, so a typing error is never another person's code. Pure except for randomness.
"""

from __future__ import annotations

import secrets

from machtiging.kernel.text import keep_letters_and_digits

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
# The purpose of the blind index of codes.
PURPOSE = "machtigingscode"
_LOOKALIKES = str.maketrans("ILO", "110")
_LONGEST_PASTED, _LONGEST = 200, 40


def new_code() -> str:
    """Generate a code without separators."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return body + check_character(body)


def shown(code: str) -> str:
    """Format the code for people: XXXXX-XXXXX."""
    return f"{code[:5]}-{code[5:]}"


def normalise(typed: str) -> str:
    """Return the letters and digits of typed text, in capitals, with lookalikes replaced.

    Never raises: text that is no code stays no code.
    """
    plain = keep_letters_and_digits(typed[:_LONGEST_PASTED]).upper()
    return plain.translate(_LOOKALIKES)[:_LONGEST]


def well_formed(code: str) -> bool:
    """Check length, alphabet and check character of a normalised code."""
    return len(code) == LENGTH and set(code) <= set(ALPHABET) and check_character(code[:-1]) == code[-1]


def check_character(body: str) -> str:
    """Compute the check character: the sum of character times power of x, in GF(32).

    The field polynomial is x^5 + x^2 + 1.
    """
    total = 0
    for character in body:
        total = _times_x(total ^ ALPHABET.index(character))
    return ALPHABET[total]


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled
