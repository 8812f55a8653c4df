"""The user API on Flask, as `benchmarks.service` runs it: gunicorn, one process, threads.

Written as one would write it for use: a pooled cluster client made once, the same bounds, the same stored layout, the
same answers, a 503 when Redis does not answer in time.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Flask, Response, request
from redis.cluster import RedisCluster
from redis.exceptions import RedisError

from benchmarks.peers import settings

Value = Annotated[str, msgspec.Meta(max_length=1024)]
_users = msgspec.json.Decoder(dict[str, Value])
# Any, because what redis-py annotates takes no dict[str, str].
_redis: Any = RedisCluster(**settings.connection(), max_connections=64)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 64 * 1024


@app.post("/")
def store() -> Response:
    try:
        user = _users.decode(request.get_data())
    except msgspec.MsgspecError as error:
        return Response(f"{error}\n", 400, mimetype="text/plain")
    if not user.get("email") or not user.get("name") or len(user["email"]) > 254:
        return Response("email and name are required\n", 400, mimetype="text/plain")
    _redis.hset(f"user:{user['email']}", mapping=user)
    return Response()


@app.get("/<email>")
def show(email: str) -> Response:
    user = _redis.hgetall(f"user:{email}")
    if not user:
        return Response(f"user does not exist {email}\n", 404, mimetype="text/plain")
    return Response(msgspec.json.encode(user, order="sorted") + b"\n", mimetype="application/json")


@app.get("/health")
def health() -> Response:
    return Response("ok\n", mimetype="text/plain")


@app.errorhandler(RedisError)
def unavailable(error: RedisError) -> Response:
    return Response("try again\n", 503, {"Retry-After": "1"}, mimetype="text/plain")
