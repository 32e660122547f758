"""Distillation: a student learns from the answers of the trained network, and from how it sees samples alike.

Hinton et al. 2015, "Distilling the knowledge in a neural network" (arXiv:1503.02531); features after Tung & Mori 2019,
"Similarity-preserving knowledge distillation" (arXiv:1907.09682), which needs no layers of the same width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from components.contracts import ClassTarget, Preprocessing, Target
from components.nets import Network
from components.params import Params
from components.params.sections import DistillationParams
from components.train.learner import Learner
from components.train.mixing import Mixed


def answer_loss(student: Tensor, teacher: Tensor, target: Target, temperature: float) -> Tensor:
    """How far the student's outputs are from the teacher's.

    Of classes T² KL(softmax(teacher / T) ‖ softmax(student / T)), section 2 of Hinton et al.; of values the squared
    error, both means over the batch.

    Args:
        student: (batch, width) outputs.
        teacher: the same.
        target: what is predicted.
        temperature: T.
    """
    if not isinstance(target, ClassTarget):
        return functional.mse_loss(student, teacher)
    logs = [functional.log_softmax(outputs / temperature, dim=1) for outputs in (student, teacher)]
    return temperature**2 * functional.kl_div(logs[0], logs[1], reduction="batchmean", log_target=True)


def similarity_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of the similarities of all pairs of a batch, equation 4 of Tung & Mori.

    G is F Fᵀ with rows of length 1; the loss is ‖G_student - G_teacher‖² / batch².

    Args:
        student: (batch, features).
        teacher: (batch, features of its own).
    """
    with torch.autocast(student.device.type, enabled=False):  # products of a whole row leave the range of float16
        alike = [functional.normalize(each.float() @ each.float().T, dim=1) for each in (student, teacher)]
        return (alike[0] - alike[1]).square().mean()


class Distilled(Learner):
    """Trains a student by the answers of a teacher, which is given the same augmented batches.

    Attributes:
        teacher: in a list, so that it is no part of the module: neither trained nor kept in checkpoints.
    """

    def __init__(
        self,
        params: Params,
        fitted: Preprocessing,
        samples: int,
        batch_size: int,
        *,
        student: Network,
        teacher: Network,
        technique: DistillationParams,
    ) -> None:
        super().__init__(params, fitted, samples, batch_size, student)
        self.technique = technique
        self.teacher = [teacher.requires_grad_(False).eval()]

    def on_train_start(self) -> None:
        """The teacher where the student is."""
        super().on_train_start()
        self.teacher[0].to(self.device)

    def objective(self, batch: Mixed) -> Tensor:
        """The true labels' loss and the teacher's, by their shares, and the features' where they have a weight."""
        told, teacher = self.technique, self.teacher[0]
        with torch.no_grad():
            taught_features = teacher.body(batch.inputs)
            taught = teacher.head(taught_features).float()
        features = self.network.body(batch.inputs)
        outputs = self.network.head(features).float()
        loss = told.label_share * batch.loss(self.loss, outputs)
        loss = loss + (1 - told.label_share) * answer_loss(outputs, taught, self.target, told.temperature)
        if told.feature_weight:
            loss = loss + told.feature_weight * similarity_loss(features, taught_features)
        return loss
