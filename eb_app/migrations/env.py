"""What alembic runs for each command; the connection comes from `eb_app.migrate`."""

from alembic import context

from eb_app.entries import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
