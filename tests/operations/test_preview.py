"""The command: its options, files and exit codes, up to the first call of AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.cli import main
from generator.layers import default_deployments


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which every word to AWS ends at a closed port."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parameter", "Cpu"], "--parameter Cpu is not KEY=VALUE."),
        (["--parameter", "=1"], "--parameter is not KEY=VALUE."),
        (["--tag", "a"], "--tag a is not KEY=VALUE."),
        (["--parameter", "NodeTyp=x"], "No layer has a parameter NodeTyp. Did you mean NodeType?"),
        (["--layer", "dat"], "There is no layer 'dat'; there are data, apprunner."),
        (["--format", "yaml"], "Argument --format: invalid choice: 'yaml'"),
        (["--prices", "/nonexistent/file"], "Cannot read /nonexistent/file: No such file or directory."),
        (["--prices", __file__], f"{__file__} is not a price list"),
        (["--fail-on", "narrower"], "Argument --fail-on: invalid choice: 'narrower'"),
        (["--profile", "nobody"], "There is no AWS profile nobody: "),
        (["--parameters", "/nonexistent/file"], "Cannot read /nonexistent/file: No such file or directory."),
    ],
)
def test_wrong_usage_is_one_paragraph_and_64(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(default_deployments, argv=["preview", *arguments]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_without_a_region_the_message_says_how_to_set_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert main(default_deployments, argv=["preview"]) == 64
    assert capsys.readouterr().err == "There is no AWS Region: none is set. Pass --region, or set AWS_REGION.\n"


@pytest.mark.parametrize("attempts", ["many", "0", "-1", ""])
def test_an_invalid_number_of_attempts_is_named(
    attempts: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    assert main(default_deployments, argv=["preview"]) == 64
    assert capsys.readouterr().err.startswith(f"AWS_MAX_ATTEMPTS is {attempts!r}, but must be a whole number")


def test_an_aws_that_cannot_be_reached_is_one_paragraph_and_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(default_deployments, argv=["preview", "--layer", "data"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Nothing answers at AWS_ENDPOINT_URL (http://127.0.0.1:9): the connection was refused.")
    assert "secret-key" not in err
