"""What a deployment's stacks should become: the layers' templates, with their parameters and tags."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from types import MappingProxyType

from generator import contract
from generator.aws.errors import translate_errors
from generator.errors import UsageError
from generator.iam.access import AccessLayer
from generator.layers import Deployment, Layer
from generator.operations.instead import another_deployed
from generator.operations.options import ChangeOptions
from generator.operations.session import UI, Session
from generator.parameters.checks import LayerParameters, findings, values_for
from generator.parameters.files import checked_tags
from generator.stacks.cloudformation import CloudFormation, Stack, StackUpdate
from generator.stacks.inventory import logical_ids
from generator.template.capabilities import IAM, NAMED_IAM, capabilities
from generator.template.resources import resources_in


def stack_updates(deployment: Deployment, ui: UI, options: ChangeOptions) -> list[tuple[Layer, StackUpdate]]:
    """Each chosen layer with what its stack should become.

    A parameter `Key` is passed to every layer that declares it, which is reported where there are several; `layer.Key`
    only to that layer, and wins. Raises UsageError for an unknown layer or parameter, and for a value that
    CloudFormation would refuse, as far as that is certain before anything is known of the stacks.
    """
    layers = deployment.chosen(options.layer)
    for key in options.given_parameters:
        passed = [layer.name for layer in layers if key in layer.parameters]
        if len(passed) > 1:
            if key == contract.IMAGE_URI:
                raise UsageError(f"--image is of one service: write {' or '.join(f'--image {p}=URI' for p in passed)}.")
            ui.progress(f"The parameter {key} is passed to the layers {', '.join(passed)}.")
    _check(
        options,
        [
            LayerParameters(layer.name, layer.template, pending=layer.parameters, selected=layer in layers)
            for layer in deployment.layers
        ],
    )
    for layer in layers:
        _check_capabilities(layer, ui, options)
    _check_tags(deployment, ui, options)
    updates = [(layer, _stack_update(deployment, layer, options)) for layer in layers]
    for layer, update in updates:
        if update.too_large and not options.template_bucket:
            size = len(update.body.encode())
            raise UsageError(
                f"The template of the layer {layer.name} has {size:,} bytes without white space, and CloudFormation "
                f"takes {contract.TEMPLATE_BODY_LIMIT:,} in a request: pass --template-bucket BUCKET, or split the "
                "layer in two."
            )
    return updates


def _check_capabilities(layer: Layer, ui: UI, options: ChangeOptions) -> None:
    """Reports what is more than CAPABILITY_IAM. Raises UsageError for what is not among those that were given."""
    needed = capabilities(layer.template)
    given = {*options.capabilities, *([IAM] if NAMED_IAM in options.capabilities else [])}
    lacking = [name for name in needed if given and name not in given]
    if lacking:
        raise UsageError(f"The layer {layer.name} needs {' and '.join(lacking)}: add it to --capabilities.")
    if needed and needed != (IAM,):
        ui.progress(f"The layer {layer.name} needs {' and '.join(needed)}. CloudFormation gets it for this layer.")


def check_values(
    session: Session, deployment: Deployment, updates: Sequence[tuple[Layer, StackUpdate]], options: ChangeOptions
) -> None:
    """Checks the values that the stacks will have, those of all layers before the first one is deployed.

    A default of a template that is another one than the deployed template's is reported where the stack keeps the old
    one. Raises UsageError where another deployment is there instead, for a parameter without a value, for what
    CloudFormation would refuse, and for an allow_replacement that is no resource of a template or a stack.
    """
    cloudformation = session.cloudformation
    if instead := another_deployed(cloudformation, deployment, options, "change {} to its template"):
        raise UsageError(instead)
    region = cloudformation.region
    for layer, _ in updates:
        if layer.compute and (reason := layer.compute.unavailable(region)):
            raise UsageError(reason)
    stacks = {layer.name: cloudformation.stack(update.stack_name) for layer, update in updates}
    _check_logical_ids(cloudformation, [layer for layer, _ in updates], stacks, options)
    _check(
        options,
        [
            LayerParameters(
                layer.name,
                layer.template,
                deployed=stack.parameters if (stack := stacks.get(layer.name)) and stack.exists else {},
                pending=_added_later(layer),
                selected=layer.name in stacks,
            )
            for layer in deployment.layers
        ],
        {f"{layer.name}.{name}": value for layer, update in updates for name, value in update.parameters.items()},
        {"AWS::Region": region},
    )
    for layer, update in updates:
        if (stack := stacks[layer.name]) and stack.exists:
            given = {*update.parameters, *options.previous, *_added_later(layer)}
            _report_kept_defaults(session, layer, stack, given)


def _report_kept_defaults(session: Session, layer: Layer, stack: Stack, given: Set[str]) -> None:
    """Reports parameters that keep the default of the deployed template, although the new template has another one."""
    kept = {
        name: (stack.parameters[name], str(parameter["Default"]))
        for name, parameter in layer.parameters.items()
        if name in stack.parameters
        and not given & {name, f"{layer.name}.{name}"}
        and str(parameter.get("Default", stack.parameters[name])) != stack.parameters[name]
        and not parameter.get("NoEcho")
    }
    # Only then is the deployed template needed.
    deployed = session.cloudformation.template(StackName=stack.arn).get("Parameters", {}) if kept else {}
    for name, (value, default) in kept.items():
        if str(deployed.get(name, {}).get("Default")) == value:
            session.ui.progress(
                f"{layer.name}: {name} stays {value or 'empty'}, although its default is {default or 'empty'} now. "
                f"To change it: --parameter {layer.name}.{name}={default}"
            )


def _check_logical_ids(
    cloudformation: CloudFormation, layers: Sequence[Layer], stacks: Mapping[str, Stack | None], options: ChangeOptions
) -> None:
    known = {name for layer in layers for name, _ in resources_in(layer.template)}
    unknown = [name for name in options.allow_replacement if name not in known]
    # A transform makes resources of other names, and a resource that is removed is in the stack only.
    if not unknown or any("Transform" in layer.template for layer in layers):
        return
    for stack in stacks.values():
        deployed = logical_ids(cloudformation, stack.arn) if stack and stack.exists else ()
        if deployed is None:
            return
        known.update(deployed)
    for name in unknown:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"--allow-replacement {name}: no template or stack has a resource of this name.{hint}")


def _check(
    options: ChangeOptions,
    layers: Sequence[LayerParameters],
    values: Mapping[str, str] = MappingProxyType({}),
    pseudo: Mapping[str, str] = MappingProxyType({}),
) -> None:
    given = {**options.given_parameters, **values}
    if found := findings(given, layers, previous=options.previous, pseudo=pseudo):
        raise UsageError("\n".join(found))


def _added_later(layer: Layer) -> tuple[str, ...]:
    """The parameters that take a value of their own during the deployment."""
    return (contract.AUTHENTICATION, *([contract.IMAGE_URI] if layer.compute else []))


def _stack_update(deployment: Deployment, layer: Layer, options: ChangeOptions) -> StackUpdate:
    data_stack = options.data_stack_name(deployment, layer)
    parameters = {contract.DATA_STACK_NAME: data_stack} if data_stack else {}
    if isinstance(layer, AccessLayer):
        parameters[contract.DEPLOYMENT_NAME] = options.name
    parameters |= values_for(layer.name, options.given_parameters)
    tags, removed_tags = _tags(deployment, layer, options)
    return StackUpdate(
        stack_name=options.stack_name(deployment, layer),
        template=layer.text(),
        parameters={name: value for name, value in parameters.items() if name in layer.parameters},
        tags=tags,
        removed_tags=removed_tags,
        role_arn=options.role_arn,
        notification_arns=options.notification_arns,
        import_existing=options.import_existing,
        disable_rollback=options.disable_rollback,
        revert_drift=options.revert_drift,
    )


def _check_tags(deployment: Deployment, ui: UI, options: ChangeOptions) -> None:
    """Reports a key that nearly begins with a layer's name. Raises UsageError for a tag of a layer that is not deployed
    this time."""
    deployed = [layer.name for layer in deployment.chosen(options.layer)]
    for key in (*options.tags, *options.removed_tags):
        of, _ = _layer_and_key(deployment, key)
        if of and of not in deployed:
            raise UsageError(f"The tag {key} is of the layer {of}, but only {', '.join(deployed)} is deployed.")
        first, _, rest = key.partition(".")
        names = {layer.name.lower(): layer.name for layer in deployment.layers}
        near = difflib.get_close_matches(first.lower(), names, 1, 0.75)
        if rest and near and not of:
            meant = f"{names[near[0]]}.{rest}"
            ui.progress(f"No layer is called {first}: {key} is a tag of every stack. Did you mean {meant}?")


def _tags(deployment: Deployment, layer: Layer, options: ChangeOptions) -> tuple[dict[str, str], tuple[str, ...]]:
    """The tags of a layer's stack to set and to take off: those of every layer, then those of this one, which win."""
    given = [(*_layer_and_key(deployment, key), value) for key, value in options.tags.items()]
    taken_off = [_layer_and_key(deployment, key) for key in options.removed_tags]
    tags: dict[str, str] = {}
    removed: set[str] = set()
    for only in ("", layer.name):
        off = {key for of, key in taken_off if of == only}
        on = {key: value for of, key, value in given if of == only}
        tags = {key: value for key, value in tags.items() if key not in off} | on
        removed = (removed | off) - on.keys()
    return checked_tags(f"The layer {layer.name}", tags), tuple(sorted(removed))


def _layer_and_key(deployment: Deployment, key: str) -> tuple[str, str]:
    """`storage.team` is the tag team of the layer storage; where there is no such layer, it is a key as it is."""
    of, _, rest = key.partition(".")
    return (of, rest) if rest and any(layer.name == of for layer in deployment.layers) else ("", key)


def with_login_of_data_stack(cloudformation: CloudFormation, update: StackUpdate) -> StackUpdate:
    """The update with the data stack's parameter Authentication, unless one was given: the two have to agree."""
    data_stack = update.parameters.get(contract.DATA_STACK_NAME, "")
    data = cloudformation.stack(data_stack) if data_stack else None
    login = data.parameters.get(contract.AUTHENTICATION) if data else None
    if login is None or contract.AUTHENTICATION not in update.declared or contract.AUTHENTICATION in update.parameters:
        return update
    return replace(update, parameters={**update.parameters, contract.AUTHENTICATION: login})


def uploaded(session: Session, update: StackUpdate, options: ChangeOptions) -> StackUpdate:
    """The update with the address of its template in a bucket, if the template is too large for a request.

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
