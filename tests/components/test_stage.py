"""How a stage ends when the disk is full, and when nobody waits for it any more."""

import os
import subprocess
import sys
from pathlib import Path

from components.stage import PARENT
from tests.flows.toy import environment, make_line


def test_a_full_disk_is_told_in_a_sentence_and_the_next_run_is_right(tmp_path: Path) -> None:
    line = make_line(tmp_path)
    command = [sys.executable, "components/toy.py", "source"]
    (line / "source.full").touch()
    done = subprocess.run(command, cwd=line, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"source: The disk is full ({line}: No space left on device). Outputs of before are whole; free some space and "
        "run it again: what was finished is kept.\n"
    )
    (line / "source.full").unlink()
    subprocess.run(command, cwd=line, env=environment(), capture_output=True, check=True)
    assert (line / "data/source/value").exists()


def test_a_stage_whose_run_was_killed_while_it_started_does_nothing(tmp_path: Path) -> None:
    line = make_line(tmp_path)
    command = [sys.executable, "components/toy.py", "source"]
    orphan = subprocess.run(command, cwd=line, env=environment(**{PARENT: "1"}), capture_output=True, check=False)
    assert orphan.returncode == 1
    assert not (line / "data/source/value").exists()
    ours = subprocess.run(command, cwd=line, env=environment(**{PARENT: str(os.getpid())}), check=False)
    assert ours.returncode == 0
    assert (line / "data/source/value").exists()
