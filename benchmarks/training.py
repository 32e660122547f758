"""Training speed: the line (Lightning) against a bare PyTorch loop, and against the reference program (Keras).

The reference program is what many teams start from: Keras 3 on TensorFlow with ImageDataGenerator. It gets an
environment of its own, because TensorFlow does not share one with the line. Network (the reference CNN), augmentation
policy, batch and optimizer are the same; every program is a process pinned to one processor, warmed up first, then
asked in turn, so that a slow moment of the machine hits all of them. Figures are samples per second of processor time.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.ratio import Ratio

ROOT = Path(__file__).parents[1]
KERAS = ROOT / ".tunesmith" / "benchmarks" / "keras"
REQUIREMENTS = ("tensorflow-cpu==2.21.*", "keras==3.15.*", "scipy")
ROUNDS = 7
BATCH, STEPS = 64, 150


class Contestant:
    """A program that trains one fixed number of steps whenever it is asked, and answers with its speed."""

    def __init__(self, command: list[str | Path]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def samples_per_second(self) -> float:
        """Asks for one round.

        Raises:
            RuntimeError: the program has ended.
        """
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("samples/s "):
                return float(line.split()[1])
        raise RuntimeError(f"{self.process.args!r} ended before it answered")


@contextmanager
def running(command: list[str | Path]) -> Iterator[Contestant]:
    """A contestant that is stopped afterwards."""
    contestant = Contestant(command)
    try:
        yield contestant
    finally:
        contestant.process.kill()
        contestant.process.wait()


def worker(program: str, preset: str, batch: int, steps: int, precision: str = "32-true") -> list[str | Path]:
    """The command of the line's training, or of the bare loop (:mod:`benchmarks.training_worker`)."""
    return [sys.executable, "-m", "benchmarks.training_worker", program, preset, str(batch), str(steps), precision]


def contest(commands: dict[str, list[str | Path]], rounds: int) -> list[dict[str, float]]:
    """Starts every program, warms it up, and asks all of them in turn; samples per second by round and name."""
    with ExitStack() as stack:
        contestants = {name: stack.enter_context(running(command)) for name, command in commands.items()}
        for contestant in contestants.values():
            contestant.samples_per_second()  # warm-up
        return [{name: each.samples_per_second() for name, each in contestants.items()} for _ in range(rounds)]


def keras_python() -> Path:
    """The interpreter of the reference program's environment, made on first use."""
    python = KERAS / "bin" / "python"
    ready = KERAS / "ready"
    if not ready.exists():
        print(f"Making an environment for the reference program in {KERAS} …", file=sys.stderr)
        venv.create(KERAS, with_pip=False, clear=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *REQUIREMENTS], check=True)
        ready.touch()
    return python


def main() -> list[Ratio]:
    """Measures and returns both ratios."""
    reference = "presets/reference-augmentation.yaml"
    commands: dict[str, list[str | Path]] = {
        "line": worker("line", reference, BATCH, STEPS),
        "bare": worker("bare", reference, BATCH, STEPS),
        "line in bf16": worker("line", reference, BATCH, STEPS, "bf16-mixed"),
        "reference": [keras_python(), ROOT / "benchmarks" / "reference_program.py"],
    }
    rounds = contest(commands, ROUNDS)
    speeds = {name: sorted(each[name] for each in rounds)[ROUNDS // 2] for name in commands}
    stated = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    note = f"reference CNN and augmentation, batch 64, one processor each, {ROUNDS} rounds; samples/s: {stated}"

    def ratio(name: str, over: str, under: str, target: str) -> Ratio:
        return Ratio.of(name, [each[over] / each[under] for each in rounds], target, note)

    # bf16 is the faster one on processors with AMX, and the slower one on those without.
    faster = max("line", "line in bf16", key=lambda name: speeds[name])
    return [
        ratio("training: the line / a bare PyTorch loop", "line", "bare", "≥ 0.90"),
        ratio("training: the line in its faster precision / the reference program", faster, "reference", "≥ 2.0"),
    ]


if __name__ == "__main__":
    for result in main():
        low, high = result.spread
        print(f"{result.name}: {result.value:.2f} ({low:.2f} to {high:.2f}), target {result.target}")
        print(f"  {result.note}")
