"""What is shown of a run under way; where nobody can see it, the work goes on."""

import io
import sys
import time

from palestra.tools.cli.results import busy
from palestra.tools.training.progress import Display


class Full(io.StringIO):
    """A stream on a disk without space, or to a reader that has gone away."""

    def __init__(self, fault: Exception, terminal: bool):
        super().__init__()
        self.fault, self.terminal = fault, terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        raise self.fault

    def flush(self) -> None:
        raise self.fault


def test_what_cannot_be_shown_is_lost_and_the_work_goes_on(monkeypatch):
    for fault in OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed"):
        for terminal in False, True:
            monkeypatch.setattr(sys, "stderr", Full(fault, terminal))
            with Display("dqn on CartPole-v1", 100, [0]) as display:
                display.update(0, 50, 1.0)
                display.say("a word")
                display.update(0, 100, 2.0)
                display.finishing()


def test_brackets_in_a_parameter_are_shown_as_they_are(capsys) -> None:
    display = Display("dqn on Maze with rows=[/b][red]", 10, [0])
    display.console.print(display.bar.get_renderable(), soft_wrap=True)
    assert "[/b][red]" in capsys.readouterr().err


def test_what_takes_long_is_said_and_so_is_each_part_after_it(capsys):
    with busy("counting sheep", 0.0) as say:
        while not (told := capsys.readouterr().err):  # by a thread of its own
            time.sleep(0.001)
        say("counting the black ones")
    assert told == "palestra: counting sheep ...\n"
    assert capsys.readouterr().err == "palestra: counting the black ones ...\n"


def test_of_what_is_quick_nothing_is_said(capsys):
    with busy("counting sheep", 60.0) as say:
        say("counting the black ones")
    assert capsys.readouterr().err == ""
