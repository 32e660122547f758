"""The whole stage on scikit-learn's digits, with small real graphs, in a folder of its own."""

import base64
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import save_file

from components.contracts import (
    CHAMPION,
    COMPRESSED,
    EVALUATED,
    INGESTED,
    INPUTS,
    PREPARED,
    REPORTS,
    SAMPLES,
    TRAINED,
    ChampionRef,
    ClassComparison,
    Epoch,
    Evaluated,
    Incomparable,
    Ingested,
    IngestedImages,
    LabelledArrays,
    TrainedModel,
    Variant,
)
from components.errors import PackageError
from components.evaluate.baselines.constants import majority
from components.evaluate.baselines.images import fit_on_pixels
from components.evaluate.classes.chapter import confusion_cells
from components.evaluate.figures import Standing, standings_plot
from components.evaluate.run import run
from components.evaluate.values.figures import agreement_plot, error_plot
from components.files import read_json, write_json
from components.inference import answers, open_graph, outputs
from components.package import GoldenBatch, ModelSignature, seal
from components.package.reference import DriftReference
from components.params import Params, load_params
from components.settings import Settings
from components.splits import draw_for_test
from components.tasks.summaries import summarise, summary_names
from tests.package_factory import DIGITS, SIDE, digits, fitted, make_graph, make_package
from tests.places import REPOSITORY
from tests.variants import make_compressed, make_variant

SPLITS = {"train": slice(0, 1000), "validation": slice(1000, 1300), "test": slice(1300, 1797)}
IMAGES = fitted().inputs
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "' onclick='alert(1)",
    "</td>",
    "$_$",
)


def part(split: str) -> LabelledArrays:
    samples, where = digits(), SPLITS[split]
    return LabelledArrays(samples.inputs[where], samples.labels[where], samples.ids[where])


def variant(name: str, refused: str | None = None) -> Variant:
    size = (COMPRESSED / f"{name}.onnx").stat().st_size
    return make_variant(name, size=size, milliseconds=0.1, refused=refused)


def prepare(labels: tuple[str, ...] = DIGITS, chosen: str = "int8") -> None:
    """What the stages before leave in the working directory; int8 is a slightly different model than fp32."""
    for split in SPLITS:
        part(split).save(PREPARED / split)
    fitted(labels).write(PREPARED / "preprocessing.json")
    make_graph(COMPRESSED / "fp32.onnx")
    make_graph(COMPRESSED / "int8.onnx", bias=0.5)
    variants = [variant("fp32"), variant("int8", None if chosen == "int8" else "it is slower")]
    make_compressed(variants, chosen, f"{chosen}: because of the test").write(COMPRESSED / "compressed.json")
    TrainedModel(
        run_id="run-42",
        epochs=2,
        best_epoch=1,
        validation_score=0.9,
        parameters=650,
        environment={"python": "3.11.2"},
        machine={"threads": "2"},
    ).write(TRAINED / "trained.json")
    save_file({"weight": np.zeros(3, np.float32)}, TRAINED / "best.safetensors")
    rows = [
        Epoch(epoch=k, train_loss=1 / k, validation_loss=1.1 / k, validation_score=0.9, learning_rate=0.1, seconds=2)
        for k in (1, 2)
    ]
    write_json(REPORTS / "train" / "history.json", [row.model_dump() for row in rows])
    (REPORTS / "augment").mkdir()
    Image.new("L", (64, 32), 128).save(REPORTS / "augment" / "contact_sheet.png")
    ChampionRef(version=None).write(CHAMPION / "champion.json")
    write_ingested(own_test_split=True, labels=labels)


def write_ingested(own_test_split: bool, labels: tuple[str, ...] = DIGITS) -> None:
    """The images and the table of samples, the splits among one another as they come."""
    INGESTED.mkdir(parents=True, exist_ok=True)
    samples = digits()
    np.save(INPUTS, samples.inputs)
    names = [labels[label] for label in samples.labels]
    split = np.array(["train"] * 1000 + ["validation"] * 300 + ["test"] * 497)
    pd.DataFrame({"id": samples.ids, "label": names, "split": split}).to_parquet(SAMPLES)
    Ingested(
        content=IngestedImages(height=SIDE, width=SIDE, channels=1),
        labels=labels,
        label_name="digit",
        summaries=("brightness", "contrast"),
        samples={split: len(part(split).labels) for split in SPLITS},
        quarantined={},
        own_test_split=own_test_split,
    ).write(INGESTED / "ingested.json")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(home=tmp_path / "home", threads=1)


