"""The policies for preview, deploy, drift and rotate, for CloudFormation's role, and the boundary of roles it makes.

Which resources an action can be limited to: Service Authorization Reference. Regions and accounts are left open, so
that the files are the same everywhere; an identity policy applies to its own account only. docs/permissions.md
explains each statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from awacs import aws, cloudformation, ecr, iam, logs, memorydb, secretsmanager

from generator.contract import FINAL_SNAPSHOT_LABEL
from generator.iam.arns import repositories, roles, secrets, users
from generator.iam.boundary import boundary
from generator.iam.execution_role import execution_role, resource_statements
from generator.iam.handlers import CLUSTER, TemplateResource, allow, resources_of
from generator.layers import Layer
from generator.parts.permissions import POLICY_VERSION

# What IAM takes: characters without white space, of all inline policies of a role together, and of a managed policy
# (IAM user guide, "IAM and AWS STS quotas").
INLINE_LIMIT = 10_240
MANAGED_LIMIT = 6_144
EXECUTION_ROLE = "execution-role"

# Whether a given image exists, and for which processor it is: its manifest, and the URL of its configuration.
READ_IMAGE = (ecr.BatchGetImage, ecr.GetDownloadUrlForLayer)


def documents(layers: Sequence[Layer], name: str) -> dict[str, str]:
    """The text of each document by its file: preview.json, deploy.json, drift.json, execution-role.json, boundary.json
    where the layers have roles, and rotate.json where they have a password. What is more than a role's inline policies
    may have is in execution-role-2.json and so on, which are managed policies of the role.

    Raises MissingPackageError without cfn-lint, whose resource schemas say what CloudFormation's handlers need.
    """
    policies = {**of_commands(layers), "drift": drift}
    if roles(_resources(layers, name)):
        policies["boundary"] = boundary
    found = {file: policy(layers, name) for file, policy in policies.items()}
    first, *managed = split(execution_role(layers, name))
    found[EXECUTION_ROLE] = first
    found |= {f"{EXECUTION_ROLE}-{number}": policy for number, policy in enumerate(managed, 2)}
    return {f"{file}.json": text(policy) for file, policy in found.items()}


def split(
    policy: aws.PolicyDocument, characters: Callable[[aws.PolicyDocument], int] = lambda document: size(text(document))
) -> list[aws.PolicyDocument]:
    """A role's policy as an inline policy and, if that is too large, managed policies."""
    parts: list[list[aws.Statement]] = [[]]
    for statement in policy.Statement:
        limit = INLINE_LIMIT if len(parts) == 1 else MANAGED_LIMIT
        if characters(_document(*parts[-1], statement)) > limit:
            parts.append([])
        parts[-1].append(statement)
    return [_document(*part) for part in parts]


def of_commands(layers: Sequence[Layer]) -> dict[str, Callable[[Sequence[Layer], str], aws.PolicyDocument]]:
    """What makes the policy of each command, from layers and a deployment's name."""
    rotates = {"rotate": rotate} if secrets(_resources(layers, "")) else {}
    return {"preview": preview, "deploy": deploy, **rotates}


def text(policy: aws.PolicyDocument) -> str:
    """A document's exact text: keys sorted, two spaces, a final newline."""
    return policy.to_json(indent=2, sort_keys=True) + "\n"


def size(document: str) -> int:
    """A document's length as IAM counts it."""
    return len("".join(document.split()))


def actions(document: str) -> tuple[str, ...]:
    """The actions that a document allows, sorted."""
    return tuple(sorted({action for statement in json.loads(document)["Statement"] for action in statement["Action"]}))


