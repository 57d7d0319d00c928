"""The real UI and daemon show and run everything."""
