"""One certificate for the names given, and the authority that signed it, whose key is not kept."""

from __future__ import annotations

from pathlib import Path

import trustme

from rehearsal.processes import ADDRESS
from rehearsal.services.redis_cluster import HOST, Tls


def certificates(directory: Path, *names: str) -> Tls:
    """Writes an authority and a certificate for `names`, by default `localhost` and its address,
    which redis-py connects to in its place, into `directory`."""
    authority = trustme.CA(organization_name="rehearsal")
    issued = authority.issue_cert(*(names or (HOST, ADDRESS)))
    files = Tls(directory / "node.pem", directory / "node.key", directory / "authority.pem")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.authority)
    return files
