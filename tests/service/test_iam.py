"""The service with IAM, a process of its own, on a TLS cluster behind a stand-in for MemoryDB's verification."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rehearsal.processes import START_SECONDS
from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster, Tls, User
from tests.container_credentials import Endpoint, endpoint
from tests.load import Load, live
from tests.memorydb_iam import Iam, Keys, Login, StandIn, stand_in
from tests.running import DEADLINE, LATE, ROOT, Service, access_string, assert_unavailable, body, eventually, within

NODES = 3
KEYS = Keys("AKIATHESERVICE", "a-secret-key-that-no-log-may-hold", "a-session-token-that-no-log-may-hold")
HIDDEN = ("that-no-log-may-hold", "X-Amz-", "AKIA")
NO_CREDENTIALS = "There are no AWS credentials to log in to Redis with."
REFUSED = "Redis does not accept the service's IAM role."
EMAILS = [f"iam-{number}@foo.com" for number in range(96)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    directory = tmp_path_factory.mktemp("iam")
    tls = certificates(directory)
    user = User("user-1", "what-the-stand-in-logs-in-with", access_string())
    with stand_in(Iam("db-1", "eu-central-1", []), tls, 3600, NODES) as made:
        made.cluster = Cluster(directory / "nodes", user=user, shards=NODES, tls=tls, announced=made.ports)
        with made.cluster:
            yield made


@pytest.fixture
def memorydb(running: StandIn) -> StandIn:
    """As it is at AWS: twelve hours, one role that may connect; nobody there yet, and no users."""
    assert running.cluster
    for node in running.cluster.nodes:
        with running.cluster.client(node) as client:
            client.flushall()
    running.seconds = 12 * 3600
    running.renewals = True
    running.iam.keys = [KEYS]
    running.logins.clear()
    return running


def environment(
    memorydb: StandIn, more: dict[str, str] | None = None, *, role: Endpoint | None = None
) -> dict[str, str]:
    """What the App Runner layer sets, the tests' own authority, and credentials: the role's, or in variables."""
    assert memorydb.cluster
    tls: Tls | None = memorydb.cluster.tls
    assert tls
    given = {
        "AWS_ACCESS_KEY_ID": KEYS.access_key,
        "AWS_SECRET_ACCESS_KEY": KEYS.secret_key,
        "AWS_SESSION_TOKEN": KEYS.session_token or "",
    }
    return {
        "MEMORYDB_CLUSTER_ENDPOINT": memorydb.cluster.endpoint,
        "MEMORYDB_USERNAME": memorydb.cluster.user.name,
        "MEMORYDB_AUTHENTICATION": "iam",
        "MEMORYDB_CLUSTER_NAME": memorydb.iam.cluster_name,
        "AWS_REGION": memorydb.iam.region,
        "MEMORYDB_TLS_CA_FILE": str(tls.authority),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **(role.environment if role else given),
        **(more or {}),
    }


def assert_nothing_secret_was_logged(service: Service) -> None:
    text = json.dumps(service.log)
    assert not [secret for secret in HIDDEN if secret in text]


# The stand-in is one thread for all nodes: on a busy machine it may be silent for longer than a quarter of the usual
# deadline, after which the service rightly takes a node for one that fails. Here it is to renew, and lose nothing.
RENEWING = {"MEMORYDB_REAUTHENTICATE_SECONDS": "1", "REQUEST_DEADLINE": "20"}


def test_a_token_opens_every_shard(memorydb: StandIn, tmp_path: Path) -> None:
    with Service(environment(memorydb), tmp_path) as service:
        assert service("GET", "/ready").status == 200
        assert_nothing_secret_was_logged(service)
    assert [login.refused for login in memorydb.logins if login.refused] == []
    assert len([login for login in memorydb.logins if login.times]) >= NODES


@pytest.mark.parametrize("wrong", ["secret", "session", "cluster", "region", "user"])
def test_a_token_for_anything_else_is_503_and_not_told(memorydb: StandIn, tmp_path: Path, wrong: str) -> None:
    more = {
        "secret": {"AWS_SECRET_ACCESS_KEY": "another-key-that-no-log-may-hold"},
        "session": {"AWS_SESSION_TOKEN": "another-token-that-no-log-may-hold"},
        "cluster": {"MEMORYDB_CLUSTER_NAME": "db-2"},
        "region": {"AWS_REGION": "eu-west-1"},
        "user": {"MEMORYDB_USERNAME": "user-2"},
    }[wrong]
    with Service(environment(memorydb, {**RENEWING, **more}), tmp_path) as service:
        assert_unavailable(service("GET", "/ready"), REFUSED)
        assert_nothing_secret_was_logged(service)
    assert [login.times for login in memorydb.logins if login.times] == []


def test_connections_log_in_again_under_load_and_no_request_fails(memorydb: StandIn, tmp_path: Path) -> None:
    memorydb.seconds = 5

    def old() -> list[Login]:
        """The connections that would have been cut without their further logins."""
        before = time.monotonic() - memorydb.seconds
        return [login for login in memorydb.open if login.made < before and len(login.times) > 2]

    with Service(environment(memorydb, RENEWING), tmp_path) as service:
        with Load(service.port, partial(live, EMAILS)).running() as load:
            eventually(lambda: len(old()) >= NODES)
            cut, renewed = [login for login in memorydb.logins if login.cut], old()
        assert_nothing_secret_was_logged(service)
    print(f"{len(load.requests)} requests, {sum(len(login.times) for login in memorydb.logins)} logins")
    assert load.errors == []
    assert {request.status for request in load.requests} == {200, 201, 204, 404}
    assert (cut, [login.refused for login in memorydb.logins if login.refused]) == ([], [])
    pauses = [after - before for login in renewed for before, after in zip(login.times, login.times[1:], strict=False)]
    assert min(pauses) >= 0.8
    # Not all at once.
    assert len({round(login.times[1] - login.times[0], 2) for login in renewed}) > 1


def test_connections_that_do_not_are_cut(memorydb: StandIn, tmp_path: Path) -> None:
    """What the test above would see if nothing logged in again."""
    memorydb.seconds = 1.5
    with Service(environment(memorydb), tmp_path) as service, Load(service.port, partial(live, EMAILS)).running():
        eventually(lambda: len([login for login in memorydb.logins if login.cut and login.times]) >= NODES)
    assert {len(login.times) for login in memorydb.logins if login.cut and login.times} == {1}


def test_a_connection_that_cannot_log_in_again_is_replaced_by_one_that_can(memorydb: StandIn, tmp_path: Path) -> None:
    memorydb.renewals = False
    with Service(environment(memorydb, RENEWING), tmp_path) as service:
        with Load(service.port, partial(live, EMAILS)).running() as load:
            eventually(lambda: len([login for login in memorydb.logins if login.refused]) >= NODES)
        assert_nothing_secret_was_logged(service)
    replaced = [login for login in memorydb.logins if login.refused]
    assert len(replaced) >= NODES
    assert {(len(login.times), *login.refused) for login in replaced} == {(1, "no renewals")}
    assert load.errors == []
    assert {request.status for request in load.requests} == {200, 201, 204, 404}


def test_a_role_that_may_connect_no_more_is_503(memorydb: StandIn, tmp_path: Path) -> None:
    with Service(environment(memorydb, RENEWING), tmp_path) as service:
        assert service("GET", "/ready").status == 200
        memorydb.iam.keys = []
        time.sleep(1.1)
        # Connections log in while they are used; from then on all are refused.
        with within(1):
            eventually(lambda: service("GET", "/ready").status == 503)
        assert_unavailable(service("GET", "/ready"), REFUSED)
        memorydb.iam.keys = [KEYS]
        assert service("GET", "/ready").status == 200


def test_every_login_is_signed_with_the_roles_newest_credentials(memorydb: StandIn, tmp_path: Path) -> None:
    def give(number: int) -> Keys:
        keys = Keys(f"AKIA{number}", f"{number}-{KEYS.secret_key}", f"{number}-{KEYS.session_token}")
        memorydb.iam.keys = [*memorydb.iam.keys[-11:], keys]
        return keys

    with (
        endpoint(give, lasting=30) as role,
        Service(environment(memorydb, RENEWING, role=role), tmp_path) as service,
    ):
        with Load(service.port, partial(live, EMAILS)).running() as load:
            eventually(lambda: role.asked > 12)
        assert_nothing_secret_was_logged(service)
    assert load.errors == []
    assert {request.status for request in load.requests} == {200, 201, 204, 404}
    assert [login.refused for login in memorydb.logins if login.refused] == []


def test_credentials_that_are_slow_to_come_hold_no_request_beyond_its_deadline(
    memorydb: StandIn, tmp_path: Path
) -> None:
    with (
        endpoint(lambda number: KEYS, lasting=30) as role,
        Service(environment(memorydb, role=role), tmp_path) as service,
    ):
        role.slow = 1.5
        with within(DEADLINE + LATE):
            assert_unavailable(service("POST", "/", body("slow@foo.com")), NO_CREDENTIALS)
        role.slow = 0
        eventually(lambda: service("POST", "/", body("slow@foo.com")).status == 200)
        assert_nothing_secret_was_logged(service)


def test_connections_outlive_a_role_without_credentials(memorydb: StandIn, tmp_path: Path) -> None:
    there = True
    with (
        endpoint(lambda number: KEYS if there else None, lasting=30) as role,
        Service(environment(memorydb, RENEWING, role=role), tmp_path) as service,
    ):
        assert service("GET", "/ready").status == 200
        there = False
        time.sleep(1.1)
        for _ in range(5):
            assert service("GET", "/ready").status == 200
        there, role.lasting = True, 3600

        def renewed() -> bool:
            service("GET", "/ready")
            return len(memorydb.logins[0].times) > 1

        eventually(renewed)
        assert_nothing_secret_was_logged(service)
    assert len(memorydb.logins) <= NODES + 1


def test_it_starts_while_the_role_gives_nothing_and_says_why(memorydb: StandIn, tmp_path: Path) -> None:
    there = False
    with (
        endpoint(lambda number: KEYS if there else None) as role,
        Service(environment(memorydb, role=role), tmp_path) as service,
    ):
        assert service("GET", "/health").status == 200
        assert_unavailable(service("GET", "/ready"), NO_CREDENTIALS)
        said = [line for line in service.log if line["message"] == "no credentials"]
        assert {line["cause"] for line in said} == {"CredentialRetrievalError"}
        there = True
        eventually(lambda: service("GET", "/ready").status == 200)
        assert_nothing_secret_was_logged(service)


def test_without_any_credentials_it_does_not_start(memorydb: StandIn) -> None:
    given = environment(memorydb)
    given = {name: value for name, value in given.items() if "KEY" not in name and "TOKEN" not in name}
    made = subprocess.run(
        [sys.executable, "-m", "service"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=START_SECONDS
    )
    assert made.returncode == 64
    assert made.stderr == (
        "There are no AWS credentials: the service needs a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.\n"
    )


def test_with_a_password_botocore_is_not_even_imported() -> None:
    program = "import sys, service.__main__; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
