"""The techniques that train, on the digits."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from components.compress import magnitude_pruning
from components.compress.distillation import Distilled, answer_loss, similarity_loss
from components.compress.magnitude_pruning import prunable, prune_magnitudes, sparsity_at
from components.compress.making import Shelf, keys_of
from components.compress.students import scaled, shrunk
from components.compress.techniques import Techniques
from components.compress.training import train_network, training_params
from components.contracts import PREPARED, ClassTarget, LabelledArrays, Preprocessing, ValueTarget
from components.errors import CompressionError, ParamsError
from components.nets import Network, build_network, build_preprocess, count_parameters
from components.params import Params, load_params
from components.params.reading import CHECKED
from components.params.sections import DistillationParams, MagnitudePruningParams, PretrainedParams, TrainingTechnique
from tests.places import REPOSITORY
from tests.trained_digits import training, with_variants, write_trained

CLASSES = ClassTarget(labels=("a", "b"), counts=(1, 1))
VALUES = ValueTarget(name="price", mean=0.0, std=1.0, low=-1.0, high=1.0)
STUDENT = {"name": "mlp", "dense": [24], "activation": "relu", "dropout": 0.0}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return write_trained(tmp_path)


def fitted() -> Preprocessing:
    return Preprocessing.read(PREPARED / "preprocessing.json")


def score(network: Network) -> float:
    """Accuracy on validation samples."""
    validation = LabelledArrays.load(PREPARED / "validation")
    given = network.eval()(build_preprocess(fitted().inputs)(torch.from_numpy(validation.inputs[:])))
    return float((given.argmax(dim=1).numpy() == validation.labels).mean())


def teacher(params: Params) -> tuple[Techniques, Network]:
    """The trained network, exported and kept."""
    shelf = Shelf(Path("kept"), keys_of(params))
    techniques = Techniques(params, fitted(), shelf, LabelledArrays.load(PREPARED / "validation"))
    shelf.keep("fp32", techniques.make_fp32)
    return techniques, techniques.network("fp32")[0]


class Watching(Callback):
    """Takes down what share of the weights is zero after each step."""

    def __init__(self) -> None:
        self.sparsities: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *arguments: object) -> None:
        weights = torch.cat([weight.flatten() for weight in prunable(pl_module.network).values()])  # type: ignore[arg-type]
        self.sparsities.append(float((weights == 0).float().mean()))


AVERAGING = ({"name": "none"}, {"name": "ema", "decay": 0.9}, {"name": "swa", "start_share": 0.4})


@pytest.mark.parametrize("averaging", AVERAGING, ids=["plain", "ema", "swa"])
def test_while_it_trains_the_zeros_follow_the_schedule(
    params: Params, averaging: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = params.model_dump(mode="json", by_alias=True)
    tree["train"] |= {"averaging": averaging}
    params = CHECKED.validate_python(tree)
    every = 4
    technique = MagnitudePruningParams(
        of="fp32", name="magnitude_pruning", initial_sparsity=0.2, sparsity=0.8, ramp_share=0.6, every_steps=every,
        epochs=2, learning_rate=0.003,
    )  # fmt: skip
    watching = Watching()
    monkeypatch.setattr(
        magnitude_pruning,
        "train_network",
        lambda *given: train_network(*given[:-1], [*given[-1], watching]),
    )
    trained = prune_magnitudes(teacher(params)[1], technique, params, fitted(), Path("state"))
    steps = len(watching.sparsities)
    for step, found in enumerate(watching.sparsities, 1):
        chosen = step if step in (1, steps) else step - step % every or 1
        assert found == pytest.approx(sparsity_at(chosen, int(0.6 * steps), technique), abs=0.002), step
    weights = torch.cat([weight.flatten() for weight in prunable(trained).values()])
    assert float((weights == 0).float().mean()) == pytest.approx(0.8, abs=0.001)
    assert score(trained) > 0.5


def test_a_training_of_the_compression_is_shorter_and_on_one_device(params: Params) -> None:
    tree = params.model_dump(mode="json", by_alias=True)
    tree["train"] |= {"devices": 4, "strategy": "ddp", "warmup": {"epochs": 1.0, "shape": "linear"}, "epochs": 30}
    whole = CHECKED.validate_python(tree)
    given = training_params(whole, TrainingTechnique(of="fp32", epochs=2, learning_rate=0.007)).train
    assert (given.epochs, given.devices, given.strategy, given.warmup) == (2, 1, "auto", None)
    assert given.optimizer.learning_rate == 0.007
    assert given.batch_size == whole.train.batch_size


def test_the_loss_of_answers_is_that_of_the_paper() -> None:
    student, taught = torch.tensor([[1.0, -1.0], [0.5, 2.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    soft = [torch.softmax(outputs / 3, dim=1) for outputs in (student, taught)]
    expected = 9 * (soft[1] * (soft[1] / soft[0]).log()).sum(dim=1).mean()
    torch.testing.assert_close(answer_loss(student, taught, CLASSES, 3.0), expected)
    assert float(answer_loss(taught, taught, CLASSES, 3.0)) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(answer_loss(student, taught, VALUES, 3.0), (student - taught).square().mean())


def test_features_are_alike_whatever_their_width() -> None:
    torch.manual_seed(0)
    features = torch.randn(6, 4)
    turned = features @ torch.linalg.qr(torch.randn(4, 4))[0]
    assert float(similarity_loss(torch.cat([turned, torch.zeros(6, 3)], dim=1), features)) == pytest.approx(0, abs=1e-6)
    gram = [each @ each.T for each in (features[:, :2], features)]
    rows = [each / each.norm(dim=1, keepdim=True) for each in gram]
    expected = (rows[0] - rows[1]).square().sum() / 36
    torch.testing.assert_close(similarity_loss(features[:, :2], features), expected)


def test_a_student_may_be_any_network_of_the_task(params: Params) -> None:
    told = training("distillation", student={"kind": "network", "network": STUDENT}, temperature=4.0, label_share=0.5,
                    feature_weight=1.0, epochs=2)  # fmt: skip
    params = with_variants(params, {"student": told})
    techniques, _ = teacher(params)
    techniques.shelf.keep("student", partial(techniques.make, "student"))
    network, of_its_own = techniques.network("student")
    assert of_its_own.train.network.name == "mlp"
    assert score(network) > 0.5


def test_a_student_learns_more_from_a_teacher_than_from_few_labels(params: Params) -> None:
    """All labels but the teacher's answers are wrong in the same way: what is right can only come from the teacher."""
    labels = Path(PREPARED) / "train" / "labels.npy"
    np.save(labels, (np.load(labels) + 1) % 10)
    scores = []
    for share in (0.0, 1.0):
        technique = DistillationParams.model_validate(
            training("distillation", student={"kind": "same"}, temperature=2.0, label_share=share, feature_weight=0.0,
                     epochs=3)
        )  # fmt: skip
        torch.manual_seed(0)
        student = build_network(params.train, fitted().inputs, 10)
        build = partial(Distilled, student=student, teacher=teacher(params)[1], technique=technique)
        scores.append(score(train_network(params, technique, fitted(), Path(f"state{share}"), build)))
    assert scores[0] > 0.8
    assert scores[1] < 0.1


