"""The size of an instance or a task, and how many of them there are: parameters, and rules for what goes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from troposphere import Equals

from generator.errors import TemplateError
from generator.template.elements import Input, Rule, contains
from generator.template.inputs import Group
from generator.workload import Workload

SIZE_GROUP = Group("Size")


@dataclass(frozen=True)
class Size:
    """CPU units and MB of memory, the least and the greatest number, and rules for CPU and memory that go together."""

    cpu: Input
    memory: Input
    min_size: Input
    max_size: Input
    fits: tuple[Rule, ...]


def size(
    workload: Workload,
    one: str,
    many: str,
    *,
    memory_of_cpu: Mapping[str, tuple[str, ...]],
    most: int,
    ready: str,
    listed: Callable[[tuple[str, ...]], str] = ", ".join,
) -> Size:
    """The parameters Cpu, Memory, MinSize and MaxSize of instances or tasks, as `one` and `many` name them.

    ready: what MinSize means. listed: the memory sizes of one Cpu as text.

    Raises TemplateError where the workload's memory does not go with its CPU, or its numbers are not in order.
    """
    _check(workload, memory_of_cpu, most)
    cpu = SIZE_GROUP.choice(
        "Cpu",
        memory_of_cpu,
        default=str(workload.cpu),
        description=f"CPU of {one}, in CPU units; 1024 units are one vCPU.",
        label="CPU",
    )
    pairs = "; ".join(f"{units}: {listed(megabytes)}" for units, megabytes in memory_of_cpu.items())
    memory = SIZE_GROUP.choice(
        "Memory",
        sorted({megabytes for each in memory_of_cpu.values() for megabytes in each}, key=int),
        default=str(workload.memory),
        description=f"Memory of {one}, in MB. Possible sizes for each Cpu: {pairs}.",
        label="Memory (MB)",
    )
    min_size, max_size = (
        SIZE_GROUP.whole_number(name, default=number, least=1, most=most, description=description, label=label)
        for name, number, description, label in (
            ("MinSize", workload.min_size, f"{ready} At most MaxSize.", f"Minimum {many}"),
            ("MaxSize", workload.max_size, f"The maximum number of {many}.", f"Maximum {many}"),
        )
    )
    fits = (
        Rule(
            f"MemoryFitsCpu{units}",
            contains(list(megabytes), memory.ref()),
            f"With Cpu {units}, Memory must be {_choice(megabytes)}.",
            when=Equals(cpu.ref(), units),
        )
        for units, megabytes in memory_of_cpu.items()
    )
    return Size(cpu, memory, min_size, max_size, tuple(fits))


def _check(workload: Workload, memory_of_cpu: Mapping[str, tuple[str, ...]], most: int) -> None:
    if str(workload.memory) not in memory_of_cpu.get(str(workload.cpu), ()):
        choices = "; ".join(f"{units}: {_choice(megabytes)}" for units, megabytes in memory_of_cpu.items())
        raise TemplateError(
            f"Workload.cpu {workload.cpu} does not go with Workload.memory {workload.memory}. Memory in MB for each "
            f"CPU: {choices}."
        )
    if not 1 <= workload.min_size <= workload.max_size <= most:
        raise TemplateError(
            f"Workload.min_size {workload.min_size} and Workload.max_size {workload.max_size} must be between 1 and "
            f"{most}, the first not greater than the second."
        )


def _choice(sizes: tuple[str, ...]) -> str:
    if len(sizes) <= 4:
        return f"{', '.join(sizes[:-1])} or {sizes[-1]}" if len(sizes) > 1 else sizes[0]
    return f"{sizes[0]} to {sizes[-1]} in steps of {int(sizes[1]) - int(sizes[0])}"
