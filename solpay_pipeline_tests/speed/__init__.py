"""RPC calls, transactions and fees stay within their bounds, and nothing is asked twice."""
