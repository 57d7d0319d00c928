"""A Django app whose management commands have the peer's names and run our jobs, so that a crontab stays as it is.

It must stand before `django_solana_payments` in INSTALLED_APPS: of two commands with one name Django takes the first.
"""
