"""Pretrained backbones of every kind that transformers has here, small, as they lie on a hub."""

from pathlib import Path

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DebertaConfig,
    DebertaModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from components.contracts import ImageInputs, Inputs
from components.nets import Network
from components.params.sections import PretrainedParams
from components.tasks.texts.tokens import bpe_inputs
from tests.components.nets_samples import network

IMAGES = ImageInputs(height=32, width=32, channels=3, mean=(0.5, 0.4, 0.6), std=(0.25, 0.2, 0.3))
TEXTS = bpe_inputs(120, 12)
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def models() -> dict[str, PreTrainedModel]:
    """Models for a task of their own, as they lie on a hub, with weights and statistics that no constructor gives."""
    torch.manual_seed(5)
    made = {
        "mobilenet_v2": MobileNetV2ForImageClassification(MobileNetV2Config(depth_multiplier=0.25, image_size=32)),
        "resnet": ResNetForImageClassification(
            ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
        ),
        "vit": ViTForImageClassification(ViTConfig(**TINY, image_size=32, patch_size=8)),
        "distilbert": DistilBertForSequenceClassification(
            DistilBertConfig(vocab_size=120, dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=16)
        ),
        "deberta": DebertaModel(
            DebertaConfig(
                **TINY, vocab_size=120, max_position_embeddings=16, relative_attention=True, pos_att_type="c2p"
            )
        ),
        "bert": BertForMaskedLM(BertConfig(**TINY, vocab_size=120, max_position_embeddings=16)),
    }
    for model in made.values():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
    return {name: model.eval() for name, model in made.items()}


def pretrained(checkpoint: Path | str, inputs: Inputs, input_side: int | None = None) -> Network:
    params = PretrainedParams(
        name="pretrained",
        checkpoint=str(checkpoint),
        frozen_epochs=1,
        backbone_rate=0.1,
        input_side=input_side,
        dropout=0.2,
    )
    return network(params, inputs)
