"""Snapshots of clusters."""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from generator.aws.errors import translate_errors


def snapshot_exists(client: Any, name: str) -> bool:
    """Whether there is a snapshot of that name."""
    with translate_errors(name):
        try:
            return bool(client.describe_snapshots(SnapshotName=name)["Snapshots"])
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"].startswith("SnapshotNotFound"):
                return False
            raise
