"""Names that other tools use for this command's verbs and options, and the nearest names for misspelled ones."""

from __future__ import annotations

import difflib
import inspect
import re
import traceback
from collections.abc import Collection

import generator

# From CDK, SAM, Terraform, Pulumi, Serverless, Copilot, the AWS CLI and git.
VERBS = {
    "preview": ("changes", "changeset", "change-set", "diff", "dry-run", "plan", "show"),
    "build": ("compile", "emit", "generate", "package", "render", "synth", "synthesize", "template"),
    "deploy": ("apply", "bootstrap", "create", "execute", "push", "release", "up", "update"),
    "destroy": ("delete", "down", "remove", "rm", "teardown", "undeploy"),
    "status": ("describe", "drift", "events", "info", "list", "ls", "output", "outputs", "ps", "state"),
    "rehearse": ("emulate", "local", "localstack", "simulate", "test"),
    "serve": ("dev", "run", "start", "start-api", "watch"),
    "rotate": ("password", "rotate-password", "rotate-secret"),
}
OPTIONS = {
    "--name": ("--stack", "--stack-name", "--deployment-name", "--prefix"),
    "--parameter": ("--parameter-override", "--parameter-overrides", "--var", "-var", "--set", "--context-value"),
    "--parameters": ("--parameter-file", "--params", "--params-file", "--var-file", "-var-file", "--cli-input-json"),
    "--tag": ("--tags-file", "--label"),
    "--layer": ("--target", "-target", "--only", "--template", "--template-file", "--exclusively"),
    "--yes": (
        "--auto-approve",
        "-auto-approve",
        "--force",
        "--no-confirm-changeset",
        "--no-prompts",
        "--require-approval",
    ),
    "--image": ("--image-uri", "--image-repository", "--tag-image", "--container-image"),
    "--context": ("--docker-context", "--dockerfile", "--file"),
    "--region": ("--aws-region", "--location"),
    "--profile": ("--aws-profile",),
    "--role-arn": ("--role", "--cloudformation-role", "--execution-role"),
    "--keep": ("--no-execute", "--no-execute-changeset", "--save"),
    "--format": ("--json", "--output", "-o"),
    "--notification-arn": ("--notification-arns",),
    "--allow-replacement": ("--allow-destructive-changes", "--replace"),
    "--disable-rollback": ("--no-rollback", "--on-failure", "--no-disable-rollback"),
    "--no-wait": ("--async", "--detach", "--no-follow"),
    "--detailed-exitcode": ("-detailed-exitcode", "--detailed-exit-code", "--fail", "--fail-on-changes"),
    "--out": ("--output-dir", "--output-directory", "--outdir"),
    "--debug": ("-v", "--verbose", "-d", "--trace"),
    "--no-lint": ("--no-validate", "--skip-lint", "--skip-validation"),
}


def meant(word: str, known: Collection[str]) -> str:
    """The verb or option among `known` that `word` stands for in another tool, or that it is nearest to; or empty."""
    word = word.partition("=")[0] if word.startswith("-") else word
    lower = word.lower().replace("_", "-")
    for name, others in (VERBS | OPTIONS).items():
        if name in known and lower in (name, *others):
            return name
    return next(iter(difflib.get_close_matches(lower, known, 1, 0.7)), "")


UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
UNSUPPORTED = re.compile(r"[\w:]+ object does not support attribute (\w+)")


def meant_argument(error: Exception) -> str:
    """The argument of this library, or the property of a troposphere object, that is nearest to an unknown one that
    `error` names; or empty."""
    name, known = "", list[str]()
    if found := UNEXPECTED.fullmatch(str(error)):
        called, name = getattr(generator, found[1], None), found[2]
        known = list(inspect.signature(called).parameters) if called else []
    elif found := UNSUPPORTED.fullmatch(str(error)):
        frame, _ = [*traceback.walk_tb(error.__traceback__)][-1]
        name, known = found[1], list(getattr(frame.f_locals.get("self"), "propnames", ()))
    return next(iter(difflib.get_close_matches(name, known, 1, 0.7)), "")