def test_a_shrunk_network_is_the_widest_with_so_many_times_fewer_weights(params: Params) -> None:
    whole = count_parameters(build_network(params.train, fitted().inputs, 10))
    narrow = shrunk(params, fitted(), 5.0)
    train = params.train.model_copy(update={"network": narrow})
    weights = count_parameters(build_network(train, fitted().inputs, 10))
    assert whole / 12 < weights <= whole / 5


def test_widths_stay_multiples_of_the_heads() -> None:
    vit = load_params(REPOSITORY / "presets" / "vit-fashion-mnist.yaml").train.network
    narrow = scaled(vit, 0.4)
    assert narrow.width % vit.heads == 0  # type: ignore[union-attr]
    assert narrow.width < vit.width  # type: ignore[union-attr]
    assert narrow.depth == vit.depth  # type: ignore[union-attr]


def faults(preset: str, variants: dict[str, dict[str, object]]) -> str:
    with pytest.raises((ParamsError, ValueError)) as caught:
        with_variants(load_params(REPOSITORY / "presets" / preset), variants)
    return str(caught.value)


@pytest.mark.parametrize(
    ("preset", "variants", "words"),
    [
        (
            "lstm-imdb.yaml",
            {"thin": training("channel_pruning", share=0.4, rounds=1, multiple_of=8)},
            "the state of a recurrent network (lstm) has no channels",
        ),
        (
            "minilm-sms-spam.yaml",
            {"small": training("distillation", student={"kind": "shrunk", "factor": 4.0}, temperature=4.0,
                               label_share=0.1, feature_weight=0.0)},
            "pretrained has one size",
        ),
        (
            "resnet-fashion-mnist.yaml",
            {"small": training("distillation", student={"kind": "network", "network": {"name": "resnet"}},
                               temperature=4.0, label_share=0.1, feature_weight=0.0)},
            "compress.variants.small.student.network.resnet.widths: Field required, as in train.network",
        ),
        (
            "resnet-fashion-mnist.yaml",
            {"small": training("distillation", student={"kind": "network", "network": {
                "name": "vit", "patch": 5, "width": 16, "depth": 1, "heads": 2, "dropout": 0.0}},
                temperature=4.0, label_share=0.1, feature_weight=0.0)},
            "compress.variants.small.student.network.patch: 5 does not divide an image of 28 × 28 pixels",
        ),
        (
            "resnet-fashion-mnist.yaml",
            {"small": training("distillation", student={"kind": "network", "network": {
                "name": "pretrained", "checkpoint": "data/fetched/other", "frozen_epochs": 0, "backbone_rate": 0.1,
                "input_side": None, "dropout": 0.0}},
                temperature=4.0, label_share=0.1, feature_weight=0.0)},
            "compress.variants.small.student.network.checkpoint: data/fetched/other is not what fetch.weights",
        ),
        (
            "digits.yaml",
            {"int8": {"of": "thin", "name": "dynamic_int8"}},
            "variants.int8 starts from 'thin', which is not named before it. Known there: fp32",
        ),
        (
            "digits.yaml",
            {"int8": {"of": "fp32", "name": "dynamic_int8"}, "half": {"of": "int8", "name": "dynamic_int8"}},
            "variants.half starts from int8, which is a graph in fewer bits",
        ),
        (
            "digits.yaml",
            {"fp32": {"of": "fp32", "name": "dynamic_int8"}},
            "fp32 is the trained network itself",
        ),
        (
            "digits.yaml",
            {"sparse": training("magnitude_pruning", initial_sparsity=0.9, sparsity=0.5, ramp_share=0.5,
                                every_steps=1)},
            "initial_sparsity 0.9 is above sparsity 0.5",
        ),
    ],
)  # fmt: skip
def test_what_a_technique_cannot_do_is_said_before_any_work(
    preset: str, variants: dict[str, dict[str, object]], words: str
) -> None:
    assert words in faults(preset, variants)


