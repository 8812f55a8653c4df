"""/openapi.json, generated from the types that validate requests (service/users.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from service.users import MAX_BODY, Attributes, Problem, User

Json = dict[str, Any]
UNAVAILABLE = "The store could not do it before the deadline; the detail says why."


def document() -> Json:
    """The API as OpenAPI 3.1."""
    _, schemas = msgspec.json.schema_components([User, Problem], ref_template="#/components/schemas/{name}")
    schemas["User"] = msgspec.json.schema(Attributes) | schemas["User"]
    email = {"name": "email", "in": "path", "required": True, "schema": schemas["User"]["properties"]["email"]}
    missing = _answer("There is no such user; the text says so.", "text/plain", {"type": "string"})
    stored, not_utf8 = _answer("Stored; no body."), _problem("The path is not UTF-8.")
    found = _answer("The user, keys sorted.", "application/json", _ref("User"))
    head = dict.fromkeys(("200", "400", "404"), _answer("As GET, without the body."))
    write: Json = {"400": _problem("The body or the path is invalid."), "413": _problem("The body is too large.")}
    exists = _problem("With If-None-Match: *, there is such a user.")
    body = {
        "required": True,
        "description": f"At most {MAX_BODY} bytes of JSON in UTF-8, whatever content type the request names.",
        "content": {"application/json": {"schema": _ref("User")}},
    }
    merge = "Creates a user, or sets these attributes of one and leaves the others."
    replace = "Makes these attributes all that the user has. The body's e-mail is that of the path."
    user = {
        "parameters": [email],
        "get": _operation("getUser", "The user.", {"200": found, "404": missing, "400": not_utf8}),
        "head": _operation("headUser", "The header of GET.", head),
        "put": _operation("replaceUser", replace, {"200": stored, "201": stored, "412": exists, **write}, body),
        "delete": _operation(
            "deleteUser", "Deletes the user.", {"204": _answer("Deleted."), "404": missing, "400": not_utf8}
        ),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Users",
            "version": "1",
            "description": "Users by e-mail address. Any answer may also be 503 with Retry-After: the store could "
            "not do it before the request's deadline.",
        },
        "paths": {
            "/": {"post": _operation("mergeUser", merge, {"200": stored, **write}, body)},
            "/{email}": user,
            "/health": {"get": _operation("health", "The process runs.", {"200": _strings("Yes.", "status")})},
            "/ready": {
                "get": _operation("ready", "Reads a user.", {"200": _strings("Users can be read.", "build", "status")})
            },
        },
        "components": {"schemas": schemas},
    }


def _operation(name: str, summary: str, answers: Json, body: Json | None = None) -> Json:
    retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    responses = {**answers, "503": {**_problem(UNAVAILABLE), "headers": retry}}
    return {"operationId": name, "summary": summary, "responses": responses} | ({"requestBody": body} if body else {})


def _answer(description: str, media_type: str = "", schema: Json | None = None) -> Json:
    return {"description": description} | ({"content": {media_type: {"schema": schema}}} if schema else {})


def _problem(description: str) -> Json:
    return _answer(description, "application/problem+json", _ref("Problem"))


def _strings(description: str, *names: str) -> Json:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
    return _answer(description, "application/json", schema)


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
