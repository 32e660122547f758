"""A training of the compression: that of the section ``train``, shorter, from a network that is there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pytorch_lightning.callbacks import Callback

from components.contracts import Preprocessing
from components.nets import Network
from components.params import Params
from components.params.sections import PretrainedParams, TrainingTechnique
from components.train.history import History
from components.train.learner import Learner
from components.train.progress import progress_callback
from components.train.run import fit, quiet

Build = Callable[[Params, Preprocessing, int, int], Learner]


def training_params(params: Params, technique: TrainingTechnique) -> Params:
    """params.yaml with the length and the learning rate of a technique; ``train.network`` is what is trained.

    Its warmup and early stopping belong to the long training and are left out; nothing is frozen, because the head has
    learned already; and one device trains, because the stage goes on when the training has ended.
    """
    train = params.train
    optimizer = train.optimizer.model_copy(update={"learning_rate": technique.learning_rate})
    network = train.network
    if isinstance(network, PretrainedParams):
        network = network.model_copy(update={"frozen_epochs": 0})
    changed = {
        "epochs": technique.epochs,
        "optimizer": optimizer,
        "network": network,
        "warmup": None,
        "early_stopping": None,
        "devices": 1,
        "strategy": "auto",
    }
    return params.model_copy(update={"train": train.model_copy(update=changed)})


def train_network(
    params: Params,
    technique: TrainingTechnique,
    fitted: Preprocessing,
    state: Path,
    build: Build,
    callbacks: Sequence[Callback] = (),
) -> Network:
    """Trains to the last epoch, or goes on with a training that was killed.

    Args:
        params: the whole of params.yaml.
        technique: whose epochs and learning rate are taken.
        fitted: what was fitted on the training split.
        state: folder of the checkpoints.
        build: makes the module that trains.
        callbacks: what else listens.

    Returns:
        The network with the weights of the last epoch, or their mean where ``train.averaging`` asks for it, on the CPU.

    Raises:
        TrainingError: the training diverged.
    """
    quiet()
    history = History()
    shown = progress_callback(history, technique.epochs, fitted.target.score)
    learner = fit(training_params(params, technique), fitted, state, [history, shown, *callbacks], build)
    network = learner.evaluated.cpu().requires_grad_(True)
    network.eval()
    return network
