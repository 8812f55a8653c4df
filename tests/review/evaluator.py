"""Answers, with the emulator's IAM evaluator and in its environment, whether policies allow requests.

A line on stdin is a question as JSON: identity policies or a resource's policies, and requests. A line on stdout is the
answer to it: for each request, whether it is allowed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, evaluate_resource_policy, parse_policy_document


def allowed(policies: list[dict[str, Any]], request: dict[str, Any]) -> bool:
    context = EvalContext(
        principal_arn=request["principal"],
        principal_type="AssumedRole",
        principal_account="111122223333",
        action=request["action"],
        resource_arn=request["resource"],
        region="eu-west-1",
        source_ip=request["context"].get("aws:sourceip", "198.51.100.1"),
        secure_transport=request["context"].get("aws:securetransport") == "true",
        service_context=request["context"],
    )
    if request["service"] is None:
        return bool(evaluate(context, [parse_policy_document(policy) for policy in policies]).decision == "Allow")
    together = {"Statement": [statement for policy in policies for statement in policy["Statement"]]}
    return bool(evaluate_resource_policy(together, context, service=request["service"]).decision == "Allow")


for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps([allowed(question["policies"], request) for request in question["requests"]]), flush=True)
