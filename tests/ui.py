"""A UI of operations for tests: what is said and shown is kept, and answers are prepared."""

from __future__ import annotations

from dataclasses import dataclass, field

from generator.report.results import Result


@dataclass
class ListUI:
    """Answers every question with `answer`."""

    answer: bool = True
    said: list[str] = field(default_factory=list)
    shown: list[Result] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def progress(self, text: str) -> None:
        self.said.append(text)

    def show(self, result: Result) -> None:
        self.shown.append(result)

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer

    def confirm_name(self, name: str, question: str) -> bool:
        self.asked.append(question)
        return self.answer
