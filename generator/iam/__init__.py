"""Layers and a deployment's name in, IAM policy documents out; no I/O.

`policies.py` writes the documents for preview, deploy and rotate. `execution_role.py` derives the one for
CloudFormation's role from the resource schemas of cfn-lint, which `handlers.py` corrects. `arns.py` limits them to
the resources of the deployment.
"""
