"""The caption networks: what is said word by word is what is said in one go; what is learnt, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from models.captions.bmt import captioner  # noqa: E402
from models.captions.config import CaptionerConfig, MdvcConfig, RecurrentConfig  # noqa: E402
from models.captions.fusion import Recurrent  # noqa: E402
from models.captions.layers import smoothed_loss  # noqa: E402
from models.captions.mdvc import Mdvc  # noqa: E402

SMALL = {
    "vocabulary": 40,
    "audio_features": 12,
    "video_features": 20,
    "audio_width": 12,
    "video_width": 20,
    "caption_width": 16,
    "word_width": 16,
    "inner_width": 24,
    "audio_hidden": 24,
    "video_hidden": 32,
    "caption_hidden": 24,
    "longest": 64,
}
MDVC = {
    "vocabulary": 40,
    "speech_vocabulary": 30,
    "audio_features": 12,
    "video_features": 20,
    "audio_width": 12,
    "video_width": 20,
    "speech_width": 16,
    "audio_hidden": 24,
    "video_hidden": 24,
    "speech_hidden": 24,
    "longest": 64,
}
CAPTIONERS = {
    "audio_video": CaptionerConfig(**SMALL),
    "audio": CaptionerConfig("audio", **SMALL),
    "video": CaptionerConfig("video", **SMALL),
    "embedded": CaptionerConfig(
        **{**SMALL, "audio_width": 8, "video_width": 24, "word_width": 10}, linear_embedder=True
    ),
    "mdvc": MdvcConfig(**MDVC),
    "mdvc two layers": MdvcConfig(**{**MDVC, "video_width": 24}, audio_layers=2, linear_embedder=True),
    "mdvc average": MdvcConfig(**MDVC, fusion="average"),
    "mdvc weighted": MdvcConfig(**MDVC, fusion="weighted", streams=("video", "speech")),
    "bi-gru": RecurrentConfig(MdvcConfig(**MDVC)),
    "bi-gru two layers": RecurrentConfig(MdvcConfig(**MDVC, streams=("audio", "video")), layers=2),
}


def of(name: str) -> Any:
    torch.manual_seed(5)
    config = CAPTIONERS[name]
    if isinstance(config, CaptionerConfig):
        return captioner(config).eval()
    return (Mdvc(config) if isinstance(config, MdvcConfig) else Recurrent(config)).eval()


def rows_of(network: Any, batch: int = 3) -> dict[str, Tensor]:
    """Streams of unlike lengths, as far as the network takes them, the last sentence's padded."""
    draw = torch.Generator().manual_seed(7)
    streams = {}
    row_by_row = isinstance(network.config, MdvcConfig)
    lengths = {"audio": 5 if row_by_row else 9, "video": 5, "speech": 7}
    for stream in network.config.streams:
        long = lengths[stream]
        if stream == "speech":
            streams[stream] = torch.randint(4, 30, (batch, long), generator=draw)
            streams[stream][-1, 4:] = network.config.pad
        else:
            streams[stream] = torch.randn(batch, long, network.config.features(stream), generator=draw)
            streams[stream][-1, 3:] = network.config.pad_value
    return streams


def word_by_word(network: Any, streams: dict[str, Tensor], captions: Tensor) -> Tensor:
    memory, past = network.encode(streams), network.empty_past(len(captions))
    said = []
    for position in range(captions.shape[1]):
        log_probs, past = network.step(captions[:, position], torch.tensor([position]), memory, past)
        said.append(log_probs)
    return torch.stack(said, dim=1)


CAPTIONS = torch.tensor([[2, 7, 9, 30, 3], [2, 12, 3, 1, 1], [2, 8, 1, 9, 30]])


