"""A rule for IAM statements about the objects of S3 buckets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ._rule import Finding, Rule, finding
from ._values import PSEUDO, RESOURCE, Node, Template

BUCKET = "AWS::S3::Bucket"
WITH_POLICIES = ("AWS::IAM::Group", "AWS::IAM::Role", "AWS::IAM::User")
WITH_A_DOCUMENT = (
    *(f"AWS::IAM::{name}" for name in ("GroupPolicy", "ManagedPolicy", "Policy", "RolePolicy", "UserPolicy")),
    "AWS::S3::BucketPolicy",
)
# Those with the resource type object* in the Service Authorization Reference, and patterns that match no other action.
ON_OBJECTS = re.compile(
    r"s3:((Get|Put|Delete|Restore|Replicate)Object[A-Za-z]*\*?|AbortMultipartUpload|ListMultipartUploadParts)",
    re.IGNORECASE,
)
BUCKET_ARN = re.compile(r"arn:[^:/*?]+:s3:::([^:/*?]+)")


class Objects(Rule):
    id = "W9663"
    shortdesc = "IAM statements about S3 objects name objects"
    description = (
        "Actions such as s3:GetObject are on objects, whose ARNs have a slash and a key after the bucket's name. On "
        "the bucket's ARN alone they match nothing: write ${Bucket.Arn}/* with Fn::Sub."
    )
    source_url = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"
    types = (*WITH_POLICIES, *WITH_A_DOCUMENT)
    tags: ClassVar = ["iam", "s3"]

    def findings(self, node: Node) -> Iterator[Finding]:
        for policy in _objects(node, "Policies") if node.type in WITH_POLICIES else [node]:
            for document in _objects(policy, "PolicyDocument"):
                for statement in _objects(document, "Statement"):
                    for resources, there in statement.lists("Resource"):
                        if resources and all(_is_bucket(node.template, resource) for resource in resources):
                            for action in _on_objects(there):
                                yield finding(statement, f"{action} is on objects, not on a bucket: add /*", "Resource")


def _objects(node: Node, *names: str) -> Iterator[Node]:
    """The objects that a property can have: one, or those of a list."""
    for value, where in node.values(*names):
        if isinstance(value, dict):
            yield where.of(value, (*node.path, *names))
        else:
            yield from (item for item in node.items(*names) if isinstance(item.value, dict))


def _on_objects(statement: Node) -> Iterator[str]:
    for actions, _ in statement.lists("Action"):
        yield from (action for action in actions if isinstance(action, str) and ON_OBJECTS.fullmatch(action))


def _is_bucket(template: Template, value: Any) -> bool:
    """Whether a text is certainly a bucket's ARN, without a key."""
    reference = template.reference(value)
    if reference:
        return reference.attribute == "Arn" and template.type_of(reference.name) == BUCKET
    named = BUCKET_ARN.fullmatch(value) if isinstance(value, str) else None
    return named is not None and all(
        reference.kind == PSEUDO or (reference.kind == RESOURCE and template.type_of(reference.name) == BUCKET)
        for reference in template.references(named[1])
    )
