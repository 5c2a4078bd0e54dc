"""The message box: deliver (`aanlevering`), list, read, download and mark berichten.

No letter is decrypted without a Permit from `access.guard`.
"""
