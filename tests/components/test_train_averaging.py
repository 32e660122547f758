"""EMA against its recurrence, SWA against the mean, and that what is evaluated and exported is the average."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from safetensors.torch import load_file
from torch import Tensor, nn

from components.contracts import PREPARED, TRAINED, LabelledArrays, Preprocessing, TrainedModel
from components.nets import build_network, build_preprocess
from components.params import load_params
from components.params.sections import EmaParams, NoAveraging, SwaParams
from components.settings import Settings
from components.train.averaging import build_average, estimate_statistics, swa_starts, update_ema, update_swa
from components.train.run import run
from tests.components.nets_samples import IMAGES, NETWORKS, network
from tests.components.trainings import make_workspace, train_here


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def random_walk(steps: int) -> list[nn.Module]:
    network, seen = normed(), []
    for step in range(steps):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(torch.randn(()) if value.is_floating_point() else 1)
        seen.append(copy.deepcopy(network))
        assert step >= 0
    return seen


def test_ema_follows_its_recurrence() -> None:
    walk = random_walk(30)
    average = copy.deepcopy(walk[0])
    expected = {name: value.clone() for name, value in average.state_dict().items()}
    for step, weights in enumerate(walk):
        update_ema(average, weights, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in weights.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * value
            expected[name] = mixed if value.is_floating_point() else value
    for name, value in average.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


def test_swa_is_the_mean_of_what_it_has_seen() -> None:
    walk = random_walk(7)
    average = copy.deepcopy(normed())
    for seen, weights in enumerate(walk):
        update_swa(average, weights, seen)
    for name, value in average.named_parameters():
        mean = torch.stack([dict(weights.named_parameters())[name] for weights in walk]).mean(dim=0)
        torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("share", "epochs", "first"), [(0.75, 8, 6), (0.5, 5, 2), (0.99, 4, 3), (0.01, 10, 0)])
def test_swa_begins_after_its_share_of_the_epochs(share: float, epochs: int, first: int) -> None:
    assert swa_starts(SwaParams(name="swa", start_share=share), epochs) == first


def test_statistics_are_means_over_the_batches() -> None:
    network = normed()
    batches = [torch.randn(16, 3) + offset for offset in range(5)]
    estimate_statistics(network, batches)
    with torch.no_grad():
        outputs = [network[0](batch) for batch in batches]  # type: ignore[index]
    norm = network[1]  # type: ignore[index]
    torch.testing.assert_close(norm.running_mean, torch.stack([o.mean(0) for o in outputs]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([o.var(0) for o in outputs]).mean(0))
    assert norm.momentum == 0.1
    assert not network.training


def test_without_averaging_there_is_no_copy() -> None:
    net = network(NETWORKS["cnn"][0], IMAGES)
    assert build_average(NoAveraging(name="none"), net) is None
    copied = build_average(EmaParams(name="ema", decay=0.9), net)
    assert copied is not None
    assert not any(weight.requires_grad for weight in copied.parameters())


class Weights(Callback):
    """Notes the weights of the network after each epoch."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, Tensor]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs.append({name: value.clone() for name, value in pl_module.network.named_parameters()})


def test_swa_of_a_training_is_the_mean_of_its_late_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    averaging = {"name": "swa", "start_share": 0.5}
    monkeypatch.chdir(make_workspace(tmp_path / "work", epochs=4, averaging=averaging))
    seen = Weights()
    module, _ = train_here(tmp_path / "state", [seen])
    assert module.average is not None
    for name, value in module.average.named_parameters():
        late = torch.stack([seen.epochs[epoch][name] for epoch in (2, 3)])
        torch.testing.assert_close(value, late.mean(dim=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("averaging", [{"name": "ema", "decay": 0.9}, {"name": "swa", "start_share": 0.4}])
def test_what_is_exported_is_the_average_that_was_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, averaging: dict[str, object]
) -> None:
    monkeypatch.chdir(make_workspace(tmp_path / "work", averaging=averaging))
    run(load_params(), Settings(home=tmp_path / "home", threads=1))
    params, fitted = load_params(), Preprocessing.read(PREPARED / "preprocessing.json")
    net = build_network(params.train, fitted.inputs, 10)
    net.load_state_dict(load_file(TRAINED / "best.safetensors"))
    validation = LabelledArrays.load(PREPARED / "validation")
    with torch.no_grad():
        answers = net.eval()(build_preprocess(fitted.inputs)(torch.from_numpy(np.array(validation.inputs)))).argmax(
            dim=1
        )
    stated = TrainedModel.read(TRAINED / "trained.json").validation_score
    assert np.mean(answers.numpy() == validation.labels) == pytest.approx(stated)
