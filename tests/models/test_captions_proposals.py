"""Networks that propose events: what comes out, what is learnt, and what is done with it afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from models.captions import proposals  # noqa: E402
from models.captions.bisst import BiSst  # noqa: E402
from models.captions.bmt import captioner  # noqa: E402
from models.captions.config import BisstConfig, CaptionerConfig, HeadsConfig, ProposalConfig  # noqa: E402
from models.captions.proposals import Proposals, total_loss  # noqa: E402

ANCHORS_S = (2.0, 6.0)
AUDIO = HeadsConfig(ANCHORS_S, (3, 5), stride_s=0.5, rows=48, convolutions=(16,))
VIDEO = HeadsConfig(ANCHORS_S, (3, 7), stride_s=1.0, rows=24, convolutions=(16,))


def encoder(modality: Any) -> CaptionerConfig:
    return CaptionerConfig(modality, 30, 8, 12, 8, 12, 10, 10, 16, 16, 16, 16, heads=2, layers=1, longest=64)


CONFIGS = {
    "audio_video": ProposalConfig(encoder("audio_video"), AUDIO, VIDEO),
    "audio": ProposalConfig(encoder("audio"), AUDIO, None),
    "video": ProposalConfig(encoder("video"), None, VIDEO, layer_norm=True, dropout=0.0),
}
EVENTS = torch.tensor([[0, 5.2, 2.0], [0, 15.0, 6.5], [1, 9.9, 5.0]])
"""Film, centre and length in seconds."""


def network_of(name: str) -> Proposals:
    torch.manual_seed(3)
    return Proposals(CONFIGS[name]).eval()


def streams_of(config: ProposalConfig) -> dict[str, Tensor]:
    """Two films of 24 s whose rows are loud during events; the second's last quarter is padding."""
    draw = torch.Generator().manual_seed(4)
    streams = {}
    for stream in config.streams:
        heads = config.heads(stream)
        rows = 0.3 * torch.randn(2, heads.rows, config.encoder.features(stream), generator=draw)
        for film, centre, length in EVENTS.tolist():
            first, last = (centre - length / 2) / heads.stride_s, (centre + length / 2) / heads.stride_s
            rows[int(film), round(first) : round(last), ::2] += 2
        rows[1, -heads.rows // 4 :] = 1.0
        streams[stream] = rows
    return streams


@pytest.mark.parametrize("name", CONFIGS)
@torch.inference_mode()
def test_every_head_proposes_at_every_row_and_anchor(name: str) -> None:
    network = network_of(name)
    found = network(streams_of(network.config))
    heads = [network.config.heads(stream) for stream in network.config.streams]
    assert found.shape == (2, sum(h.rows * len(h.anchors_s) * len(h.kernels) for h in heads), 3)
    # The first rows are the first head's first anchor, a row each.
    first = heads[0]
    centres = found[0, : first.rows, 0].numpy()
    assert (np.floor(centres / first.stride_s) == np.arange(first.rows)).all()
    assert (found[..., 1] > 0).all()
    assert ((found[..., 2] > 0) & (found[..., 2] < 1)).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_proposals_learn_where_events_are(name: str) -> None:
    network = network_of(name)
    streams = streams_of(network.config)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(150):
        loss = total_loss(network.losses(streams, EVENTS), network.config)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(weight.grad is not None for weight in network.parameters())
    with torch.inference_mode():
        found = network(streams)
    for film in (0, 1):
        events = EVENTS[EVENTS[:, 0] == film][:, 1:]
        best = proposals.apart(proposals.surest(proposals.corners(found[film]), 20), 0.3)[: len(events)]
        overlap = proposals.tiou(proposals.corners(events), best)
        assert (overlap.amax(dim=1) > 0.6).all()


def test_without_any_event_only_confidence_is_lost() -> None:
    network = network_of("audio_video")
    with torch.inference_mode():
        losses = network.losses(streams_of(network.config), torch.zeros(0, 3))
    for each in losses.values():
        assert float(each.centre) == float(each.length) == float(each.event) == 0
        assert float(each.no_event) > 0


def test_heads_begin_with_a_captioners_encoder_and_leave_it_alone() -> None:
    for name, config in CONFIGS.items():
        learnt, network = captioner(config.encoder), network_of(name)
        network.take_encoder(learnt)
        for key, weight in learnt.encoder.state_dict().items():
            assert torch.equal(network.encoder.state_dict()[key], weight)
        assert not any(weight.requires_grad for weight in network.encoder.parameters())
        network.take_encoder(learnt, train=True)
        assert all(weight.requires_grad for weight in network.encoder.parameters())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_comes_back_from_json(name: str) -> None:
    config = CONFIGS[name]
    assert ProposalConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    bisst = BisstConfig(ANCHORS_S)
    assert BisstConfig.from_dict(json.loads(json.dumps(bisst.to_dict()))) == bisst


@pytest.mark.filterwarnings("ignore:# The axis name")
def test_proposals_are_a_graph(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    network = network_of("audio_video")
    streams = streams_of(network.config)

    class Propose(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, audio: Tensor, video: Tensor) -> Tensor:
            return self.network({"audio": audio, "video": video})

    batch = torch.export.Dim("batch")
    torch.onnx.export(
        Propose().eval(),
        tuple(streams.values()),
        tmp_path / "propose.onnx",
        dynamo=True,
        verbose=False,
        input_names=list(streams),
        output_names=["proposals"],
        dynamic_shapes=({0: batch}, {0: batch}),
    )
    session = ort.InferenceSession(tmp_path / "propose.onnx")
    alone = {stream: rows[:1] for stream, rows in streams.items()}
    (found,) = session.run(None, {stream: rows.numpy() for stream, rows in alone.items()})
    with torch.inference_mode():
        np.testing.assert_allclose(found, network(alone), atol=1e-4)


def test_sifting_keeps_what_is_inside_long_enough_sure_and_apart() -> None:
    found = torch.tensor([[1.0, 4, 0.5], [1.2, 4, 0.9], [9.9, 0.1, 0.99], [8, 6, 0.7]])
    inside = proposals.clipped(proposals.corners(found), 10.0)
    np.testing.assert_allclose(inside[:, :2], [[0, 3], [0, 3.2], [9.85, 9.95], [5, 10]], atol=1e-6)
    long = proposals.without_short(inside)
    kept = proposals.apart(proposals.surest(long, 3), 0.4)
    np.testing.assert_allclose(kept, [[0, 3.2, 0.9], [5, 10, 0.7]], atol=1e-6)


def test_k_means_ends_where_each_centre_is_the_mean_of_what_is_nearest_to_it() -> None:
    values = np.random.default_rng(1).gamma(2, 10, 2000)
    centres = proposals.k_means(values, 12)
    assert (np.diff(centres) > 0).all()
    nearest = np.abs(values[:, None] - centres).argmin(axis=1)
    means = [values[nearest == number].mean() for number in range(12)]
    np.testing.assert_allclose(centres, means, rtol=0.05)


def test_k_means_wants_more_values_than_clusters_and_leaves_none_empty() -> None:
    # Two of the three that are drawn are the same.
    np.testing.assert_allclose(proposals.k_means(np.repeat([1.0, 2.0, 9.0], 30), 3), [1, 2, 9])
    with pytest.raises(ValueError, match="2 lengths make no 3 clusters"):
        proposals.k_means(np.ones(2), 3)


# Bi-SST


def bisst_and_films() -> tuple[BiSst, Tensor]:
    torch.manual_seed(2)
    network = BiSst(BisstConfig((2.0, 5.0), features=6, width=24, stride_s=0.5))
    films = 0.3 * torch.randn(2, 48, 6)
    for film, centre, length in EVENTS.tolist():
        films[int(film), round((centre - length / 2) * 2) : round((centre + length / 2) * 2)] += 2
    films[1, 36:] = 1.0
    return network, films


@torch.inference_mode()
def test_bisst_weighs_each_stretch_by_its_end_and_its_beginning() -> None:
    network, films = bisst_and_films()
    found = network(films).unflatten(1, (48, 2))
    ends, begins = (torch.sigmoid(each) for each in network.logits(films))
    # Ten rows of half a second that end with row 20 begin with row 11.
    np.testing.assert_allclose(found[0, 20, 1, :2], [(11 + 21) / 4, 5])
    assert float(found[0, 20, 1, 2]) == pytest.approx(float(ends[0, 20, 1] * begins[0, 11, 1]), rel=1e-5)
    assert (found[0, :9, 1, 2] == 0).all()
    assert (found[1, 36:, :, 2] == 0).all()


@torch.inference_mode()
def test_bisst_goes_through_a_film_from_both_of_its_ends_and_not_through_padding() -> None:
    network, films = bisst_and_films()
    ends, begins = network.logits(films)
    alone = network.logits(films[1:, :36])
    np.testing.assert_allclose(ends[1, :36], alone[0][0], atol=1e-6)
    np.testing.assert_allclose(begins[1, :36], alone[1][0], atol=1e-6)
    changed = films.clone()
    changed[0, 20] += 1
    other_ends, other_begins = network.logits(changed)
    assert torch.equal(other_ends[0, :20], ends[0, :20])
    assert not torch.equal(other_ends[0, 20:], ends[0, 20:])
    assert torch.equal(other_begins[0, 21:], begins[0, 21:])
    assert not torch.equal(other_begins[0, :21], begins[0, :21])


def test_bisst_learns_where_events_are() -> None:
    network, films = bisst_and_films()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(80):
        loss = network.loss(films, EVENTS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in network.parameters())
    with torch.inference_mode():
        found = network(films)
    for film in (0, 1):
        events = EVENTS[EVENTS[:, 0] == film][:, 1:]
        best = proposals.apart(proposals.surest(proposals.corners(found[film]), 20), 0.3)[: len(events)]
        assert (proposals.tiou(proposals.corners(events), best).amax(dim=1) > 0.5).all()
