"""Alembic's entry: the connection is handed over by `solpay_pipeline.ledger.migrations.migrate`."""

from alembic import context

from solpay_pipeline.ledger.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="solpay_alembic_version",
    render_as_batch=connection.dialect.name == "sqlite",
    include_name=lambda name, kind, _: kind != "table" or (name or "").startswith("solpay_"),
)
with context.begin_transaction():
    context.run_migrations()