@pytest.mark.parametrize("name", CAPTIONERS)
@torch.inference_mode()
def test_word_by_word_says_what_is_said_in_one_go(name: str) -> None:
    network = of(name)
    streams = rows_of(network)
    whole = network(streams, CAPTIONS)
    np.testing.assert_allclose(word_by_word(network, streams, CAPTIONS), whole, atol=2e-5)
    np.testing.assert_allclose(whole.exp().sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", CAPTIONERS)
@torch.inference_mode()
def test_padding_and_neighbours_change_no_sentence(name: str) -> None:
    network = of(name)
    streams = rows_of(network)
    alone = {stream: rows[-1:, :4] if rows.dim() == 2 else rows[-1:, :3] for stream, rows in streams.items()}
    np.testing.assert_allclose(network(alone, CAPTIONS[-1:]), network(streams, CAPTIONS)[-1:], atol=2e-5)


@pytest.mark.parametrize("name", CAPTIONERS)
@torch.inference_mode()
def test_every_stream_is_looked_at(name: str) -> None:
    network = of(name)
    streams = rows_of(network)
    before = network(streams, CAPTIONS)
    for stream, rows in streams.items():
        other = torch.full_like(rows, 5)
        assert (network({**streams, stream: other}, CAPTIONS) - before).abs().max() > 1e-3


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_learns_three_sentences_by_heart(name: str) -> None:
    network = of(name)
    streams = rows_of(network)
    wanted = torch.tensor([[2, 7, 9, 30, 3], [2, 12, 3, 1, 1], [2, 8, 14, 3, 1]])
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(120):
        loss = smoothed_loss(network(streams, wanted[:, :-1]), wanted[:, 1:], smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(weight.grad is not None for weight in network.parameters() if weight.requires_grad)
    with torch.inference_mode():
        said = network(streams, wanted[:, :-1]).argmax(-1)
    words = wanted[:, 1:] != 1
    assert (said[words] == wanted[:, 1:][words]).all()


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_config_comes_back_from_plain_data(name: str) -> None:
    config = CAPTIONERS[name]
    assert type(config).from_dict(config.to_dict()) == config


def test_smoothing_asks_for_what_the_authors_ask_for() -> None:
    """V = 5, smoothing 0.4: the right word gets 0.6, each other 0.4 / 3, padding nothing."""
    log_probs = torch.log_softmax(torch.randn(1, 2, 5, generator=torch.Generator().manual_seed(1)), dim=-1)
    share = 0.4 / 3
    wanted = torch.tensor([share, 0, 0.6, share, share])
    by_hand = sum(float(w * (w.log() - p)) for w, p in zip(wanted, log_probs[0, 0], strict=True) if w > 0)
    loss = smoothed_loss(log_probs, torch.tensor([[2, 1]]), smoothing=0.4, pad=1)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


class _Encode(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, *rows: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.encode(dict(zip(self.network.config.streams, rows, strict=True))).values())


class _Step(nn.Module):
    def __init__(self, network: Any, memory: list[str], past: list[str]) -> None:
        super().__init__()
        self.network, self.memory, self.past = network, memory, past

    def forward(self, token: Tensor, position: Tensor, *held: Tensor) -> tuple[Tensor, ...]:
        arrays = dict(zip([*self.memory, *self.past], held, strict=True))
        log_probs, past = self.network.step(token, position, arrays, arrays)
        return log_probs, *past.values()


@pytest.mark.filterwarnings("ignore:# The axis name")
@pytest.mark.parametrize("name", ["audio_video", pytest.param("mdvc", marks=pytest.mark.slow)])
def test_encoder_and_step_are_graphs_of_any_batch_and_length(name: str, tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    network = of(name)
    streams = rows_of(network)
    dim = torch.export.Dim
    batch = dim("batch")
    memory, past = network.encode(streams), network.empty_past(3)
    _, past = network.step(CAPTIONS[:, 0], torch.tensor([0]), memory, past)
    _, past = network.step(CAPTIONS[:, 1], torch.tensor([1]), memory, past)

    lengths = {stream: dim(stream) for stream in streams}
    if isinstance(network.config, MdvcConfig):
        lengths["audio"] = lengths["video"]
    torch.onnx.export(
        _Encode(network).eval(),
        tuple(streams.values()),
        tmp_path / "encode.onnx",
        dynamo=True,
        verbose=False,
        input_names=list(streams),
        output_names=list(memory),
        dynamic_shapes=(tuple({0: batch, 1: lengths[stream]} for stream in streams),),
    )

    words = dim("past")

    def axes(key: str) -> dict[int, Any]:
        stream = key.split("_")[1]
        return {0: batch, 2: words if key.startswith("past") else lengths[stream]}

    torch.onnx.export(
        _Step(network, list(memory), list(past)).eval(),
        (CAPTIONS[:, 2], torch.tensor([2]), *memory.values(), *past.values()),
        tmp_path / "step.onnx",
        dynamo=True,
        verbose=False,
        input_names=["token", "position", *memory, *past],
        output_names=["logits", *(key.replace("past", "present") for key in past)],
        dynamic_shapes=({0: batch}, {}, tuple(axes(key) for key in [*memory, *past])),
    )
    encode, step = (ort.InferenceSession(tmp_path / f"{graph}.onnx") for graph in ("encode", "step"))
    shorter = {stream: rows[:2, :-1] for stream, rows in streams.items()}
    held = dict(zip(memory, encode.run(None, {k: v.numpy() for k, v in shorter.items()}), strict=True))
    state = {key: value.numpy() for key, value in network.empty_past(2).items()}
    said = []
    for position in range(5):
        token = CAPTIONS[:2, position].numpy()
        answer = step.run(None, {"token": token, "position": np.array([position]), **held, **state})
        said.append(answer[0])
        state = dict(zip(state, answer[1:], strict=True))
    with torch.inference_mode():
        np.testing.assert_allclose(np.stack(said, axis=1), network(shorter, CAPTIONS[:2]), atol=2e-5)
