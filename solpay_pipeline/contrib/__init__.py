"""Ways into the pipeline from other frameworks."""