def test_a_variant_whose_training_diverges_is_left_out_and_says_what_to_lower(params: Params) -> None:
    params = with_variants(params, {"wild": training("low_rank", energy=0.7, learning_rate=10.0, epochs=3)})
    tree = params.model_dump(mode="json", by_alias=True)
    tree["train"] |= {
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
    }
    params = CHECKED.validate_python(tree)
    techniques, _ = teacher(params)
    with pytest.raises(CompressionError, match=r"diverged: .*\. Lower compress\.variants\.wild\.learning_rate"):
        techniques.shelf.keep("wild", partial(techniques.make, "wild"))
    assert not techniques.shelf.state("wild").exists()


def test_a_narrow_student_learns_from_a_pretrained_teacher(params: Params, tmp_path: Path) -> None:
    """The student has no backbone that could be frozen, whatever train.network is."""
    technique = DistillationParams.model_validate(
        training("distillation", student={"kind": "network", "network": STUDENT}, temperature=2.0, label_share=0.5,
                 feature_weight=1.0)
    )  # fmt: skip
    pretrained = PretrainedParams(
        name="pretrained", checkpoint="none/none", frozen_epochs=1, backbone_rate=0.1, input_side=None, dropout=0.0
    )
    of_the_teacher = params.model_copy(update={"train": params.train.model_copy(update={"network": pretrained})})
    told = of_the_teacher.model_copy(
        update={"compress": params.compress.model_copy(update={"variants": {"small": technique}})}
    )
    shelf = Shelf(Path("kept"), {"fp32": "a", "small": "b"})
    techniques = Techniques(told, fitted(), shelf, LabelledArrays.load(PREPARED / "validation"))
    student, of_its_own = techniques.student("small", technique, teacher(params)[1], of_the_teacher)
    build = partial(Distilled, student=student, teacher=teacher(params)[1], technique=technique)
    assert score(train_network(of_its_own, technique, fitted(), Path("state"), build)) > 0.3
