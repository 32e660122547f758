import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from components.nets.recurrent import last_states
from components.nets.tokens import masked_max, masked_mean
from components.params.sections import GruParams, LstmParams, NetworkParams, TextMlpParams, TransformerParams
from components.tasks.texts.tokens import PADDING
from tests.components.nets_samples import ATTENTION, RECURRENT, TEXTS, network, raw_samples

POOLED = {
    f"{cell} {pooling} {'both ways' if both else 'onwards'}": params(
        name=cell, pooling=pooling, **{**RECURRENT, "bidirectional": both}
    )
    for cell, params in (("lstm", LstmParams), ("gru", GruParams))
    for pooling in ("last", "mean", "max")
    for both in (False, True)
}
NETWORKS: dict[str, NetworkParams] = {
    "mlp": TextMlpParams(name="mlp", dense=(16,), activation="relu", dropout=0.1, embedding=16),
    "transformer": TransformerParams(name="transformer", **{**ATTENTION, "depth": 2}),
    **POOLED,
}


@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("padding", [PADDING, 7])
def test_padding_changes_no_answer(params: NetworkParams, padding: int) -> None:
    inputs = TEXTS.model_copy(update={"padding": padding})
    net = network(params, inputs).eval()
    ids = raw_samples(inputs, 11).long()
    answers = net(ids)
    for length in range(1, 11):
        torch.testing.assert_close(net(ids[length : length + 1, :length])[0], answers[length])
    assert len({tuple(answer.tolist()) for answer in answers}) == 11, "different texts, different answers"


@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS)
def test_a_text_of_nothing_but_padding_has_a_finite_answer_and_gradient(params: NetworkParams) -> None:
    net = network(params, TEXTS).train()
    ids = torch.full((2, TEXTS.length), PADDING)
    answers = net(ids)
    answers.sum().backward()
    assert answers.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
    assert not net.body.embedding.weight.grad[PADDING].any(), "the padding learns nothing"


@pytest.mark.parametrize("params", POOLED.values(), ids=POOLED)
def test_states_are_those_of_torchs_packed_sequences(params: LstmParams | GruParams) -> None:
    body = network(params, TEXTS).eval().body
    torch_own = {"lstm": nn.LSTM, "gru": nn.GRU}[params.name](
        params.embedding, params.hidden, params.layers, batch_first=True, bidirectional=params.bidirectional
    )
    for number, layer in enumerate(body.layers):
        for suffix, cell in (("", layer.onwards), ("_reverse", layer.backwards)):
            for name, weight in cell.named_parameters() if cell is not None else ():
                torch_own.get_parameter(f"{name[:-1]}{number}{suffix}").data.copy_(weight)
    ids = raw_samples(TEXTS, 11).long()[1:]
    lengths = (ids != PADDING).sum(dim=1)
    packed = pack_padded_sequence(body.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
    states, last = torch_own(packed)
    states = pad_packed_sequence(states, batch_first=True, total_length=TEXTS.length)[0]
    final = last[0] if params.name == "lstm" else last
    directions = 2 if params.bidirectional else 1
    expected = {
        "last": torch.cat(list(final[-directions:]), dim=1),
        "mean": torch.stack([text[:length].mean(dim=0) for text, length in zip(states, lengths, strict=True)]),
        "max": torch.stack([text[:length].amax(dim=0) for text, length in zip(states, lengths, strict=True)]),
    }[params.pooling]
    torch.testing.assert_close(body(ids), expected)


def test_pooling_by_hand() -> None:
    states = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]]])
    real = torch.tensor([[True, True, False]])
    assert masked_mean(states, real).tolist() == [[2.0, -3.0]]
    assert masked_max(states, real).tolist() == [[3.0, -2.0]]
    assert last_states(states, real, hidden=1).tolist() == [[3.0, -4.0]]
    assert last_states(states, real, hidden=2).tolist() == [[3.0, -2.0]]
