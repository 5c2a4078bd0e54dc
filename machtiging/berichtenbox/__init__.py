"""The box: berichten come in (`deliver`), are listed, read and downloaded, and kept in order by the citizen alone.

Nothing in here opens a letter without a Permit from `access.guard`.
"""
