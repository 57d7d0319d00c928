"""Runs in processes of another environment than the daemon's: the keys are with the run workers alone.

Dagster's default launcher starts runs inside the code server, with its environment. Docker and Kubernetes have
launchers of their own; this one is for machines with systemd, sudo, or whatever else starts a process by a command.
docs/security.md#a-deployment-in-which-only-run-workers-hold-keys shows all three.
"""
