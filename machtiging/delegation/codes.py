"""The machtigingscode: nine random characters and a check character, easy to read out and to type. Pure but for chance.

Crockford's base32 (no I, L, O, U). 45 bits: with five tries an hour per helper, and the birth date to guess as well,
searching is hopeless; the keyed index at rest keeps a stolen table from being searched. The check character is a
weighted sum in GF(32): it catches every single wrong character and every swap of two, so that a typing error is never
somebody else's code.
"""

from __future__ import annotations

import secrets

from machtiging.kernel.text import keep_letters_and_digits

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
# The purpose under which the key ring indexes codes.
PURPOSE = "machtigingscode"
_LOOKALIKES = str.maketrans("ILO", "110")
_LONGEST_PASTED, _LONGEST = 200, 40


def new_code() -> str:
    """A fresh code without separators."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - 1))
    return body + check_character(body)


def shown(code: str) -> str:
    """The code as people see it: XXXXX-XXXXX."""
    return f"{code[:5]}-{code[5:]}"


def normalise(typed: str) -> str:
    """Return what was typed or pasted: its letters and digits only, as capitals, lookalikes mended.

    Never fails: what is no code stays none.
    """
    plain = keep_letters_and_digits(typed[:_LONGEST_PASTED]).upper()
    return plain.translate(_LOOKALIKES)[:_LONGEST]


def well_formed(code: str) -> bool:
    """Whether a normalised code has the right length, alphabet and check character."""
    return len(code) == LENGTH and set(code) <= set(ALPHABET) and check_character(code[:-1]) == code[-1]


def check_character(body: str) -> str:
    """The sum of the characters, each times its own power of x, in GF(32) with x^5 + x^2 + 1."""
    total = 0
    for character in body:
        total = _times_x(total ^ ALPHABET.index(character))
    return ALPHABET[total]


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled
