"""The access layer: the roles with which CI previews, deploys and rotates a deployment, as a stack of its own.

The policies are those of `policies.py`, for the name that the parameter DeploymentName has. Who may assume a role:
GitHub, "OpenID Connect reference", example subject claims, and "Configuring OpenID Connect in Amazon Web Services";
GitLab, "Configure OpenID Connect in AWS to retrieve temporary credentials" (documentation).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from awacs import aws
from troposphere import AccountId, AWSHelperFn, Equals, GetAtt, Output, Ref, Sub, iam

from generator import contract
from generator.errors import TemplateError, check_type
from generator.iam.boundary import boundary, unknown_rights
from generator.iam.execution_role import execution_role, unknown_types
from generator.iam.policies import INLINE_LIMIT, MANAGED_LIMIT, of_commands, size, split
from generator.layers import Deployment, Layer
from generator.parts.permissions import POLICY_VERSION, document, trust
from generator.template.assemble import assemble
from generator.template.elements import Condition, Input, Part, why
from generator.template.inputs import ACCESS
from generator.template.render import render

# Stands for DeploymentName while the policies are made. In lower case, as the names of repositories are.
PLACEHOLDER = "deployment-name"
# CloudFormation shortens a longer one in the names of roles, and the policies would not match them.
LONGEST_NAME = 25
GITHUB = "token.actions.githubusercontent.com"
CREATES_PROVIDER = Condition("CreatesOidcProvider", Equals(Ref("OidcProviderArn"), ""))
USES_GITLAB = Condition("UsesGitLab", Equals(Ref("IdentityProvider"), "GitLab"))
IN_ENVIRONMENT = ["repo:${Repository}:environment:${Environment}"]
ON_BRANCH = "project_path:${Repository}:ref_type:branch:ref:${Branch}"
# Why each command has a role, and the subjects of the jobs that may assume it on GitHub and on GitLab, where a merge
# request's is its source branch.
JOBS: dict[str, tuple[str, list[str], str]] = {
    "preview": (
        "Pull requests and the branch may create change sets, but execute none",
        ["repo:${Repository}:pull_request", "repo:${Repository}:ref:refs/heads/${Branch}"],
        "project_path:${Repository}:ref_type:branch:ref:*",
    ),
    "deploy": (
        "Jobs in the environment, which can ask for approval, may execute change sets",
        IN_ENVIRONMENT,
        ON_BRANCH,
    ),
    "rotate": ("Jobs in the environment may rotate passwords, but deploy nothing", IN_ENVIRONMENT, ON_BRANCH),
}


@dataclass(frozen=True, kw_only=True)
class AccessLayer(Layer):
    """The roles of the layers of `deployment`. gitlab: the host that GitLab runs on. Statements besides those that are
    derived: own: of the boundary for the layers' roles; for_cloudformation: of CloudFormation's role."""

    deployment: Deployment
    gitlab: str
    own: tuple[aws.Statement, ...]
    for_cloudformation: tuple[aws.Statement, ...]

    # Made when it is needed: cfn-lint, which says what CloudFormation needs, takes a second to import.
    @cached_property
    def _text(self) -> str:
        return render(assemble(self.description, *_parts(self)))

    @property
    def made_from(self) -> str:
        own = aws.PolicyDocument(Statement=[*self.own, *self.for_cloudformation]).to_json()
        return json.dumps([self.description, self.gitlab, own, *(layer.text() for layer in self.deployment.layers)])

    @property
    def holds_data(self) -> bool:
        """Roles hold no data, whatever the template is."""
        return False


def access_deployment(
    deployment: Deployment,
    *own: aws.Statement,
    for_cloudformation: Sequence[aws.Statement] = (),
    gitlab: str = "gitlab.com",
) -> Deployment:
    """The roles with which `deployment` is previewed, deployed and rotated, as a deployment of one layer, `access`.

    own: what its roles may do besides what the templates' policies say, for instance by managed policies of AWS.
    for_cloudformation: what CloudFormation may do besides what the schemas of the templates' types list, for instance
    pass a role that exists. gitlab: the host that GitLab runs on, for pipelines there.

    The template raises TemplateError for a managed policy that needs `own`, for a type that needs `for_cloudformation`,
    and for a policy beyond IAM's limits; and MissingPackageError without cfn-lint.

    >>> from generator import app_runner_deployment
    >>> access_deployment(app_runner_deployment()).layers[0].file_name
    'apprunner-access-layer.json'
    """
    check_type("access_deployment: the argument deployment", deployment, (Deployment,), "a Deployment")
    name = f"{deployment.name}-{contract.ACCESS_LAYER}"
    layer = AccessLayer(
        name=contract.ACCESS_LAYER,
        template_name=name,
        description=f"Access layer of {deployment.name}: the roles of CI, CloudFormation's role, and the permissions "
        "boundary of the roles that CloudFormation makes. An administrator deploys this first.",
        parts=(),
        deployment=deployment,
        gitlab=gitlab,
        own=own,
        for_cloudformation=tuple(for_cloudformation),
    )
    return Deployment(name, (layer,))


def _parts(layer: AccessLayer) -> Iterator[Part]:
    layers = layer.deployment.layers
    if (unknown := unknown_rights(layers)) and not layer.own:
        raise TemplateError(
            f"What {' and '.join(unknown)} allows is not known here: pass it to access_deployment, as "
            "statements, for the permissions boundary."
        )
    if (types := unknown_types(layers)) and not layer.for_cloudformation:
        raise TemplateError(
            f"What CloudFormation needs for {' and '.join(types)} is not known here: pass it to access_deployment as "
            "statements, for_cloudformation=[...]."
        )
    yield _inputs(), CREATES_PROVIDER, USES_GITLAB
    yield iam.OIDCProvider(
        "OidcProvider",
        Condition=CREATES_PROVIDER.name,
        Metadata=why("An account has one provider for each issuer, so it may be there already"),
        Url=USES_GITLAB.choose(f"https://{layer.gitlab}", f"https://{GITHUB}"),
        ClientIdList=[USES_GITLAB.choose(f"https://{layer.gitlab}", "sts.amazonaws.com")],
    )
    yield _managed_policy(
        "PermissionsBoundary",
        "The most that the deployment's roles may do, whatever a template says",
        "boundary",
        boundary(layers, PLACEHOLDER, *layer.own),
    )
    yield from _cloudformation_role(document(*execution_role(layers, PLACEHOLDER).Statement, *layer.for_cloudformation))
    commands = of_commands(layers)
    for command, policy in commands.items():
        reason, on_github, on_gitlab = JOBS[command]
        trusted = USES_GITLAB.choose(
            _trust(layer.gitlab, f"https://{layer.gitlab}", on_gitlab), _trust(GITHUB, "sts.amazonaws.com", on_github)
        )
        yield _role(f"{command.capitalize()}Role", reason, trusted, policy(layers, PLACEHOLDER))
    yield from _outputs(layer.deployment.name, commands)


def _cloudformation_role(whole: aws.PolicyDocument) -> Iterator[Part]:
    """The role that CloudFormation deploys with, and managed policies for what its inline policy has no room for."""
    inline, *more = split(whole, _longest)
    yield _role(
        "CloudFormationRole",
        "CloudFormation deploys with it; nothing else can assume it, nor CloudFormation for another account",
        # CloudFormation user guide, "Cross-service confused deputy prevention", whose example is an extension's role.
        trust("cloudformation.amazonaws.com", aws.Condition(aws.StringEquals({"aws:SourceAccount": AccountId}))),
        inline,
    )
    for number, policy in enumerate(more, 2):
        yield _managed_policy(
            f"CloudFormationPolicy{number}",
            "What CloudFormation's role has no room for in its inline policy",
            f"cloudformation-{number}",
            policy,
            Roles=[Ref("CloudFormationRole")],
        )


def _managed_policy(
    logical_id: str, reason: str, name: str, document: aws.PolicyDocument, **more: Any
) -> iam.ManagedPolicy:
    return iam.ManagedPolicy(
        logical_id,
        Metadata=why(reason),
        ManagedPolicyName=Sub(f"${{DeploymentName}}-{name}"),
        PolicyDocument=_with_name(document, MANAGED_LIMIT),
        **more,
    )


def _role(
    logical_id: str, reason: str, trusted: aws.PolicyDocument | AWSHelperFn, document: aws.PolicyDocument
) -> iam.Role:
    name = logical_id.removesuffix("Role").lower()
    return iam.Role(
        logical_id,
        Metadata=why(reason),
        RoleName=Sub(f"${{DeploymentName}}-{name}"),
        AssumeRolePolicyDocument=trusted,
        Policies=[iam.Policy(PolicyName=name, PolicyDocument=_with_name(document, INLINE_LIMIT))],
    )


def _trust(host: str, audience: str, subject: str | list[str]) -> dict[str, Any]:
    """Lets the provider's jobs with this audience and subject, a pattern if it ends in *, assume the role."""
    subjects = [Sub(each) for each in subject] if isinstance(subject, list) else Sub(subject)
    operator = "StringLike" if str(subject).endswith("*") else "StringEquals"
    condition: dict[str, dict[str, Any]] = {"StringEquals": {f"{host}:aud": audience}}
    condition[operator] = {**condition.get(operator, {}), f"{host}:sub": subjects}
    return {
        "Version": POLICY_VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": CREATES_PROVIDER.choose(Ref("OidcProvider"), Ref("OidcProviderArn"))},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition,
            }
        ],
    }


