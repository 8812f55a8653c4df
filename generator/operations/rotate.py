"""`rotate`: new passwords for users of the data layers, without a failed request."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator import contract
from generator.database.passwords import PasswordRotation
from generator.errors import DeclinedError, DeployError, UsageError
from generator.layers import Deployment
from generator.operations.options import RotateOptions, StackOptions
from generator.operations.service import Service
from generator.operations.session import Session
from generator.report.results import RotationPlan
from generator.stacks.cloudformation import Stack, busy
from generator.stacks.events import in_progress
from generator.stacks.inventory import importers


@dataclass(frozen=True)
class PasswordUser:
    """A user with a password, by its data stack and the prefix of its outputs, such as Orders in OrdersUserName."""

    stack: Stack
    prefix: str

    @property
    def name(self) -> str:
        return self.stack.outputs[self.prefix + contract.USER_NAME]

    @property
    def secret(self) -> str:
        return self.stack.outputs[self.prefix + contract.PASSWORD_SECRET_ARN]

    @property
    def export(self) -> str:
        return f"{self.stack.name}-{self.prefix}{contract.PASSWORD_SECRET_ARN}"


@dataclass(frozen=True)
class RotatedPasswords:
    """The users whose passwords were rotated, the stacks whose services were redeployed, and how long it took."""

    users: tuple[str, ...]
    services: tuple[str, ...]
    seconds: float


def rotate(
    deployments: Sequence[Deployment], session: Session, options: RotateOptions = RotateOptions()
) -> RotatedPasswords:
    """Rotates the passwords of users of the deployments' data stacks; redeploys and verifies what reads them.

    All deployments are passed, since every service that reads a password has to read the new one. An interrupted
    rotation continues. Raises UsageError for a user that no data stack has, DeclinedError where the UI does not
    confirm, DeployError where there is no password, a stack is being deployed or reads one that no layer is for, a
    redeployment would be rolled back, or AWS or a verification fails.
    """
    services = {
        options.stack_name(deployment, layer): Service(session, layer.compute)
        for deployment in deployments
        for layer in deployment.layers
        if layer.compute
    }
    users = _chosen(_users(deployments, session, options), options.users)
    clients = session.client("memorydb"), session.client("secretsmanager"), session.clock
    rotations = [PasswordRotation(user.stack.name, user.name, user.secret, *clients) for user in users]
    readers = _readers(session, users, services)
    for stack in (*(user.stack for user in users), *readers.values()):
        # A user that is updated gets the template's password only, and a service reads the secret when it is updated.
        if in_progress(stack.status):
            raise busy(stack.name, "Rotate")
    session.ui.show(
        RotationPlan(
            data_stacks=tuple(rotation.stack_name for rotation in rotations),
            users=tuple(rotation.user_name for rotation in rotations),
            services=tuple(readers),
            continues=any(rotation.in_progress() for rotation in rotations),
        )
    )
    for name, stack in readers.items():
        if not options.ignore_error_rate:
            services[name].check_error_rate(stack)
    if not session.ui.confirm("Rotate?"):
        raise DeclinedError("Nothing was changed.")
    started = session.clock.now()
    try:
        _change_passwords(session, rotations, services, readers)
    except KeyboardInterrupt:
        session.ui.progress(
            "\nThe rotation is not finished: two passwords are valid, and services run with either. Run rotate again, "
            "which finishes it."
        )
        raise
    seconds = session.clock.now() - started
    session.ui.progress(f"The old passwords are no longer valid. The rotation took {seconds:.0f} s.")
    return RotatedPasswords(tuple(rotation.user_name for rotation in rotations), tuple(readers), seconds)


def _change_passwords(
    session: Session,
    rotations: Sequence[PasswordRotation],
    services: Mapping[str, Service],
    readers: Mapping[str, Stack],
) -> None:
    for rotation in rotations:
        rotation.add_new_password()
    session.ui.progress("Old and new passwords are valid.")
    for rotation in rotations:
        rotation.make_new_password_current()
    session.ui.progress("The secrets hold the new passwords.")
    for name, stack in readers.items():
        session.ui.progress(f"Redeploying {name} ...")
        services[name].redeploy(stack)
    for rotation in rotations:
        rotation.remove_old_password()


def _users(deployments: Sequence[Deployment], session: Session, options: StackOptions) -> list[PasswordUser]:
    """The users of the data stacks. Raises DeployError where there is none."""
    names = [options.stack_name(deployment, layer) for deployment in deployments for layer in deployment.data_layers]
    stacks = {name: session.cloudformation.stack(name) for name in dict.fromkeys(names)}
    users = [
        PasswordUser(stack, output.removesuffix(contract.PASSWORD_SECRET_ARN))
        for stack in stacks.values()
        if stack
        for output in stack.outputs
        if output.endswith(contract.PASSWORD_SECRET_ARN)
    ]
    if not users:
        output = f"the stack has no output {contract.PASSWORD_SECRET_ARN}"
        raise DeployError(
            stack=" or ".join(stacks) or options.name,
            what="There is no password to rotate",
            why=output if any(stacks.values()) else "the stack does not exist",
            then="Pass another --name or --data-stack.",
        )
    return users


def _chosen(users: Sequence[PasswordUser], names: Sequence[str]) -> list[PasswordUser]:
    """The users of these names, or all. Raises UsageError for an unknown name."""
    known = [user.name for user in users]
    for name in names:
        if name not in known:
            (near,) = difflib.get_close_matches(name, known, 1, 0)
            raise UsageError(f"--user {name}: no data stack has a user of this name with a password. Nearest: {near}.")
    return [user for user in users if not names or user.name in names]


def _readers(session: Session, users: Sequence[PasswordUser], services: Mapping[str, Service]) -> dict[str, Stack]:
    """The stacks that read these users' passwords, by name. Raises DeployError for one that no layer is for."""
    stacks = {user.stack.name: user.stack for user in users}
    imports = {name: importers(session.cloudformation.client, stack) for name, stack in stacks.items()}
    names = list(dict.fromkeys(name for user in users for name in imports[user.stack.name].get(user.export, ())))
    if unknown := sorted(set(names) - set(services)):
        raise DeployError(
            stack=" and ".join(stacks),
            what="Other stacks read this password",
            why=f"{', '.join(unknown)} would keep the old one",
            then="Add their layers to build.py, or rotate with the steps of docs/operations.md.",
        )
    return {name: stack for name in names if (stack := session.cloudformation.stack(name))}
