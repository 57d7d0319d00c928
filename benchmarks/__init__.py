"""Measures the pipeline beside the peer, on one machine in one run: `make bench`, or `python -m benchmarks`."""
