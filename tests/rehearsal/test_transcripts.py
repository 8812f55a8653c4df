"""docs/transcripts.md: recorded again, every command ends as the page says and prints what is there."""

from __future__ import annotations

from tests.rehearsal.transcripts import document, shortened
from tests.running import ROOT


def test_a_recording_is_the_committed_page() -> None:
    assert document() + "\n" == (ROOT / "docs" / "transcripts.md").read_text()


def test_the_first_line_of_a_kind_is_shown_with_what_belongs_to_it() -> None:
    lines = [
        "Account 1",
        "  + A  T",
        "      x",
        "  + B  T",
        "      y",
        "cost",
        "12:00:00Z DONE  A",
        "12:00:01Z DONE  B",
        "end",
    ]
    assert list(shortened("\n".join(lines))) == ["  + A  T", "      x", "...", "cost", "… DONE  A", "...", "end"]
    assert list(shortened("\n".join(lines), start="cost"))[:2] == ["...", "cost"]
