"""The HTTP and WebSocket server of the embedded chain, with its faults and state files."""