def preview(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `preview`, for instance in CI: change sets are created and deleted, never executed.

    A first preview leaves an empty stack, which DeleteStack removes; IAM has no condition for empty stacks.
    """
    stacks = _stacks(layers, name)
    look = [
        cloudformation.DescribeChangeSet,
        cloudformation.DescribeStacks,
        cloudformation.GetTemplate,
        cloudformation.ListChangeSets,
        cloudformation.ListStackResources,
    ]
    make = [cloudformation.CreateChangeSet, cloudformation.DeleteChangeSet]
    return _document(
        allow("ChangeSets", [*look, *make], stacks),
        _findings(stacks),
        allow("EmptyStack", [cloudformation.DeleteStack], stacks),
        *_images(layers, name, [ecr.DescribeImages, *READ_IMAGE]),
    )


def deploy(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `deploy`, `status` (without --drift), `logs` and `destroy`, when CloudFormation acts with its own role.

    Drift detection is left out: it reads every resource with the caller's rights, as `drift` allows.
    """
    stacks = _stacks(layers, name)
    memorydb_users = users(_resources(layers, name))
    return _document(
        allow(
            "Stacks",
            [
                cloudformation.CreateChangeSet,
                cloudformation.DeleteChangeSet,
                cloudformation.DeleteStack,
                cloudformation.DescribeChangeSet,
                cloudformation.DescribeStackEvents,
                cloudformation.DescribeStacks,
                cloudformation.ExecuteChangeSet,
                cloudformation.GetStackPolicy,
                cloudformation.GetTemplate,
                cloudformation.ListChangeSets,
                cloudformation.ListStackResources,
                cloudformation.SetStackPolicy,
                cloudformation.UpdateTerminationProtection,
            ],
            stacks,
        ),
        _findings(stacks),
        _exports(),
        allow(
            "PassRole",
            [iam.PassRole],
            [f"arn:aws:iam::*:role/{name}-cloudformation"],
            aws.StringEquals({"iam:PassedToService": "cloudformation.amazonaws.com"}),
        ),
        *_snapshots(layers),
        # To see whether a rotation is in progress before the user is changed.
        *([allow("Users", [memorydb.DescribeUsers], memorydb_users)] if memorydb_users else []),
        *(_services(layers, name) if _computes(layers) else []),
    )


def drift(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `status --drift`, for instance in CI: detection reads every resource with the caller's rights.

    CloudFormation user guide, "Considerations when detecting drift". Nothing can be changed with it.
    """
    look = [
        cloudformation.DescribeStackEvents,
        cloudformation.DescribeStackResourceDrifts,
        cloudformation.DescribeStacks,
        cloudformation.DetectStackDrift,
        cloudformation.DetectStackResourceDrift,
        cloudformation.ListStackResources,
    ]
    return _document(
        allow("Stacks", look, _stacks(layers, name)),
        # It names the detection, and takes no resource.
        allow("Detection", [cloudformation.DescribeStackDriftDetectionStatus], ["*"]),
        *resource_statements(layers, name, reading=True),
        *_running(layers, name, logs_too=False),
    )


def rotate(layers: Sequence[Layer], name: str) -> aws.PolicyDocument:
    """For `rotate`, which deploys no stack. A customer-managed key under the secret is not in it."""
    resources = _resources(layers, name)
    versions = [
        secretsmanager.DescribeSecret,
        secretsmanager.GetSecretValue,
        secretsmanager.PutSecretValue,
        secretsmanager.UpdateSecretVersionStage,
    ]
    return _document(
        allow("Stacks", [cloudformation.DescribeStacks], _stacks(layers, name)),
        _exports(),
        allow("Users", [memorydb.DescribeUsers, memorydb.UpdateUser], users(resources)),
        allow("Passwords", versions, secrets(resources)),
        allow("NewPassword", [secretsmanager.GetRandomPassword], ["*"]),
        *_images(layers, name, [ecr.DescribeImages]),
        *_running(layers, name, redeploy=True),
    )


def _document(*statements: aws.Statement) -> aws.PolicyDocument:
    return aws.PolicyDocument(Version=POLICY_VERSION, Statement=list(statements))


def _resources(layers: Sequence[Layer], name: str) -> list[TemplateResource]:
    return [resource for layer in layers for resource in resources_of(layer, f"{name}-{layer.name}")]


def _stacks(layers: Sequence[Layer], name: str) -> list[str]:
    return [f"arn:aws:cloudformation:*:*:stack/{name}-{layer.name}/*" for layer in layers]


def _exports() -> aws.Statement:
    return allow("Exports", [cloudformation.ListExports, cloudformation.ListImports], ["*"])


def _findings(stacks: list[str]) -> aws.Statement:
    # The reference lists both types, but not which one applies when only the change set is named.
    change_sets = "arn:aws:cloudformation:*:*:changeSet/preview-*/*"
    return allow("Findings", [cloudformation.DescribeEvents], [change_sets, *stacks])


def _images(layers: Sequence[Layer], name: str, actions: list[aws.Action]) -> Iterator[aws.Statement]:
    """In the repositories of the layers, and in those that exist and that a workload names."""
    found = set(repositories(_resources(layers, name)))
    for named in (layer.workload.repository for layer in layers if layer.workload):
        if named:
            found.add(named if named.startswith("arn:") else f"arn:aws:ecr:*:*:repository/{named}")
    if _computes(layers) and found:
        yield allow("Images", actions, found)


def _computes(layers: Sequence[Layer]) -> bool:
    return any(layer.compute for layer in layers)


def _snapshots(layers: Sequence[Layer]) -> Iterator[aws.Statement]:
    if any(resource.resource_type == CLUSTER for resource in _resources(layers, "")):
        final = f"arn:aws:memorydb:*:*:snapshot/{FINAL_SNAPSHOT_LABEL}-*"
        yield allow("FinalSnapshot", [memorydb.DescribeSnapshots], [final])


def _services(layers: Sequence[Layer], name: str) -> Iterator[aws.Statement]:
    """To push the image, to describe the service, and to read its log."""
    # ECR user guide, "IAM permissions for pushing an image".
    push = [
        ecr.BatchCheckLayerAvailability,
        ecr.CompleteLayerUpload,
        ecr.InitiateLayerUpload,
        ecr.PutImage,
        ecr.UploadLayerPart,
    ]
    look = [ecr.BatchDeleteImage, ecr.DescribeImages, ecr.ListImages, *READ_IMAGE]
    images = list(_images(layers, name, [*push, *look]))
    yield from images
    if images:
        yield allow("RegistryToken", [ecr.GetAuthorizationToken], ["*"])
    yield from _running(layers, name)


def _running(
    layers: Sequence[Layer], name: str, *, redeploy: bool = False, logs_too: bool = True
) -> Iterator[aws.Statement]:
    """To describe the service, why it failed, its error rate, and to read its log; with `redeploy` to start a
    deployment instead of `logs`."""
    running: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    groups: set[str] = set()
    metrics: set[str] = set()
    elsewhere: dict[str, str] = {}
    for layer in layers:
        stack, compute = f"{name}-{layer.name}", layer.compute
        for resource in resources_of(layer, stack) if compute else ():
            if compute and resource.resource_type == compute.resource_type:
                key = compute.client_name, compute.actions + (compute.redeploy_actions if redeploy else ())
                running.setdefault(key, set()).update(compute.resources(stack, resource.logical_id))
                groups.update(compute.log_group_names(stack, resource.logical_id))
                metrics.update(compute.metric_actions)
        elsewhere |= compute.actions_elsewhere if compute else {}
    for (client, names), resources in running.items():
        sid = f"Service{client.title().replace('-', '')}"
        yield allow(sid, [aws.Action(*action.split(":")) for action in names], resources)
    for action, arn in sorted(elsewhere.items()):
        yield allow(action.partition(":")[2], [aws.Action(*action.split(":"))], [arn])
    if metrics:
        yield allow("ErrorRate", [aws.Action(*action.split(":")) for action in sorted(metrics)], ["*"])
    if groups and logs_too:
        read = [logs.DescribeLogStreams, logs.GetLogEvents, logs.PutRetentionPolicy]
        read += [] if redeploy else [logs.FilterLogEvents]
        yield allow("ServiceLogs", read, [f"arn:aws:logs:*:*:log-group:{group}" for group in groups])
        yield allow("LogGroups", [logs.DescribeLogGroups], ["*"])
