"""From the section ``train`` to a network."""

import torch
from torch import nn

from components.contracts import ImageInputs, Inputs, RowInputs, TextInputs
from components.errors import ParamsError
from components.nets.cnn import Cnn
from components.nets.efficientnet import EfficientNet
from components.nets.initialisation import Initialiser
from components.nets.mlp import Mlp, TextMlp
from components.nets.mobilenet_v2 import MobileNetV2
from components.nets.network import Body, Network
from components.nets.pretrained import PretrainedImages, PretrainedTexts
from components.nets.recurrent import Recurrent
from components.nets.resnet import Resnet
from components.nets.transformer import Transformer
from components.nets.vit import Vit
from components.params.sections import (
    CnnParams,
    EfficientNetLite0Params,
    GruParams,
    LstmParams,
    MlpParams,
    MobileNetV2Params,
    NetworkParams,
    PretrainedParams,
    ResnetParams,
    TextMlpParams,
    TrainParams,
    TransformerParams,
    VitParams,
)


def build_network(train: TrainParams, inputs: Inputs, outputs: int) -> Network:
    """Builds an untrained network; what is random in its weights follows from torch's global random state.

    Args:
        train: the section; of it the network and the initialisation.
        inputs: what the network is given, before :class:`components.nets.Preprocess`.
        outputs: number of classes, or 1 for a value.

    Raises:
        ParamsError: the network does not take such inputs.
        DataError: a checkpoint cannot be read.
    """
    start = Initialiser(train.initialisation)
    body = build_body(train.network, inputs, start)
    network = Network(body, start(nn.Linear(body.features, outputs)))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's overloads
    return network


def build_body(params: NetworkParams, inputs: Inputs, start: Initialiser) -> Body:  # noqa: PLR0911 # one a network
    """The body that a section ``train.network`` names."""
    match params, inputs:
        case TextMlpParams() as mlp, TextInputs() as texts:
            return TextMlp(mlp, texts, start)
        case MlpParams() as mlp, ImageInputs() | RowInputs() as flat:
            return Mlp(mlp, flat, start)
        case CnnParams() as cnn, ImageInputs() as images:
            return Cnn(cnn, images, start)
        case ResnetParams() as resnet, ImageInputs() as images:
            return Resnet(resnet, images, start)
        case MobileNetV2Params() as mobilenet, ImageInputs() as images:
            return MobileNetV2(mobilenet, images, start)
        case EfficientNetLite0Params() as efficientnet, ImageInputs() as images:
            return EfficientNet(efficientnet, images, start)
        case VitParams() as vit, ImageInputs() as images:
            return Vit(vit, images, start)
        case LstmParams() | GruParams() as recurrent, TextInputs() as texts:
            return Recurrent(recurrent, texts, start)
        case TransformerParams() as transformer, TextInputs() as texts:
            return Transformer(transformer, texts, start)
        case PretrainedParams() as pretrained, ImageInputs() as images:
            return PretrainedImages(pretrained, images)
        case PretrainedParams() as pretrained, TextInputs() as texts:
            return PretrainedTexts(pretrained, texts)
    raise ParamsError(f"train.network: {params.name} does not take {inputs.kind}. Name a network that does.")
