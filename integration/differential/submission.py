"""The one message that every sender gets for each situation."""

from __future__ import annotations

import client
from fate import Row


def recipient(user: str, row: Row) -> str:
    """Each sender writes to a user of its own, so that the receivers' mail shows whose it is."""
    return f"{user}@{row.get('recipient') or row['domain']}"


def message(user: str, row: Row) -> bytes:
    return client.message(row["title"], recipient(user, row))
