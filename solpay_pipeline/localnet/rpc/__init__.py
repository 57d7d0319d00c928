"""The JSON-RPC methods of the embedded chain: parameters in, answers out."""
