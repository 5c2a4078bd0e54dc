"""May this actor do this to that, now? The only place where Casbin lives.

`bearer` turns a token into an Actor, `guard` establishes the facts and asks `engine`, and what comes back is a
`Permit`: the only key to a bericht. What the policy says is in `policies/`; `policy_file` reads and checks it.
"""
