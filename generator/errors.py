"""Every error of this project: exceptions whose text is one paragraph, or a line for each finding.

Operations raise them; the command prints them and exits with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Sequence

from generator.redaction import redact


class GeneratorError(Exception):
    """Base of every error that is not a defect of this project. Its text has no secrets, whatever a library put in.

    >>> issubclass(TemplateError, GeneratorError)
    True
    """

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class SettingsError(GeneratorError):
    """A field of `Settings` holds something it cannot hold.

    >>> Settings(nat="two")
    Traceback (most recent call last):
    generator.errors.SettingsError: Settings.nat is 'two', but it must be "none", "one" or "per-zone".
    """

    exit_code = 64

    def __init__(self, *, field: str, value: object, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"Settings.{field} is {value!r}, but {expected}.")


class UsageError(GeneratorError):
    """An option, a setting or build.py asks for something that does not exist."""

    exit_code = 64


class TemplateError(GeneratorError):
    """The given parts do not make a template.

    >>> app_runner_layer(Settings(), Workload(cpu=512, memory=4096))
    Traceback (most recent call last):
    generator.errors.TemplateError: The layer apprunner: Workload.cpu 512 does not go with Workload.memory 4096. ...
    """


def check_type(what: str, value: object, types: tuple[type, ...], expected: str) -> None:
    """Raises TemplateError for another type, without the value, which may be a secret."""
    if not isinstance(value, types):
        raise TemplateError(f"{what} is of the type {type(value).__name__}, but must be {expected}.")


class DuplicateLogicalIdError(TemplateError):
    """Two different elements claim one logical ID."""

    def __init__(self, *, logical_id: str, first: str, second: str) -> None:
        self.logical_id = logical_id
        super().__init__(
            f"Logical ID {logical_id} is used twice, by {first} and by {second}. "
            "Give one of the two parts a prefix, or pass the same object to both."
        )


class FindingsError(GeneratorError):
    """cfn-lint found something in a template. The text has a line for each finding; `last` is its last line."""

    def __init__(self, findings: Sequence[str], last: str = "Nothing was written.") -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join([*findings, last]))


class MissingPackageError(GeneratorError):
    """An optional package that this verb needs is not installed."""

    def __init__(self, *, package: str, extra: str, make: str = "build", instead: str = "") -> None:
        if package.partition(".")[0] == "rehearsal":
            super().__init__(
                "This command works only in a clone of the project: the installed package does not have it."
            )
            return
        otherwise = f", or {instead}" if instead else ""
        super().__init__(
            f"{package} is not installed. Run `make {make}`, "
            f"or install this project with its extra [{extra}]{otherwise}."
        )


class OutputError(GeneratorError):
    """A file cannot be read or written."""

    def __init__(self, *, action: str, path: object, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"Cannot {action} {path}: {reason}.")


class DeclinedError(GeneratorError):
    """The answer to a question was no."""


class DataLossError(GeneratorError):
    """A change set would delete or replace what holds data."""

    exit_code = 3

    def __init__(self, *, stack: str, logical_ids: tuple[str, ...]) -> None:
        self.stack = stack
        self.logical_ids = logical_ids
        verb = "is" if len(logical_ids) == 1 else "are"
        super().__init__(
            f"{stack}: The change set was not executed: {', '.join(logical_ids)} {verb} refused. To deploy it anyway: "
            f"{' '.join(f'--allow-replacement {logical_id}' for logical_id in logical_ids)}"
        )


class LocalError(GeneratorError):
    """A fault of this machine, or between it and AWS: a profile, a proxy, a certificate, a value, a clock.

    then: what to type next, if that is known.
    """

    def __init__(self, *, what: str, why: str, then: str = "", exit_code: int = 1) -> None:
        self.what = what
        self.why = why.rstrip(".")
        self.then = then
        self.exit_code = exit_code
        super().__init__(f"{what}: {self.why}. {then}".rstrip())


class DeployError(GeneratorError):
    """AWS refuses something. `then`: what to type next, if that is known."""

    def __init__(self, *, stack: str, what: str, why: str, then: str = "") -> None:
        self.stack = stack
        self.what = what
        self.why = why.rstrip(".")
        self.then = then
        super().__init__(f"{stack}: {what}: {self.why}. {then}".rstrip())
