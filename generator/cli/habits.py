"""Names that other tools use for this command's verbs and options, and the nearest names for misspelled ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection

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
