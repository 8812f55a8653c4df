"""/openapi.json, made from the types that validate (service/users.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from service.users import MAX_BODY, Attributes, User

Json = dict[str, Any]


def document() -> Json:
    """The API as OpenAPI 3.1."""
    _, definitions = msgspec.json.schema_components([User], ref_template="#/components/schemas/{name}")
    user = definitions["User"] | {
        name: value for name, value in msgspec.json.schema(Attributes).items() if name != "type"
    }
    text = {"text/plain": {"schema": {"type": "string"}}}
    found = _answer("The user, keys sorted.", {"application/json": {"schema": _ref("User")}})
    missing = _answer("There is no such user; the text says so.", text)
    body = {
        "required": True,
        "description": f"At most {MAX_BODY} bytes of JSON in UTF-8, whatever content type the request names.",
        "content": {"application/json": {"schema": _ref("User")}},
    }
    broken = {"400": _problem("The body or the path is invalid."), "413": _problem("The body is too large.")}
    email = {"name": "email", "in": "path", "required": True, "schema": user["properties"]["email"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Users",
            "version": "1",
            "description": "Users by e-mail address. Any answer may also be 503 with Retry-After: the store could "
            "not do it before the request's deadline.",
        },
        "paths": {
            "/": {
                "post": _operation(
                    "mergeUser",
                    "Creates a user, or sets these attributes of one and leaves the others.",
                    {"200": _answer("Stored; no body."), **broken},
                    requestBody=body,
                )
            },
            "/{email}": {
                "parameters": [email],
                "get": _operation(
                    "getUser", "The user.", {"200": found, "404": missing, "400": _problem("The path is not UTF-8.")}
                ),
                "head": _operation(
                    "headUser",
                    "The header of GET.",
                    {str(code): _answer("As GET, without the body.") for code in (200, 400, 404)},
                ),
                "put": _operation(
                    "replaceUser",
                    "Makes these attributes all that the user has. The body's e-mail is that of the path.",
                    {
                        "200": _answer("Replaced; no body."),
                        "201": _answer("Created; no body."),
                        "412": _problem("With If-None-Match: *, there is such a user."),
                        **broken,
                    },
                    requestBody=body,
                ),
                "delete": _operation(
                    "deleteUser",
                    "Forgets the user.",
                    {"204": _answer("Gone."), "404": missing, "400": _problem("The path is not UTF-8.")},
                ),
            },
            "/health": {"get": _operation("health", "The process is alive.", {"200": _json("Alive.", ("status",))})},
            "/ready": {
                "get": _operation("ready", "Users can be read now.", {"200": _json("They can.", ("build", "status"))})
            },
        },
        "components": {
            "schemas": {
                "User": user,
                "Problem": {
                    "type": "object",
                    "description": "RFC 9457.",
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                    "required": ["title", "status"],
                },
            },
        },
    }


def _operation(name: str, summary: str, answers: Json, **more: Json) -> Json:
    unavailable = _problem("The store could not do it before the deadline; the detail says why.") | {
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    }
    return {"operationId": name, "summary": summary, **more, "responses": {**answers, "503": unavailable}}


def _answer(description: str, content: Json | None = None) -> Json:
    return {"description": description} | ({"content": content} if content else {})


def _problem(description: str) -> Json:
    return _answer(description, {"application/problem+json": {"schema": _ref("Problem")}})


def _json(description: str, names: tuple[str, ...]) -> Json:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
    return _answer(description, {"application/json": {"schema": schema}})


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
