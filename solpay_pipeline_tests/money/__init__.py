"""One named test for each thing that the peer was seen to do wrong, and the right outcome: rows S1 to S20 of docs/peer.md.

Each test builds what the row tells, once as a merchant finds it who never ran the peer's commands and once as those
commands left it, and then runs our operations on it.
"""
