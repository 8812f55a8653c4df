"""What a verification finds, and the first fault. HTTP and the clock are passed in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import chain

import pytest

from generator.aws.calls import Clock
from generator.compute import Outcome, Running
from generator.compute.verification import Answer, Expected, Verification, VerificationError

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:" + 64 * "a"
BUILD = "content-1"
ANOTHER_SERVICE = (
    r"Look at .* If it is not this project's user API, write into Workload\.verification what it answers\."
)
URL = "https://abc.eu-west-1.awsapprunner.com"
RUNNING = Running("RUNNING", True, "CREATE_SERVICE SUCCEEDED", Outcome.SUCCEEDED, IMAGE, URL, True)


class World:
    """A service that keeps users as ours does, unless it is told to answer otherwise; and a clock."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.users: dict[str, bytes] = {}
        self.build = BUILD
        self.asked: list[tuple[str, str]] = []
        # Answers by method and path, each given once instead of the usual one.
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
    def verification(self) -> Verification:
        return Verification("users-apprunner", send=self.send, clock=Clock(lambda: self.seconds, self.sleep))


@pytest.fixture
def world() -> World:
    return World()


def reported(world: World, *seen: Running) -> list[str]:
    left = list(seen)
    return [
        fact.found
        for fact in world.verification.check_reported(
            lambda: left.pop(0) if len(left) > 1 else left[0], Expected(IMAGE)
        )
    ]


def test_the_api_reports_operation_status_and_image(world: World) -> None:
    assert reported(world, RUNNING) == ["CREATE_SERVICE SUCCEEDED", "RUNNING", IMAGE]


def test_an_operation_in_progress_is_waited_for(world: World) -> None:
    running = replace(RUNNING, operation="UPDATE_SERVICE IN_PROGRESS", outcome=Outcome.IN_PROGRESS)
    assert reported(world, running, running, RUNNING)[0] == "CREATE_SERVICE SUCCEEDED"
    assert world.seconds == 2.5


@pytest.mark.parametrize(
    ("running", "message"),
    [
        (
            replace(RUNNING, operation="UPDATE_SERVICE ROLLBACK_SUCCEEDED", outcome=Outcome.FAILED),
            "the last operation is UPDATE_SERVICE ROLLBACK_SUCCEEDED, so the deployment did not take effect",
        ),
        (
            replace(RUNNING, operation="UPDATE_SERVICE IN_PROGRESS", outcome=Outcome.IN_PROGRESS),
            "UPDATE_SERVICE IN_PROGRESS",
        ),
        (replace(RUNNING, status="PAUSED", ready=False, advice="Resume it."), "the service is PAUSED. Resume it."),
        (replace(RUNNING, image="other:1"), f"the image is other:1, not {IMAGE}"),
        (replace(RUNNING, image=""), f"the image is none, not {IMAGE}"),
    ],
)
def test_what_the_api_reports_otherwise_is_named(world: World, running: Running, message: str) -> None:
    with pytest.raises(
        VerificationError, match=r"^users-apprunner: Could not verify that the new version is running: "
    ) as error:
        reported(world, running)
    assert message in str(error.value)


def test_a_deployment_that_is_listed_late_is_waited_for(world: World) -> None:
    before, after = (replace(RUNNING, operation_id=name) for name in ("one", "two"))
    left = [before, before, after]
    world.verification.check_started(lambda: left.pop(0), before)
    assert (left, world.seconds) == ([], 2)


def test_a_deployment_that_never_starts_is_named(world: World) -> None:
    with pytest.raises(
        VerificationError, match="no deployment has started, the last operation is still CREATE_SERVICE"
    ):
        world.verification.check_started(lambda: RUNNING, RUNNING)
    assert world.seconds == 60


def test_the_service_answers_that_it_is_alive_ready_and_of_the_expected_build(world: World) -> None:
    facts = [str(fact.found) for fact in world.verification.check_answers(URL, Expected(IMAGE, (BUILD,)))]
    assert facts == ["200", f"200, build {BUILD}"]


def test_a_name_that_is_not_yet_known_is_waited_for(world: World) -> None:
    world.instead["GET", "/health"] = [
        Answer(status, b"Name or service not known") for status in 4 * [0] + 3 * [404] + 3 * [429]
    ]
    assert len(list(world.verification.check_answers(URL, Expected(IMAGE)))) == 2
    assert world.seconds == 10


def test_a_service_that_never_answers_is_named_after_two_minutes(world: World) -> None:
    world.instead["GET", "/health"] = [Answer(0, b"Connection refused")] * 1000
    with pytest.raises(VerificationError, match=f"GET {URL}/health is not answered: Connection refused"):
        list(world.verification.check_answers(URL, Expected(IMAGE)))
    assert 120 <= world.seconds <= 122


def test_a_failover_is_waited_out_and_what_lasts_longer_is_named(world: World) -> None:
    unavailable = Answer(503, b'{"title":"Service Unavailable","detail":"Redis does not answer in time."}')
    world.instead["GET", "/ready"] = [unavailable] * 4
    assert len(list(world.verification.check_answers(URL, Expected(IMAGE)))) == 2
    world.instead["GET", "/ready"] = [unavailable] * 1000
    with pytest.raises(VerificationError, match=r"/ready is answered 503: Redis does not answer in time\. Look at"):
        list(world.verification.check_answers(URL, Expected(IMAGE)))


