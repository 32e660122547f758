"""What the benchmark of serving speed comes to: ratios beside their targets, and a table."""

from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.load import Round
from benchmarks.ratio import Ratio
from components.contracts import REPORTS
from components.files import write_json

CONNECTIONS = 16
BATCH = 256
SINGLE = ("JSON", ".npy", "PNG")
"""The forms of a single image."""
MANY = f"{BATCH} as .npy"
MLFLOW, LITSERVE, PYDANTIC, INLINE = (
    "mlflow models serve, JSON",
    "LitServe, JSON",
    "FastAPI with pydantic, JSON",
    "FastAPI inline, .npy",
)
FLOORS = {MLFLOW: "≥ 2.5", LITSERVE: "≥ 2.0", PYDANTIC: "≥ 1.0"}
"""They hold for a single image in each form."""
REPORT = REPORTS / "benchmarks" / "serving.json"
NOTE = f"single 28 × 28 images, one worker each, {CONNECTIONS} connections; keys, metrics and prediction log on"


def ours(form: str) -> str:
    """The name of this server, asked in a form."""
    return f"tunesmith, {form}"


def samples_of_ours(rounds: dict[str, list[Round]]) -> int:
    """So many samples this server has answered."""
    forms = {**dict.fromkeys(SINGLE, 1), MANY: BATCH}
    return sum(size * done.requests for form, size in forms.items() for done in rounds[ours(form)])


@dataclass(frozen=True)
class Measured:
    """What the rounds have measured.

    Attributes:
        rounds: of each server and form, by name.
        loops: samples per CPU second of the bare loop in the same rounds, by samples a run.
        unlogged: samples that this server answered, the warm-up's too, and its prediction log has lost.
    """

    rounds: dict[str, list[Round]]
    loops: dict[int, list[float]]
    unlogged: int

    def speeds(self, name: str) -> list[float]:
        """Requests per CPU second in each round."""
        return [done.per_cpu_second for done in self.rounds[name]]

    def shares(self, name: str) -> list[float]:
        """Samples per CPU second over those of the bare loop with as many at a time, in each round."""
        size = BATCH if name == ours(MANY) else 1
        return [size * speed / loop for speed, loop in zip(self.speeds(name), self.loops[size], strict=True)]

    def ratios(self) -> list[Ratio]:
        """All of them, beside their targets."""
        p99 = zip(self.rounds[ours("JSON")], self.rounds[MLFLOW], strict=True)
        return [
            *(self._over(form, rival, target) for rival, target in FLOORS.items() for form in SINGLE),
            self._over(".npy", INLINE, "≥ 1.0"),
            Ratio.of(
                "serving: p99, JSON / that of `mlflow models serve`",
                [one.p99 / other.p99 for one, other in p99],
                "≤ 0.25",
                NOTE,
            ),
            Ratio.of(
                f"serving: {BATCH} images a request / the bare ONNX Runtime loop",
                self.shares(ours(MANY)),
                "≥ 0.85",
                "samples per CPU second, .npy, /predict_batch?top=1",
            ),
            Ratio.of(
                "serving: answers that the prediction log has lost", [self.unlogged], "≤ 0", "samples, all rounds"
            ),
        ]

    def _over(self, form: str, rival: str, target: str) -> Ratio:
        pairs = zip(self.speeds(ours(form)), self.speeds(rival), strict=True)
        note = f"{NOTE}; {median(self.shares(ours(form))):.1%} of the bare loop"
        name = f"serving: requests per CPU second, {form} / {rival}"
        return Ratio.of(name, [mine / theirs for mine, theirs in pairs], target, note)


def report(measured: Measured, ratios: list[Ratio]) -> None:
    """Prints a table, and writes ``reports/benchmarks/serving.json``."""
    print(f"{'':30}{'requests / CPU s':>24}{'of the bare loop':>18}{'p50 ms':>10}{'p99 ms':>10}")
    for name, done in measured.rounds.items():
        speeds = measured.speeds(name)
        spread = f"{median(speeds):.0f} ({min(speeds):.0f} to {max(speeds):.0f})"
        p50, p99 = median(one.p50 for one in done), median(one.p99 for one in done)
        print(f"{name:30}{spread:>24}{median(measured.shares(name)):>18.1%}{p50:>10.1f}{p99:>10.1f}")
    for size, found in measured.loops.items():
        print(f"the bare loop, {size} at a time: {median(found):.0f} samples / CPU s")
    write_json(
        REPORT,
        {
            "ratios": [asdict(ratio) | {"kept": ratio.kept} for ratio in ratios],
            "rounds": {name: [asdict(one) for one in done] for name, done in measured.rounds.items()},
            "shares of the bare loop": {name: measured.shares(name) for name in measured.rounds},
            "loops": measured.loops,
            "unlogged": measured.unlogged,
        },
    )
