"""The way to the endpoints: requests, what their answers mean, pace and failover."""
