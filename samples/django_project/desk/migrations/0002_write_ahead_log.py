"""SQLite's write-ahead log: pages can be read while the feed writes. The database file remembers it."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def write_ahead(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")


class Migration(migrations.Migration):
    atomic = False  # within a transaction SQLite ignores it
    dependencies = [("desk", "0001_initial")]
    operations = [migrations.RunPython(write_ahead, migrations.RunPython.noop)]
