"""Parameter files: the AWS CLI's list, and the object of CodePipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from generator.errors import UsageError


def read_parameter_file(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of a list of ParameterKey and ParameterValue, or of an object of Parameters and Tags.

    Raises UsageError for any other file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    match document:
        case list() if all(isinstance(item, dict) and isinstance(item.get("ParameterKey"), str) for item in document):
            # UsePreviousValue is the default anyway.
            given = [item for item in document if item.get("UsePreviousValue") is not True]
            return {item["ParameterKey"]: _text(path, item, "ParameterValue") for item in given}, {}
        case {"Parameters": dict() as values}:
            tags = document.get("Tags") or {}
            if isinstance(tags, dict):
                return {key: _text(path, values, key) for key in values}, {key: _text(path, tags, key) for key in tags}
    raise UsageError(
        f"{path} is not a parameter file: it must be a list of ParameterKey and ParameterValue, or an object with "
        "Parameters and, optionally, Tags."
    )


def _text(path: Path, values: Mapping[str, object], key: str) -> str:
    """A value as CloudFormation takes it: text, or a number or truth value as JSON writes it."""
    match values.get(key):
        case str() as text:
            return text
        case bool() | int() | float() as value:
            return json.dumps(value)
    name = values.get("ParameterKey", key)
    raise UsageError(f"{path}: the value of {name} must be text, a number, true or false.")