def _with_name(document: aws.PolicyDocument, limit: int) -> Any:
    """A policy for DeploymentName, in this account. Raises TemplateError where it can be larger than IAM takes."""
    longest = _longest(document)
    if longest > limit:
        raise TemplateError(
            f"A policy has up to {longest:,} characters, and IAM takes {limit:,}: split the deployment."
        )
    return _substituted(json.loads(document.to_json()))


def _longest(document: aws.PolicyDocument) -> int:
    """The characters that IAM counts, for the longest name."""
    text = document.to_json()
    return size(text.replace(PLACEHOLDER, LONGEST_NAME * "n").replace("iam::*:", f"iam::{12 * '0'}:"))


def _substituted(node: Any) -> Any:
    match node:
        case str() if node.startswith("arn:aws:"):
            account = node.replace("arn:aws:iam::*:", "arn:aws:iam::${AWS::AccountId}:")
            return Sub(account.replace("arn:aws:", "arn:${AWS::Partition}:").replace(PLACEHOLDER, "${DeploymentName}"))
        case dict():
            return {key: _substituted(value) for key, value in node.items()}
        case list():
            return [_substituted(value) for value in node]
    return node


def _inputs() -> tuple[Input, ...]:
    return (
        ACCESS.text(
            contract.DEPLOYMENT_NAME,
            f"^[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}$",
            description="The prefix of the stacks' names, which --name is. The roles are for these stacks only.",
            label="Deployment name",
            Default="users",
            ConstraintDescription=f"Up to {LONGEST_NAME} lower-case letters, digits and hyphens, a letter first.",
        ),
        ACCESS.text(
            "Repository",
            "^[A-Za-z0-9_.@-]+(/[A-Za-z0-9_.@-]+)+$",
            description="The repository whose jobs may use the roles: OWNER/NAME as GitHub's tokens have it, which "
            "since July 2026 is OWNER@ID/NAME@ID for new and renamed repositories, or GROUP/PROJECT on GitLab.",
            label="Repository",
            ConstraintDescription="OWNER/NAME, OWNER@ID/NAME@ID, or GROUP/PROJECT.",
        ),
        ACCESS.text(
            "Branch",
            "^[A-Za-z0-9_./-]+$",
            description="The branch that is deployed. Its jobs may preview, on GitLab also deploy and rotate.",
            label="Branch",
            Default="main",
        ),
        ACCESS.text(
            "Environment",
            "^[A-Za-z0-9_.-]+$",
            description="The environment on GitHub whose jobs may deploy and rotate. Require an approval there.",
            label="Environment",
            Default="production",
        ),
        ACCESS.choice(
            "IdentityProvider",
            ["GitHub", "GitLab"],
            default="GitHub",
            description="Where the jobs run.",
            label="Identity provider",
        ),
        ACCESS.optional_text(
            "OidcProviderArn",
            "arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/.+",
            form="the ARN of an OIDC provider",
            description="The account's identity provider for GitHub or GitLab. Leave empty to create it; an account "
            "can have one.",
            label="Identity provider's ARN",
        ).input,
    )