def test_what_is_forbidden_is_named_at_once(world: World) -> None:
    world.instead["GET", "/health"] = [Answer(403, b"a web ACL")] * 2
    with pytest.raises(VerificationError, match="/health is answered 403"):
        list(world.verification.check_answers(URL, Expected(IMAGE)))
    assert world.seconds == 0


def test_an_older_instance_may_answer_for_a_moment_but_no_longer(world: World) -> None:
    older = Answer(200, b'{"status":"ok","build":"content-0"}')
    world.instead["GET", "/ready"] = [older] * 3
    assert len(list(world.verification.check_answers(URL, Expected(IMAGE, (BUILD,))))) == 2
    world.build = "content-0"
    with pytest.raises(VerificationError, match="reports the build content-0, not content-1"):
        list(world.verification.check_answers(URL, Expected(IMAGE, (BUILD,))))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"ready", b"\xff"])
def test_a_build_that_is_not_reported_is_unknown(world: World, body: bytes) -> None:
    world.instead["GET", "/ready"] = [Answer(200, body)] * 1000
    with pytest.raises(VerificationError, match=rf"/ready reports no build\. {ANOTHER_SERVICE}$"):
        list(world.verification.check_answers(URL, Expected(IMAGE, (BUILD,))))
    assert [fact.found for fact in world.verification.check_answers(URL, Expected(IMAGE))][1] == "200, build unknown"


@pytest.mark.parametrize(
    ("method", "path", "answer", "another"),
    [
        ("GET", "/health", Answer(404, b""), True),
        ("GET", "/ready", Answer(401, b""), True),
        ("POST", "/", Answer(405, b""), True),
        ("POST", "/", Answer(501, b""), True),
        ("GET", "/user", Answer(200, b"<html>"), True),
        ("GET", "/ready", Answer(503, b""), False),
        ("POST", "/", Answer(0, b"refused"), False),
    ],
)
def test_a_service_that_is_another_is_told_where_to_say_so(
    world: World, method: str, path: str, answer: Answer, another: bool
) -> None:
    world.instead[method, path] = [answer] * 1000
    with pytest.raises(VerificationError) as caught:
        list(chain(world.verification.check_answers(URL, Expected(IMAGE)), world.verification.check_use(URL)))
    assert bool(re.search(ANOTHER_SERVICE, str(caught.value))) is another


def test_each_path_has_its_status_and_another_service_is_asked_for_nothing_else(world: World) -> None:
    expected = Expected(IMAGE, paths={"/health": 200, "/missing": 404}, users_api=False)
    facts = [(fact.about, fact.found[:3]) for fact in world.verification.check_answers(URL, expected)]
    assert facts == [("GET /health", "200"), ("GET /missing", "404")]
    assert world.asked == [("GET", "/health"), ("GET", "/missing")]
    with pytest.raises(VerificationError, match=r"GET \S+/health is answered 200.*, not 401"):
        list(world.verification.check_answers(URL, replace(expected, paths={"/health": 401})))


def test_a_user_is_written_read_back_and_deleted(world: World) -> None:
    (fact,) = world.verification.check_use(URL)
    assert fact.found == "written, read back, deleted"
    assert world.users == {}
    assert world.asked == [("POST", "/"), ("GET", "/user"), ("DELETE", "/user"), ("GET", "/user")]


def test_a_user_that_reads_as_another_is_named_and_deleted(world: World) -> None:
    world.instead["GET", "/user"] = [Answer(200, b'{"email":"x","name":"y"}')]
    with pytest.raises(VerificationError, match="a user that was written is read back as another"):
        list(world.verification.check_use(URL))
    assert world.users == {}


def test_a_user_that_cannot_be_deleted_is_named(world: World) -> None:
    world.instead["DELETE", "/user"] = [Answer(503, b"")] * 1000
    with pytest.raises(
        VerificationError, match=r"The user probe-[0-9a-f]{16}@example\.invalid may be left: delete it\."
    ):
        list(world.verification.check_use(URL))


def test_a_user_that_stays_after_its_deletion_is_named(world: World) -> None:
    world.instead["DELETE", "/user"] = [Answer(204, b"")]
    with pytest.raises(
        VerificationError,
        match=r"the user probe-[0-9a-f]{16}@example\.invalid was deleted, and a request for it is answered 200",
    ):
        list(world.verification.check_use(URL))


def test_ctrl_c_in_the_middle_leaves_no_user(world: World) -> None:
    def sent(method: str, url: str, body: bytes | None) -> Answer:
        if method == "GET":
            raise KeyboardInterrupt
        return world.send(method, url, body)

    with pytest.raises(KeyboardInterrupt):
        list(Verification("s", send=sent, clock=Clock(lambda: 0, world.sleep)).check_use(URL))
    assert world.users == {}
