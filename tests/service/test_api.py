"""The API as its users have it: a process, a socket, a real cluster with TLS and the template's ACL user."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rehearsal.services.redis_cluster import Cluster
from service.openapi import document
from service.users import MAX_BODY
from tests.running import Client, Service, body, curl, path

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
PROBLEM = "application/problem+json"


def test_the_transcript_of_the_program_it_replaces(service: Service) -> None:
    for number in (1, 2):
        user = f'{{"email":"user{number}@foo.com","name":"user{number}"}}'
        status, headers, text = curl("-d", user, f"{service.url}/")
        assert (status, headers["content-length"], text) == (200, "0", "")
    status, headers, text = curl(f"{service.url}/user2@foo.com")
    assert (status, headers["content-type"], headers["content-length"]) == (200, JSON, "41")
    assert text == '{"email":"user2@foo.com","name":"user2"}\n'
    status, headers, text = curl(f"{service.url}/not_there@foo.com")
    assert (status, headers["content-type"], headers["content-length"]) == (404, TEXT, "38")
    assert text == "user does not exist not_there@foo.com\n"


def test_a_second_post_merges(service: Service) -> None:
    service("POST", "/", body("merge@foo.com", "old", one="1", two="2"))
    service("POST", "/", body("merge@foo.com", "new", two="two", three="3"))
    assert service("GET", "/merge@foo.com").json == {
        "email": "merge@foo.com", "name": "new", "one": "1", "two": "two", "three": "3"
    }  # fmt: skip


def test_put_replaces(service: Service) -> None:
    first = service("PUT", "/put@foo.com", body("put@foo.com", "old", one="1"))
    second = service("PUT", "/put@foo.com", body("put@foo.com", "new", two="2"))
    assert [(answer.status, answer.body, answer.headers["content-length"]) for answer in (first, second)] == [
        (201, b"", "0"),
        (200, b"", "0"),
    ]
    assert service("GET", "/put@foo.com").body == b'{"email":"put@foo.com","name":"new","two":"2"}\n'


def test_put_takes_only_the_user_of_its_path(service: Service) -> None:
    answer = service("PUT", "/one@foo.com", body("other@foo.com"))
    assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM)
    assert answer.json["detail"] == "The e-mail address of the body is not that of the path."


def test_put_with_if_none_match_only_creates(service: Service) -> None:
    first = service("PUT", "/create@foo.com", body("create@foo.com", "first"), If_None_Match="*")
    second = service("PUT", "/create@foo.com", body("create@foo.com", "second", more="x"), If_None_Match="*")
    assert (first.status, second.status, second.headers["content-type"]) == (201, 412, PROBLEM)
    assert service("GET", "/create@foo.com").json == {"email": "create@foo.com", "name": "first"}
    # There are no entity tags, so none can match.
    assert service("PUT", "/create@foo.com", body("create@foo.com"), If_None_Match='"tag"').status == 200


def test_of_many_that_create_a_user_at_once_one_does(service: Service) -> None:
    def create(number: int) -> int:
        client = Client(service.port)
        status = client("PUT", "/race@foo.com", body("race@foo.com", str(number)), If_None_Match="*").status
        client.close()
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(16)))
    assert sorted(statuses) == [201] + [412] * 15
    assert service("GET", "/race@foo.com").json["name"] == str(statuses.index(201))


def test_a_deletion_keeps_the_connection(service: Service) -> None:
    assert "connection" not in service("DELETE", "/not-there@foo.com").headers
    service("POST", "/", body("kept@foo.com"))
    answer = service("DELETE", "/kept@foo.com")
    assert (answer.status, "connection" in answer.headers, "content-length" in answer.headers) == (204, False, False)


def test_delete_forgets(service: Service) -> None:
    service("POST", "/", body("delete@foo.com"))
    gone = service("DELETE", "/delete@foo.com")
    assert (gone.status, gone.body) == (204, b"")
    again = service("DELETE", "/delete@foo.com")
    assert (again.status, again.body) == (404, b"user does not exist delete@foo.com\n")


@pytest.mark.parametrize("where", ["/head@foo.com", "/head-not-there@foo.com", "/health", "/ready", "/openapi.json"])
def test_head_is_get_without_the_body(service: Service, where: str) -> None:
    service("POST", "/", body("head@foo.com"))
    head, get = service("HEAD", where), service("GET", where)
    assert head.body == b""
    assert (head.status, head.headers["content-length"]) == (get.status, str(len(get.body)))
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("segment", ["foo", "HEALTH", "health/", "a/b", "favicon.ico", "a%20b%3Fc"])
def test_any_other_path_is_a_user_that_does_not_exist(service: Service, segment: str) -> None:
    answer = service("GET", f"/{segment}")
    decoded = segment.replace("%20", " ").replace("%3F", "?")
    assert (answer.status, answer.body.decode()) == (404, f"user does not exist {decoded}\n")


def test_a_path_is_decoded_once(service: Service) -> None:
    service("POST", "/", body("a%40b/c@foo.com", "percent"))
    service("POST", "/", body("a@b/c@foo.com", "at"))
    assert service("GET", "/a%2540b%2Fc%40foo.com").json["name"] == "percent"
    assert service("GET", "/a%40b/c@foo.com").json["name"] == "at"


def test_a_path_that_is_not_utf_8_is_nobodys(service: Service) -> None:
    service("POST", "/", body("\N{REPLACEMENT CHARACTER}@foo.com"))
    assert service("GET", "/%EF%BF%BD@foo.com").status == 200
    assert service("GET", "/%ff@foo.com").status == 400


def test_users_are_hashes_as_the_program_it_replaces_stores_them(service: Service, cluster: Cluster) -> None:
    service("POST", "/", body("stored@foo.com", "stored", plan="free"))
    found: list[Any] = []
    for node in cluster.nodes:
        with cluster.client(node) as client:
            found += [client.hgetall(key) for key in client.scan_iter("user:stored@foo.com")]
    assert found == [{"email": "stored@foo.com", "name": "stored", "plan": "free"}]


def test_health_says_that_the_process_lives(service: Service) -> None:
    answer = service("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_ready_names_the_build(service: Service) -> None:
    answer = service("GET", "/ready")
    assert (answer.status, answer.json) == (200, {"build": "build-7", "status": "ok"})


def test_openapi_is_the_types_that_validate(service: Service) -> None:
    answer = service("GET", "/openapi.json")
    assert answer.json == document()
    user = answer.json["components"]["schemas"]["User"]
    assert user["required"] == ["email", "name"]
    assert (user["properties"]["email"]["maxLength"], user["maxProperties"]) == (254, 64)
    assert user["additionalProperties"]["type"] == "string"


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (b"", "Input data was truncated."),
        (b"email=a@foo.com&name=a", "JSON is malformed: invalid character (byte 0)."),
        (b"[]", "Expected `object`, got `array`."),
        (b"null", "Expected `object`, got `null`."),
        (b'{"email":"a@foo.com"}', "Object missing required field `name`."),
        (b'{"name":"a"}', "Object missing required field `email`."),
        (b'{"email":"a@foo.com","name":1}', "Expected `str`, got `int` - at `$[...]`."),
        (b'{"email":"a@foo.com","name":""}', "Expected `str` of length >= 1 - at `$.name`."),
        (b'{"email":"a@foo.com","name":null}', "Expected `str`, got `null` - at `$[...]`."),
        (b'{"email":"a@foo.com","name":"a"} {}', "JSON is malformed: trailing characters (byte 34)."),
        (b'{"email":"a@foo.com","name":"a","name":"b"}', "Object names an attribute twice."),
        (b'{"email":"a@foo.com","name":"a","n\\u0061me":"b"}', "Object names an attribute twice."),
        (b'{"email":"a@foo.com","name":"\xff"}', "not JSON in UTF-8."),
        (b'{"email":"a@foo.com","name":"\\ud800"}', "Input data was truncated."),
        (b'{"email":"a@foo.com","name":"a\\u0000"}', "Expected `str` matching regex '^[^\\\\u0000]*$' - at `$[...]`."),
        (b'{"email":"a@foo.com\\n","name":"a"}', "Expected no newline - at `$.email`."),
        (b'{"email":"a@foo.com","name":' + b"[" * 60_000, "Expected `str`, got `array` - at `$[...]`."),
        (b'{"email":"a@foo.com","name":' + b"9" * 60_000 + b"}", "Number out of range - at `$[...]`."),
    ],
)
def test_what_is_no_user_is_400_and_says_why(service: Service, wrong: bytes, detail: str) -> None:
    answer = service("POST", "/", wrong)
    assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM)
    assert answer.json == {"title": "Bad Request", "status": 400, "detail": detail}


@pytest.mark.parametrize(
    "email", ["", "a", "a@", "@a", "a@b c", "a\u0007@b", "a\u0085@b", "a@b\u009f", "a@b@", "a" * 250 + "@foo.com"]
)
def test_what_is_no_address_is_400(service: Service, email: str) -> None:
    assert service("POST", "/", body(email)).status == 400


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ({"email": "e" * 246 + "@foo.com"}, {"email": "e" * 247 + "@foo.com"}),
        ({"name": "n" * 256}, {"name": "n" * 257}),
        ({"k" * 64: ""}, {"k" * 65: ""}),
        ({"key": "v" * 4096}, {"key": "v" * 4097}),
        ({str(n): "" for n in range(62)}, {str(n): "" for n in range(63)}),
    ],
)
def test_the_bounds_are_these(service: Service, inside: dict[str, str], outside: dict[str, str]) -> None:
    for attributes, status in ((inside, 200), (outside, 400)):
        user = json.dumps({"email": "bounds@foo.com", "name": "n", **attributes}).encode()
        assert service("POST", "/", user).status == status


def test_a_body_has_at_most_64_kib(service: Service) -> None:
    padded = body("large@foo.com").ljust(MAX_BODY)
    assert service("POST", "/", padded).status == 200
    answer = service("POST", "/", padded + b" ")
    assert (answer.status, answer.headers["content-type"]) == (413, PROBLEM)
    assert answer.json["detail"] == "A body has at most 65536 bytes."


def test_a_chunked_body_has_the_same_bound(service: Service) -> None:
    length = ["-H", "Transfer-Encoding: chunked"]
    for size, expected in ((MAX_BODY, 200), (MAX_BODY + 1, 413)):
        text = body("chunked@foo.com").ljust(size).decode()
        made = subprocess.run(
            ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *length, "-d@-", service.url],
            input=text, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert made.stdout == str(expected)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_another_method_is_405(service: Service, method: str) -> None:
    answer = service(method, "/a@foo.com", b"")
    assert (answer.status, answer.headers["content-type"]) == (405, PROBLEM)
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT, OPTIONS"


def test_a_request_id_is_returned_if_it_is_a_plain_word(service: Service) -> None:
    assert service("GET", "/health", X_Request_Id="trace-1.A_b").headers["x-request-id"] == "trace-1.A_b"
    for odd in ("a b", "a@b", "x" * 65, ""):
        made = service("GET", "/health", X_Request_Id=odd).headers["x-request-id"]
        assert len(made) == 32


def test_the_log_has_a_line_for_each_request_and_nothing_personal(service: Service) -> None:
    service("POST", "/", body("private@foo.com", "Private Name"), X_Request_Id="logged-1")
    service("GET", "/private@foo.com", X_Request_Id="logged-2")
    service("GET", "/private-not-there@foo.com", X_Request_Id="logged-3")
    lines = [line for line in service.log if str(line.get("request")).startswith("logged-")]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/", 200),
        ("GET", "/{email}", 200),
        ("GET", "/{email}", 404),
    ]
    assert "rivate" not in json.dumps(service.log)


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=256)


@given(email=st.emails().filter(lambda email: len(email) <= 254), name=names, extra=names)
@hypothesis_settings(max_examples=300)
def test_whatever_is_stored_comes_back(service: Service, email: str, name: str, extra: str) -> None:
    assert service("PUT", path(email), body(email, name, extra=extra)).status in (200, 201)
    answer = service("GET", path(email))
    assert answer.status == 200
    assert answer.json == {"email": email, "name": name, "extra": extra}
    assert service("DELETE", path(email)).status == 204


@given(email=st.text(st.characters(exclude_categories=["Cs"]), max_size=300), user=st.binary(max_size=300))
@hypothesis_settings(max_examples=300)
def test_whatever_is_sent_nothing_breaks(service: Service, email: str, user: bytes) -> None:
    client = Client(service.port)
    try:
        assert client("POST", "/", user).status in (200, 400)
        assert client("PUT", path(email), msgspec.json.encode({"email": email, "name": "n"})).status < 500
        assert client("GET", path(email)).status < 500
    finally:
        client.close()
