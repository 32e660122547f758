"""Numbers and facts of the report as a person reads them."""

from components.contracts import ImageInputs, RowInputs, Target, TextInputs
from components.contracts import Inputs as ModelInputs
from components.evaluate.findings import Findings, Inputs
from components.page.numbers import NBSP
from components.params import Params, Section
from components.tasks.score import shown_difference, shown_score


def points(difference: float) -> str:
    """A difference of two shares in percentage points, with its sign: 0.0062 → ``+0.62 points``."""
    sign = "−" if difference < 0 else "+"
    return f"{sign}{abs(difference) * 100:.2f}{NBSP}points"


def score(target: Target, value: float) -> str:
    """``91.43 %`` of an accuracy, ``0.9812`` of an R²."""
    return shown_score(target, value).replace("%", f"{NBSP}%")


def difference(target: Target, value: float) -> str:
    """A difference of two scores, with its sign: ``+0.62 points`` of an accuracy, ``+0.0062`` of an R²."""
    return shown_difference(target, value).replace("-", "−").replace(" ", NBSP)


def quantity(value: float) -> str:
    """A value of the target, to four significant digits: 3932.8 → ``3,933``."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def count(number: int) -> str:
    """10000 → ``10,000``."""
    return f"{number:,}"


def size(octets: int) -> str:
    """A size in decimal units: 345678 → ``346 kB``."""
    return f"{octets / 1e6:.1f}{NBSP}MB" if octets >= 1e6 else f"{octets / 1e3:.0f}{NBSP}kB"


def milliseconds(time: float) -> str:
    """Three significant digits: 0.1074 → ``0.107``."""
    return f"{time:.0f}" if time >= 100 else f"{time:.3g}"


def p_value(p: float) -> str:
    """0.0113 → ``p = 0.011``; very small ones as a bound."""
    return f"p{NBSP}<{NBSP}0.001" if p < 0.001 else f"p{NBSP}={NBSP}{p:.3f}"


def facts(params: Params, inputs: Inputs, findings: Findings) -> list[tuple[str, str]]:
    """Where the model comes from: name and value of each fact."""
    train, trained, fitted = params.train, inputs.trained, inputs.fitted
    seconds = sum(epoch.seconds for epoch in inputs.history)
    best = score(fitted.target, trained.validation_score)
    return [
        ("Model", params.name),
        ("Task", params.task.replace("_", " ")),
        ("Input", _input(fitted.inputs)),
        ("Network", f"{_arguments(train.network)}: {trained.parameters:,} parameters"),
        ("Initialisation", _arguments(train.initialisation)),
        ("Loss", _arguments(train.loss)),
        ("Regularisation", _arguments(train.regularisation)),
        ("Optimizer", _arguments(train.optimizer)),
        ("Schedule", _arguments(train.schedule)),
        ("Warmup", _arguments(train.warmup) if train.warmup else "none"),
        ("Averaging", _arguments(train.averaging)),
        ("Training", f"{trained.epochs} epochs in {seconds:.0f} s, batches of {train.batch_size}, {train.precision}"),
        ("Best epoch", f"{trained.best_epoch}, validation {fitted.target.score} {best}"),
        ("Seed", str(params.seed)),
        ("Training run", trained.run_id),
        *((f"sha256, {name}", digest) for name, digest in findings.digests.items()),
    ]


def _input(inputs: ModelInputs) -> str:
    match inputs:
        case ImageInputs(height=height, width=width, channels=channels):
            return f"images, {height} × {width} × {channels}, uint8"
        case TextInputs(vocabulary=vocabulary, length=length):
            return f"texts, the first {length} tokens of a vocabulary of {vocabulary:,}"
        case RowInputs(columns=columns):
            return f"rows: {', '.join(column.name for column in columns)}"


def _arguments(section: Section) -> str:
    """A section on one line: ``cnn (filters 32, 64, 64; dense 64)``."""
    values = section.model_dump(mode="json")
    name = values.pop("name", "")
    shown = "; ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in values.items())
    return f"{name} ({shown})" if name and shown else name or shown


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
