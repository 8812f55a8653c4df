"""The API: HTTP in, HTTP out. The server asks the store what `query_for` says, and then calls the application."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

import falcon

from service import logs
from service.openapi import document
from service.queries import Query, checking, deleting, found, merging, reading, replacing
from service.users import Fields, InvalidUserError, UnavailableError, dump, parse

# What the server puts into a request's environment: when it arrived, the user in its body or why there is none, what
# the store has answered or why it has not.
ARRIVED = "service.arrived"
USER = "service.user"
ANSWERS = "service.answers"
# All but these are users. No address is one of them, because each has an @; and an address may hold slashes.
PATHS = {"/", "/health", "/ready", "/openapi.json"}
USER_PATH = "/{email}"
PROBLEM = "application/problem+json"
RETRY_AFTER = 1
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

log = logging.getLogger("service.app")


User: TypeAlias = Fields | InvalidUserError | None


def query_for(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Query, User]:
    """What has to be asked before the application can answer a request, and the user in its body.

    The one place that says which request is about which user.
    """
    email = path[1:]
    user: User = None
    if method in ("POST", "PUT"):
        try:
            user = parse(body)
        except InvalidUserError as error:
            return Query(), error
        if method == "POST" and path == "/":
            return merging(user["email"], user), user
        if method == "PUT" and user["email"] == email:
            return replacing(email, user, creates=headers.get("IF_NONE_MATCH") == "*"), user
    elif method in ("GET", "HEAD") and path == "/ready":
        return checking(), None
    elif method in ("GET", "HEAD") and path not in PATHS:
        return reading(email), None
    elif method == "DELETE" and path not in PATHS:
        return deleting(email), None
    return Query(), user


def create_app(build_id: str = "unknown") -> falcon.App[Any, Any]:
    """The WSGI application."""
    app = falcon.App(middleware=[_Envelope()])
    # An answer without a body has no type.
    app.resp_options.default_media_type = None  # type: ignore[assignment]  # falcon takes it, but does not say so
    app.set_error_serializer(_problem)
    app.add_error_handler(UnavailableError, _unavailable)
    app.add_error_handler(Exception, _defect)
    app.add_route("/", _Collection())
    app.add_route("/health", _Health())
    app.add_route("/ready", _Ready(build_id))
    app.add_route("/openapi.json", _OpenApi())
    app.add_route(USER_PATH, _User())
    return app


class _Collection:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        _body(request)
        _answers(request)
        # The program this replaces answers nothing, with status 200.


class _User:
    def on_get(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        fields = found(_answers(request))
        if fields is None:
            _missing(request, response)
        else:
            response.content_type = falcon.MEDIA_JSON
            response.data = dump(fields)

    on_head = on_get

    def on_put(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        if _body(request)["email"] != request.context.email:
            raise falcon.HTTPBadRequest(description="The e-mail address of the body is not that of the path.")
        replaced = _answers(request)[-1]
        if replaced is None:
            raise falcon.HTTPPreconditionFailed(description="There is such a user.")
        deleted, _ = replaced
        response.status = falcon.HTTP_200 if deleted else falcon.HTTP_201

    def on_delete(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        if _answers(request)[0]:
            response.status = falcon.HTTP_204
        else:
            _missing(request, response)


class _Health:
    """The process is alive. Nothing else is looked at: a restart would not mend Redis."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_JSON
        response.data = b'{"status":"ok"}\n'

    on_head = on_get


class _Ready:
    """Users can be read now, or why not."""

    def __init__(self, build_id: str) -> None:
        self._build_id = build_id

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.set_header("X-Build-Id", self._build_id)
        _answers(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = dump({"status": "ok", "build": self._build_id})

    on_head = on_get


class _OpenApi:
    def __init__(self) -> None:
        self._text = json.dumps(document(), indent=2).encode() + b"\n"

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_JSON
        response.data = self._text

    on_head = on_get


class _Envelope:
    """What every request has: an ID, an address, a line in the log. No path and no body ever gets into the log."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        environment, context = request.env, request.context
        context.id = request_id(environment.get("HTTP_X_REQUEST_ID"))
        response.set_header("X-Request-Id", context.id)
        response.set_header("X-Content-Type-Options", "nosniff")
        # Decoded once, by the server (PEP 3333: to Latin-1). Falcon would drop slashes from the front.
        path = environment["PATH_INFO"].encode("latin-1").decode()
        context.email = path[1:]
        if path not in PATHS:
            request.path = USER_PATH

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        arrived = request.env.get(ARRIVED) or time.monotonic()
        logs.request(request.context.id, request.method, request.uri_template, response.status_code, arrived)


def request_id(given: str | None) -> str:
    return given if given and REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def refusal(status: int, detail: str, arrived: float) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body where the server refuses what is not even a request; and its line in the log."""
    name = request_id(None)
    logs.request(name, None, None, status, arrived)
    headers = [("Content-Type", PROBLEM), ("X-Request-Id", name), ("X-Content-Type-Options", "nosniff")]
    return headers, _problem_text(status, detail)


def _body(request: falcon.Request) -> Fields:
    """The user in the body, whatever type it says it has: curl -d calls it a form."""
    user: User = request.env[USER]
    if isinstance(user, dict):
        return user
    raise falcon.HTTPBadRequest(description=f"{user}.")


def _answers(request: falcon.Request) -> list[Any]:
    answers: list[Any] | UnavailableError = request.env[ANSWERS]
    if isinstance(answers, UnavailableError):
        raise answers
    return answers


def _missing(request: falcon.Request, response: falcon.Response) -> None:
    """As the program this replaces says it."""
    response.status = falcon.HTTP_404
    response.content_type = falcon.MEDIA_TEXT
    response.data = f"user does not exist {request.context.email}\n".encode()


def _problem(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = PROBLEM
    response.data = _problem_text(error.status_code, error.description)


def _problem_text(status: int, detail: str | None) -> bytes:
    """RFC 9457."""
    problem = {"title": HTTPStatus(status).phrase, "status": status} | ({"detail": detail} if detail else {})
    return json.dumps(problem).encode() + b"\n"


def _unavailable(request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    cause = error.__cause__
    log.warning(
        "unavailable",
        extra={"request": request.context.id, "reason": str(error), "cause": type(cause).__name__ if cause else None},
    )
    raise falcon.HTTPServiceUnavailable(description=str(error), retry_after=RETRY_AFTER)


def _defect(request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    log.error("defect", extra={"request": request.context.id}, exc_info=error)
    raise falcon.HTTPInternalServerError(description=f"Please report this with request ID {request.context.id}.")