def _outputs(deployment: str, commands: Iterable[str]) -> Iterator[Output]:
    for command in commands:
        role = f"{command.capitalize()}Role"
        yield Output(
            f"{role}Arn", Description=f"The role that CI's jobs assume for {command}.", Value=GetAtt(role, "Arn")
        )
    boundary = contract.PERMISSIONS_BOUNDARY_ARN
    yield Output(
        "CloudFormationRoleArn",
        Description="Choose this role under Permissions when you create the other stacks. With build.py: --role-arn.",
        Value=GetAtt("CloudFormationRole", "Arn"),
    )
    yield Output(
        boundary,
        Description="Enter this as the parameter of the same name when you create the other stacks.",
        Value=Ref("PermissionsBoundary"),
    )
    yield Output(
        "FirstDeployment",
        Description="Both as options of build.py deploy, for the first deployment. CloudFormation remembers them.",
        Value=Sub(f"--role-arn ${{CloudFormationRole.Arn}} --parameter {boundary}=${{PermissionsBoundary}}"),
    )
    variables = [
        "AWS_REGION=${AWS::Region}",
        f"DEPLOYMENT={deployment}",
        f"DEPLOYMENT_NAME=${{{contract.DEPLOYMENT_NAME}}}",
        "PREVIEW_ROLE_ARN=${PreviewRole.Arn}",
        "DEPLOY_ROLE_ARN=${DeployRole.Arn}",
    ]
    yield Output(
        "RepositoryVariables",
        Description="The variables of CI. GitHub: Settings, Secrets and variables, Actions, Variables; or save them in "
        "a file for gh variable set --env-file. GitLab: Settings, CI/CD, Variables.",
        Value=Sub("\n".join(variables)),
    )
