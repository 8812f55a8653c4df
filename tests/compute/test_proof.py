"""What counts as proven, and the first thing that is not. HTTP and the clock are given."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from generator.compute.compute import Running
from generator.compute.verification import Answer, NotProvenError, Proof, Wanted

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:" + 64 * "a"
BUILD = "content-1"
URL = "https://abc.eu-west-1.awsapprunner.com"
RUNNING = Running("RUNNING", True, "CREATE_SERVICE SUCCEEDED", True, IMAGE, URL, True)


class World:
    """A service that keeps users as ours does, unless it is told to answer otherwise; and a clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.users: dict[str, bytes] = {}
        self.build = BUILD
        self.asked: list[tuple[str, str]] = []
        # By method and path: what is answered instead, as often as there are answers.
        self.instead: dict[tuple[str, str], list[Answer]] = {}

    def send(self, method: str, url: str, body: bytes | None) -> Answer:
        path = url.removeprefix(URL)
        about = (method, "/user" if path.startswith("/probe-") else path)
        self.asked.append(about)
        if self.instead.get(about):
            return self.instead[about].pop(0)
        if path == "/health":
            return Answer(200, b'{"status":"ok"}')
        if path == "/ready":
            return Answer(200, json.dumps({"status": "ok", "build": self.build}).encode())
        if method == "POST":
            assert body
            self.users["/" + json.loads(body)["email"]] = body
            return Answer(200, b"")
        if method == "DELETE":
            return Answer(204 if self.users.pop(path, None) else 404, b"")
        return Answer(200, self.users[path]) if path in self.users else Answer(404, b"user does not exist")

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def proof(self) -> Proof:
        return Proof("users-apprunner", send=self.send, sleep=self.sleep, now=lambda: self.seconds)


@pytest.fixture
def world() -> World:
    return World()


def told(world: World, *seen: Running) -> list[str]:
    left = list(seen)
    return [fact.seen for fact in world.proof.as_told(lambda: left.pop(0) if len(left) > 1 else left[0], Wanted(IMAGE))]


def test_what_aws_tells_is_operation_status_and_image(world: World) -> None:
    assert told(world, RUNNING) == ["CREATE_SERVICE SUCCEEDED", "RUNNING", IMAGE]


def test_an_operation_under_way_is_waited_for(world: World) -> None:
    under_way = replace(RUNNING, operation="UPDATE_SERVICE IN_PROGRESS", ended=None)
    assert told(world, under_way, under_way, RUNNING)[0] == "CREATE_SERVICE SUCCEEDED"
    assert world.seconds == 2.5


@pytest.mark.parametrize(
    ("running", "message"),
    [
        (
            replace(RUNNING, operation="UPDATE_SERVICE ROLLBACK_SUCCEEDED", ended=False),
            "the last operation is UPDATE_SERVICE ROLLBACK_SUCCEEDED, so the deployment did not take effect",
        ),
        (replace(RUNNING, operation="UPDATE_SERVICE IN_PROGRESS", ended=None), "UPDATE_SERVICE IN_PROGRESS"),
        (replace(RUNNING, status="PAUSED", ready=False, then="Resume it."), "the service is PAUSED. Resume it."),
        (replace(RUNNING, image="other:1"), f"the image is other:1, not {IMAGE}"),
        (replace(RUNNING, image=""), f"the image is none, not {IMAGE}"),
    ],
)
def test_what_aws_tells_otherwise_is_named(world: World, running: Running, message: str) -> None:
    with pytest.raises(NotProvenError, match=r"^users-apprunner: Not proven to run as deployed: ") as error:
        told(world, running)
    assert message in str(error.value)


def test_a_deployment_that_is_told_of_late_is_waited_for(world: World) -> None:
    before, after = (replace(RUNNING, operation_id=name) for name in ("one", "two"))
    left = [before, before, after]
    world.proof.as_begun(lambda: left.pop(0), before)
    assert (left, world.seconds) == ([], 2)


def test_a_deployment_that_never_begins_is_named(world: World) -> None:
    with pytest.raises(NotProvenError, match="no deployment has begun, the last operation is still CREATE_SERVICE"):
        world.proof.as_begun(lambda: RUNNING, RUNNING)
    assert world.seconds == 60


def test_the_service_answers_that_it_is_alive_ready_and_of_the_wanted_build(world: World) -> None:
    facts = [str(fact.seen) for fact in world.proof.as_answered(URL, Wanted(IMAGE, (BUILD,)))]
    assert facts == ["200", f"200, build {BUILD}"]


