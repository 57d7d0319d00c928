"""The peer's migrations, and behind them what `makemigrations` adds for a token model of one's own.

The peer's 0001 points its prices at its own token table by name; Django writes the change of that into the peer's app,
which is why such a merchant keeps that app's migrations by MIGRATION_MODULES.
"""

from django_solana_payments import migrations

__path__ = [*__path__, *migrations.__path__]
