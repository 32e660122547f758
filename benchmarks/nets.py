"""Training speed of every kind of network: the line against a bare loop of the same network, loss and optimizer.

What Lightning, checkpoints and the reproducible order cost is some tenths of a millisecond a step. So the ratio is
promised for networks whose step takes 5 ms or more; a faster one (the MLP on rows) is told for what it is.
"""

from benchmarks.ratio import Ratio
from benchmarks.training import contest, worker

ROUNDS = 5
PRESETS = {
    "cnn": ("params.yaml", 64, 150),
    "resnet": ("presets/resnet-fashion-mnist.yaml", 64, 12),
    "mobilenet_v2": ("presets/mobilenet-v2-fashion-mnist.yaml", 64, 8),
    "vit": ("presets/vit-fashion-mnist.yaml", 64, 12),
    "lstm": ("presets/lstm-imdb.yaml", 64, 6),
    "gru": ("presets/gru-sms-spam.yaml", 64, 20),
    "transformer": ("presets/transformer-imdb.yaml", 32, 6),
    "mlp on rows": ("presets/mlp-diamonds.yaml", 256, 200),
}
"""Preset, batch and steps of one round."""
PROMISED_MILLISECONDS = 5.0


def main() -> list[Ratio]:
    """Measures each network's ratio."""
    return [measured(name, *work) for name, work in PRESETS.items()]


def measured(name: str, preset: str, batch: int, steps: int) -> Ratio:
    """One network: samples per second of the line over those of the bare loop."""
    commands = {program: worker(program, preset, batch, steps) for program in ("line", "bare")}
    rounds = contest(commands, ROUNDS)
    speed = sorted(each["bare"] for each in rounds)[ROUNDS // 2]
    step = 1000 * batch / speed
    note = f"{preset}, batch {batch}, one processor, {ROUNDS} rounds; bare {speed:,.0f} samples/s, {step:.1f} ms a step"
    target = "≥ 0.90" if step > PROMISED_MILLISECONDS else "≥ 0"
    return Ratio.of(
        f"training {name}: the line / a bare loop", [each["line"] / each["bare"] for each in rounds], target, note
    )
