"""Access control: token authentication, policy decisions by Casbin, and Permits.

`bearer` turns an access token into an Actor. `guard` builds the policy request, asks `policy_engine` and returns a
Permit. Code that reads a bericht needs a Permit. The policy is in `policies/`; `policy_file` reads and checks it.
"""
