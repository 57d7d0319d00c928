"""Jobs run, retry, end and can be cancelled as their page says."""