def test_a_name_that_is_not_yet_known_is_waited_for(world: World) -> None:
    world.instead["GET", "/health"] = [Answer(0, b"Name or service not known")] * 5 + [Answer(404, b"")] * 5
    assert len(list(world.proof.as_answered(URL, Wanted(IMAGE)))) == 2
    assert world.seconds == 10


def test_a_service_that_never_answers_is_named_after_two_minutes(world: World) -> None:
    world.instead["GET", "/health"] = [Answer(0, b"Connection refused")] * 1000
    with pytest.raises(NotProvenError, match=f"GET {URL}/health is not answered: Connection refused"):
        list(world.proof.as_answered(URL, Wanted(IMAGE)))
    assert 120 <= world.seconds <= 122


def test_a_failover_is_waited_out_and_what_lasts_longer_is_named(world: World) -> None:
    unavailable = Answer(503, b'{"title":"Service Unavailable","detail":"Redis does not answer in time."}')
    world.instead["GET", "/ready"] = [unavailable] * 4
    assert len(list(world.proof.as_answered(URL, Wanted(IMAGE)))) == 2
    world.instead["GET", "/ready"] = [unavailable] * 1000
    with pytest.raises(NotProvenError, match=r"/ready is answered 503: Redis does not answer in time\. Look at"):
        list(world.proof.as_answered(URL, Wanted(IMAGE)))


def test_what_is_forbidden_is_named_at_once(world: World) -> None:
    world.instead["GET", "/health"] = [Answer(403, b"a web ACL")] * 2
    with pytest.raises(NotProvenError, match="/health is answered 403"):
        list(world.proof.as_answered(URL, Wanted(IMAGE)))
    assert world.seconds == 0


def test_an_older_instance_may_answer_for_a_moment_but_not_for_long(world: World) -> None:
    older = Answer(200, b'{"status":"ok","build":"content-0"}')
    world.instead["GET", "/ready"] = [older] * 3
    assert len(list(world.proof.as_answered(URL, Wanted(IMAGE, (BUILD,))))) == 2
    world.build = "content-0"
    with pytest.raises(NotProvenError, match="the build is content-0, not content-1"):
        list(world.proof.as_answered(URL, Wanted(IMAGE, (BUILD,))))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"ready", b"\xff"])
def test_a_build_that_is_not_told_is_unknown(world: World, body: bytes) -> None:
    world.instead["GET", "/ready"] = [Answer(200, body)] * 1000
    with pytest.raises(NotProvenError, match="the build is unknown"):
        list(world.proof.as_answered(URL, Wanted(IMAGE, (BUILD,))))
    assert [fact.seen for fact in world.proof.as_answered(URL, Wanted(IMAGE))][1] == "200, build unknown"


def test_a_user_is_written_read_back_and_deleted(world: World) -> None:
    (fact,) = world.proof.as_used(URL)
    assert fact.seen == "written, read back, deleted"
    assert world.users == {}
    assert world.asked == [("POST", "/"), ("GET", "/user"), ("DELETE", "/user"), ("GET", "/user")]


def test_a_user_that_reads_as_another_is_named_and_deleted(world: World) -> None:
    world.instead["GET", "/user"] = [Answer(200, b'{"email":"x","name":"y"}')]
    with pytest.raises(NotProvenError, match="a user that was written is read as another"):
        list(world.proof.as_used(URL))
    assert world.users == {}


def test_a_user_that_cannot_be_deleted_is_named(world: World) -> None:
    world.instead["DELETE", "/user"] = [Answer(503, b"")] * 1000
    with pytest.raises(NotProvenError, match=r"The user probe-[0-9a-f]{16}@example\.invalid may be left: delete it\."):
        list(world.proof.as_used(URL))


def test_a_user_that_stays_after_its_deletion_is_named(world: World) -> None:
    world.instead["DELETE", "/user"] = [Answer(204, b"")]
    with pytest.raises(
        NotProvenError, match=r"the user probe-[0-9a-f]{16}@example\.invalid was deleted and is answered 200"
    ):
        list(world.proof.as_used(URL))


def test_ctrl_c_in_the_middle_leaves_no_user(world: World) -> None:
    def sent(method: str, url: str, body: bytes | None) -> Answer:
        if method == "GET":
            raise KeyboardInterrupt
        return world.send(method, url, body)

    with pytest.raises(KeyboardInterrupt):
        list(Proof("s", send=sent, sleep=world.sleep, now=lambda: 0).as_used(URL))
    assert world.users == {}
