"""`python build.py serve` as a person uses it: start, try, Ctrl-C, start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rehearsal.processes import ADDRESS, START_SECONDS, free_ports
from tests.environments import PROJECT, interpreter
from tests.running import ROOT, Client, body


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as `make serve` makes it."""
    return interpreter(tmp_path_factory.mktemp("environment"), f"{PROJECT}[serve]")


@contextmanager
def served(python: Path, *arguments: str) -> Iterator[tuple[int, str, subprocess.Popen[str]]]:
    (port,) = free_ports(1)
    with subprocess.Popen(
        [python, "build.py", "serve", "--port", str(port), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A busy machine may need longer for a request than the usual 2 s.
        env={**os.environ, "REQUEST_DEADLINE": "20"},
    ) as process:
        assert process.stdout
        text = ""
        for line in process.stdout:
            text += line
            if line.strip() == "Ctrl-C ends it.":
                break
        try:
            yield port, text, process
        finally:
            if process.poll() is None:
                process.terminate()


def test_the_lines_it_prints_work(python: Path) -> None:
    with served(python) as (port, text, _):
        lines = [line.strip() for line in text.splitlines() if line.startswith("  curl ")]
        assert len(lines) == 4
        answers = [
            subprocess.run(line.replace("curl", "curl -sS", 1), shell=True, capture_output=True, text=True, check=True)
            for line in lines
        ]
        assert [answer.stdout for answer in answers] == [
            "",
            '{"email":"user1@foo.com","name":"user1"}\n',
            "user does not exist not_there@foo.com\n",
            '{"build":"unknown","status":"ok"}\n',
        ]
        readme = (ROOT / "README.md").read_text()
        assert all(line.replace(str(port), "8080") in readme for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_running(python: Path, number: signal.Signals) -> None:
    with served(python) as (_, _, process):
        started = [child.pid for child in psutil.Process(process.pid).children()]
        assert len(started) == 2
        process.send_signal(number)
        assert process.wait(START_SECONDS) == 130
    assert [pid for pid in started if psutil.pid_exists(pid)] == []


def test_data_survives_a_restart(python: Path, tmp_path: Path) -> None:
    data = tmp_path / "users with a space"
    for method, path, content in (("POST", "/", body("kept@foo.com", "kept")), ("GET", "/kept@foo.com", None)):
        with served(python, "--data", str(data)) as (port, _, process):
            client = Client(port)
            answer = client(method, path, content)
            client.close()
            assert answer.status == 200
            process.send_signal(signal.SIGINT)
            process.wait(START_SECONDS)
    assert answer.json == {"email": "kept@foo.com", "name": "kept"}


def refused(*arguments: str) -> str:
    """The message of a command that fails, and does not wait as long as for a service that hangs."""
    words = [sys.executable, "build.py", "serve", *arguments]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS)
    assert (made.returncode, made.stdout) == (1, "")
    return made.stderr


def test_a_port_in_use_is_one_message_and_1() -> None:
    with socket.create_server((ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--port", str(port))
    assert said == f"Cannot listen on {ADDRESS}:{port}: Address already in use.\n"


def test_a_data_directory_that_is_a_file_is_one_message_and_1(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert refused("--data", str(file)) == f"Cannot write to {file}/node-0: Not a directory.\n"
