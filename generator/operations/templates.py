"""Templates that are too large for a request: they are put into a bucket, from which CloudFormation reads them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from generator.aws.errors import translate_errors
from generator.operations.options import ChangeOptions
from generator.operations.session import Session
from generator.stacks.cloudformation import StackUpdate


def uploaded(session: Session, update: StackUpdate, options: ChangeOptions) -> StackUpdate:
    """The update with the address of its template, if the template is too large for a request.

    The object's name is that of the stack and of the content, so that the same template is one object.
    """
    if not update.too_large:
        return update
    body = update.body.encode()
    key = f"{update.stack_name}/{hashlib.sha256(body).hexdigest()}.json"
    session.ui.progress(f"Uploading the template of {update.stack_name} to {options.template_bucket}/{key} ...")
    s3 = session.client("s3")
    with translate_errors(update.stack_name):
        s3.put_object(Bucket=options.template_bucket, Key=key, Body=body, ContentType="application/json")
    region = s3.meta.region_name
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    # As aws-cli, `cloudformation deploy`: a bucket whose name has a dot is in no certificate of S3's host names.
    return replace(update, template_url=f"https://s3.{region}.{domain}/{options.template_bucket}/{key}")
