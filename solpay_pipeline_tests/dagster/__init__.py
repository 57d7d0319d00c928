"""What Dagster shows, retries, launches and cancels is what happened."""