def chosen_params(**evaluate: object) -> Params:
    params = load_params(REPOSITORY / "params.yaml")
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update=evaluate)})


def crown(settings: Settings, **package: object) -> None:
    make_package(CHAMPION / "package", settings, **package)
    ChampionRef(version=3).write(CHAMPION / "champion.json")


class Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "

    def addresses(self) -> list[str]:
        names = ("src", "href", "srcset", "action", "data", "poster")
        return [value or "" for _, attributes in self.tags for name, value in attributes.items() if name in names]


def report() -> Page:
    return Page(REPORTS / "evaluate" / "report.html")


def evaluated() -> Evaluated:
    return Evaluated.read(EVALUATED / "evaluated.json")


def test_chosen_fp32_and_baseline_are_measured_on_the_test_split(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare()
    run(chosen_params(), settings)
    found, test = evaluated(), part("test")
    for name, metrics in (("int8", found.chosen), ("fp32", found.variants["fp32"])):
        given = answers(open_graph(COMPRESSED / f"{name}.onnx"), test.inputs).argmax(axis=1)
        assert metrics.accuracy == (given == test.labels).mean()
        assert metrics.samples == len(test.labels)
    assert found.chosen != found.variants["fp32"]
    assert [row.label for row in found.chosen.classes] == list(DIGITS)
    assert found.baseline.name == "nearest_centroid"
    assert found.baseline.interval[0] < found.baseline.score > 0.8
    assert found.champion is None
    assert read_json(REPORTS / "evaluate" / "metrics.json")["accuracy"] == found.chosen.accuracy
    assert f"Test accuracy {found.chosen.accuracy:.2%}" in capsys.readouterr().out


def test_golden_batch_holds_every_class_and_the_answers_of_the_chosen_graph(settings: Settings) -> None:
    prepare()
    run(chosen_params(golden_samples=32), settings)
    golden = GoldenBatch.load(EVALUATED / "golden.safetensors")
    assert golden.inputs.shape == (32, SIDE, SIDE, 1)
    own = answers(open_graph(COMPRESSED / "int8.onnx"), golden.inputs)
    other = answers(open_graph(COMPRESSED / "fp32.onnx"), golden.inputs)
    assert np.abs(own - golden.answers).max() < 1e-6
    assert np.abs(other - golden.answers).max() > 1e-3
    validation = {
        image.tobytes(): label
        for image, label in zip(part("validation").inputs, part("validation").labels, strict=True)
    }
    labels = [validation[image.tobytes()] for image in golden.inputs]
    assert set(np.bincount(labels, minlength=10)) == {3, 4}


def test_drift_reference_describes_the_validation_split(settings: Settings) -> None:
    prepare()
    run(chosen_params(), settings)
    reference = DriftReference.load(EVALUATED / "reference.safetensors")
    inputs = part("validation").inputs
    given, features = outputs(open_graph(COMPRESSED / "int8.onnx"), ["probabilities", "features"], inputs)
    rows = np.lexsort(summarise(IMAGES, inputs).T)
    kept = np.lexsort(reference.summaries.T)
    assert reference.summaries.shape == (len(inputs), len(summary_names(IMAGES)))
    assert np.array_equal(reference.summaries[kept], summarise(IMAGES, inputs)[rows])
    assert np.array_equal(reference.answers[kept], given.max(axis=1)[rows])
    assert np.array_equal(reference.classes[kept], given.argmax(axis=1)[rows]), "a row is one sample"
    assert reference.feature_mean == pytest.approx(features.mean(axis=0), abs=1e-5)
    components = reference.feature_components
    assert components @ components.T == pytest.approx(np.eye(16), abs=1e-5)
    scores = (features - reference.feature_mean) @ components.T
    assert reference.features[kept] == pytest.approx(scores[rows], abs=1e-4)
    assert reference.feature_deviations == pytest.approx(scores.std(axis=0, ddof=1), rel=1e-4)


def test_the_same_inputs_give_the_same_bytes(settings: Settings) -> None:
    prepare()
    files = [*(EVALUATED / name for name in ("evaluated.json", "golden.safetensors", "reference.safetensors"))]
    files += [REPORTS / "evaluate" / name for name in ("report.html", "metrics.json")]
    run(chosen_params(), settings)
    first = [file.read_bytes() for file in files]
    run(chosen_params(), settings)
    assert [file.read_bytes() for file in files] == first


def test_champion_is_asked_about_the_same_samples(settings: Settings) -> None:
    prepare()
    crown(settings, bias=3.0)
    run(chosen_params(), settings)
    found, test = evaluated(), part("test")
    champion = answers(open_graph(CHAMPION / "package" / "model.onnx"), test.inputs).argmax(axis=1) == test.labels
    challenger = answers(open_graph(COMPRESSED / "int8.onnx"), test.inputs).argmax(axis=1) == test.labels
    assert isinstance(found.champion, ClassComparison)
    assert found.champion.version == 3
    assert found.champion.score == champion.mean()
    assert found.champion.only_challenger_right == (challenger & ~champion).sum() > 0
    assert found.champion.only_champion_right == (champion & ~challenger).sum()
    fours = test.labels == 4
    assert found.champion.recall_gains[4] == pytest.approx(challenger[fours].mean() - champion[fours].mean())
    assert (found.champion.samples, found.champion.challenger_score) == (497, found.chosen.accuracy)
    assert 0 <= found.champion.p_value < 0.05
    text = report().text
    assert "against the champion, version 3" in text
    assert f"{found.champion.only_challenger_right} images only this model gets right" in text
    assert "Recall gained" in text
    assert "Compared on" not in text


@pytest.mark.parametrize("own_test_split", [True, False])
def test_champion_is_not_asked_about_samples_that_it_was_trained_on(
    settings: Settings, capsys: pytest.CaptureFixture[str], own_test_split: bool
) -> None:
    prepare()
    write_ingested(own_test_split)
    share = 0.01  # few enough that some class has no sample
    crown(settings, bias=3.0, test_share=share)
    run(chosen_params(), settings)
    found, test = evaluated(), part("test")
    kept = np.array([draw_for_test(sample) < share for sample in test.ids])
    inputs, labels = test.inputs[kept], test.labels[kept]
    champion = answers(open_graph(CHAMPION / "package" / "model.onnx"), inputs).argmax(axis=1) == labels
    challenger = answers(open_graph(COMPRESSED / "int8.onnx"), inputs).argmax(axis=1) == labels
    assert isinstance(found.champion, ClassComparison)
    assert 0 < found.champion.samples == kept.sum() < 10
    assert found.champion.score == champion.mean()
    assert found.champion.challenger_score == challenger.mean()
    assert found.champion.only_challenger_right == (challenger & ~champion).sum()
    absent = sorted(set(range(10)) - set(labels.tolist()))
    assert [index for index, gain in enumerate(found.champion.recall_gains) if gain is None] == absent
    assert f"Compared on the {kept.sum()} of 497 test images that the champion was not trained on" in report().text
    assert f"of {kept.sum()} samples that it never saw" in capsys.readouterr().out


def test_champion_whose_test_split_is_unknown_is_not_compared(settings: Settings) -> None:
    prepare()
    write_ingested(own_test_split=False)
    crown(settings, test_share=None)
    run(chosen_params(), settings)
    found = evaluated().champion
    assert isinstance(found, Incomparable)
    assert "nobody can tell which of these samples it was trained on" in found.reason


def test_champion_that_was_trained_on_all_samples_is_not_compared(settings: Settings) -> None:
    prepare()
    crown(settings, test_share=1e-9)
    run(chosen_params(), settings)
    found = evaluated().champion
    assert isinstance(found, Incomparable)
    assert found.reason == "There is no test sample that both were kept from."


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((*DIGITS[:9], "<ten>"), "only it knows nine, only the challenger knows <ten>"),
        (DIGITS[::-1], "the same labels in another order"),
    ],
)
def test_champion_with_other_labels_is_not_compared_but_explained(
    settings: Settings, labels: tuple[str, ...], reason: str
) -> None:
    prepare(labels=labels)
    crown(settings)
    run(chosen_params(), settings)
    found = evaluated().champion
    assert isinstance(found, Incomparable)
    assert reason in found.reason
    assert "Not compared" in report().text
    assert reason in report().text


