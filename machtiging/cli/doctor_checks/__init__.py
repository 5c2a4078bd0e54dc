"""Checks of `machtiging doctor`. Each yields findings and changes nothing."""
