"""The size of an instance or a task, and how many of them there are: parameters, and rules for what goes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from troposphere import Equals

from generator.errors import TemplateError
from generator.template.elements import Input, Rule, contains
from generator.template.inputs import choice, whole_number
from generator.workload import Workload

SIZE_GROUP = "Size"


@dataclass(frozen=True)
class Size:
    """CPU units and MB of memory, and a rule for each CPU size that it comes with one of its memory sizes."""

    cpu: Input
    memory: Input
    fits: tuple[Rule, ...]


def size(
    workload: Workload, of: str, sizes: Mapping[str, tuple[str, ...]], listed: Callable[[tuple[str, ...]], str]
) -> Size:
    """The parameters Cpu and Memory of an instance or a task, as `of` names it; `sizes` are those that go together.

    listed: the memory sizes of one Cpu as text.

    Raises TemplateError where the workload's do not.
    """
    if str(workload.memory) not in sizes.get(str(workload.cpu), ()):
        choices = "; ".join(f"{units}: {_choice(megabytes)}" for units, megabytes in sizes.items())
        raise TemplateError(
            f"Workload.cpu {workload.cpu} does not go with Workload.memory {workload.memory}. Memory in MB for each "
            f"CPU: {choices}."
        )
    cpu = choice(
        "Cpu",
        sizes,
        default=str(workload.cpu),
        description=f"CPU of {of}, in CPU units; 1024 units are one vCPU.",
        group=SIZE_GROUP,
        label="CPU",
    )
    pairs = "; ".join(f"{units}: {listed(megabytes)}" for units, megabytes in sizes.items())
    memory = choice(
        "Memory",
        sorted({megabytes for each in sizes.values() for megabytes in each}, key=int),
        default=str(workload.memory),
        description=f"Memory of {of}, in MB. Possible sizes for each Cpu: {pairs}.",
        group=SIZE_GROUP,
        label="Memory (MB)",
    )
    fits = (
        Rule(
            f"MemoryFitsCpu{units}",
            contains(list(megabytes), memory.ref()),
            f"With Cpu {units}, Memory must be {_choice(megabytes)}.",
            when=Equals(cpu.ref(), units),
        )
        for units, megabytes in sizes.items()
    )
    return Size(cpu, memory, tuple(fits))


def scaling_inputs(workload: Workload, what: str, most: int, least_description: str) -> tuple[Input, Input]:
    """The parameters MinSize and MaxSize: the number of `what`, such as instances, at most `most`.

    Raises TemplateError where the workload's are not in order.
    """
    if not 1 <= workload.min_size <= workload.max_size <= most:
        raise TemplateError(
            f"Workload.min_size {workload.min_size} and Workload.max_size {workload.max_size} must be between 1 and "
            f"{most}, the first not greater than the second."
        )
    return (
        whole_number(
            "MinSize",
            default=workload.min_size,
            least=1,
            most=most,
            description=f"{least_description} At most MaxSize.",
            group=SIZE_GROUP,
            label=f"Minimum {what}",
        ),
        whole_number(
            "MaxSize",
            default=workload.max_size,
            least=1,
            most=most,
            description=f"The maximum number of {what}.",
            group=SIZE_GROUP,
            label=f"Maximum {what}",
        ),
    )


def _choice(sizes: tuple[str, ...]) -> str:
    if len(sizes) <= 4:
        return f"{', '.join(sizes[:-1])} or {sizes[-1]}" if len(sizes) > 1 else sizes[0]
    return f"{sizes[0]} to {sizes[-1]} in steps of {int(sizes[1]) - int(sizes[0])}"
