"""Fixtures that every test may ask for."""

pytest_plugins = ["solpay_pipeline_tests.postgres"]