def test_champion_of_another_size_is_not_compared_but_explained(settings: Settings) -> None:
    prepare()
    crown(settings)
    package = CHAMPION / "package"
    signature = ModelSignature.read(package / "signature.json")
    larger = signature.inputs.model_copy(update={"height": 16, "channels": 3})
    signature.model_copy(update={"inputs": larger}).write(package / "signature.json")
    seal(package, settings.private_key, settings.public_keys)
    run(chosen_params(), settings)
    found = evaluated().champion
    assert isinstance(found, Incomparable)
    assert found.reason == "It takes images of 16 × 8 × 3; the samples are 8 × 8 × 1."


def test_damaged_champion_stops_the_stage(settings: Settings) -> None:
    prepare()
    crown(settings)
    with (CHAMPION / "package" / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(PackageError, match=r"model\.onnx is damaged"):
        run(chosen_params(), settings)
    assert not EVALUATED.exists()


def test_report_loads_nothing_and_runs_no_script(settings: Settings) -> None:
    prepare()
    crown(settings, bias=3.0)
    run(chosen_params(), settings)
    page = report()
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses())
    content = (REPORTS / "evaluate" / "report.html").read_text(encoding="utf-8")
    assert not any(outside in content for outside in ("http://", "https://", "@import", "url(", "<script", "<link"))
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    anchors = {address[1:] for address in page.addresses() if address.startswith("#")}
    assert anchors <= {attributes.get("id") for _, attributes in page.tags}


