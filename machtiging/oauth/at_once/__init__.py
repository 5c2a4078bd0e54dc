"""Fast path of POST /token: handle successful requests in two statements.

The first statement loads, the second re-checks and writes (optimistic lock). Any refusal is re-evaluated by the
transactional path, which alone journals refusals (docs/decisions/0007).
"""
