"""The service's environment variables as redis-py's arguments."""

from __future__ import annotations

import os
from typing import Any


def connection() -> dict[str, Any]:
    host, _, port = os.environ["MEMORYDB_CLUSTER_ENDPOINT"].rpartition(":")
    return {
        "host": host,
        "port": int(port),
        "username": os.environ["MEMORYDB_USERNAME"],
        "password": os.environ["MEMORYDB_PASSWORD"],
        "ssl": True,
        "ssl_ca_certs": os.environ.get("MEMORYDB_TLS_CA_FILE"),
        # For its bookkeeping redis-py makes 127.0.0.1 of localhost, which the certificate does not name.
        "ssl_check_hostname": False,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "decode_responses": True,
        # Redis 7.0 denies CLIENT SETINFO to a user without the grant, and logs each denial.
        "driver_info": None,
    }
