"""Whether policies allow actions, by ministack's evaluator; run with ministack's interpreter.

Reads a list of jobs as JSON, each a policy document and a list of calls to IAM (principal, action, resource, context);
prints for each job a list of true and false.
"""

from __future__ import annotations

import json
import sys

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

print(
    json.dumps(
        [
            [
                evaluate(
                    EvalContext(
                        principal_arn=asked["principal"],
                        principal_type="User",
                        principal_account=asked["principal"].split(":")[4],
                        action=asked["action"],
                        resource_arn=asked["resource"],
                        region="",
                        service_context={key.lower(): value for key, value in asked["context"].items()},
                    ),
                    [parse_policy_document(job["policy"])],
                ).decision
                == "Allow"
                for asked in job["asked"]
            ]
            for job in json.load(sys.stdin)
        ]
    )
)