def test_hostile_class_names_stay_text(settings: Settings) -> None:
    prepare(labels=(*HOSTILE, *DIGITS[len(HOSTILE) :]))
    run(chosen_params(worst_mistakes=100), settings)
    page = report()
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses())
    for label in HOSTILE:
        assert label in page.text


def test_hostile_names_in_figures_stay_text() -> None:
    name, values = r"$_$ & <b> \frac", np.linspace(0, 1, 50)
    standing = Standing(name, 0.9, (0.8, 1.0), ours=True)
    drawn = [
        agreement_plot(name, values, values),
        error_plot(name, values, values),
        standings_plot(fitted().target, (standing,)),
    ]
    for figure in drawn:
        for uri in (figure.light, figure.dark):
            svg = base64.b64decode(uri.partition(",")[2]).decode()
            assert r"$_$ &amp; &lt;b&gt; \frac" in svg


def test_report_tells_what_was_found(settings: Settings) -> None:
    prepare(chosen="fp32")
    run(chosen_params(worst_mistakes=5), settings)
    page, found = report(), evaluated()
    assert f"{found.chosen.accuracy * 100:.2f} % of 497 test images classified right" in page.text
    for text in ("Refused: it is slower.", "run-42", "No champion", "650 parameters", "zero", "1,000"):
        assert text in page.text
    assert sum("gain" in (attributes.get("class") or "") for _, attributes in page.tags) == 6  # five mistakes, a legend
    pictures = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 2 * 6 + 5 + 1  # figures for light and dark pages, mistakes, the contact sheet


def test_confusion_cells_show_the_chosen_classes() -> None:
    confusion = ((8, 1, 1), (0, 10, 0), (9, 0, 27))
    (right, wrong), (other, _) = confusion_cells(confusion, [0, 2])
    assert (right.count, right.share, right.strength, right.right) == (8, 0.8, 0.8, True)
    assert (wrong.count, wrong.share, wrong.right) == (1, 0.1, False)
    assert (other.count, other.share, other.strength) == (9, 0.25, 0.5)


@pytest.mark.parametrize(
    ("name", "low", "high", "words"),
    [
        ("majority", 0.05, 0.15, "most frequent class"),
        ("nearest_centroid", 0.8, 0.95, "fitted on 1,000 of 1,000 training samples"),
        ("logistic_regression", 0.88, 1.0, "at most 100 iterations"),
    ],
)
def test_baselines(name: Any, low: float, high: float, words: str) -> None:
    train, test = part("train"), part("test")
    baseline = majority(train, test) if name == "majority" else fit_on_pixels(name, train, test)
    assert low < (baseline.predicted == part("test").labels).mean() < high
    assert words in baseline.description


def test_baseline_thins_large_images_and_says_so() -> None:
    train, test = (
        LabelledArrays(np.kron(samples.inputs, np.ones((9, 9, 1), np.uint8)), samples.labels, samples.ids)
        for samples in (part("train"), part("test"))
    )
    baseline = fit_on_pixels("nearest_centroid", train, test)
    assert "images thinned 3-fold" in baseline.description
    assert (baseline.predicted == test.labels).mean() > 0.8
