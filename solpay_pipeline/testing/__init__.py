"""One maker of shops, for tests, demo and benchmarks."""
