"""The baselines by themselves: no weights were released, so by shapes, gradients, and that they learn."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from models.sync.avst import Avst, SelectorsWithMlp  # noqa: E402
from models.sync.config import Clip, NetworkConfig  # noqa: E402

CLIP = Clip(window_s=1.0, crop=48, side=48, n_fft=128)
SMALL = NetworkConfig.fitting(
    CLIP,
    offsets_s=(-0.4, 0.0, 0.4),
    width=16,
    heads=2,
    selectors=3,
    selector_layers=1,
    sync_layers=2,
    visual_divisor=16,
    visual_mixed=7,
    visual_time_strides=(2, 1, 1),
    audio_widths=(4, 4, 8, 8),
    audio_depths=(1, 1, 1, 1),
    audio_time_strides=(2, 2, 2, 1, 1),
    embedding_dropout=0.0,
    residual_dropout=0.0,
    attention_dropout=0.0,
)
BOTH = pytest.mark.parametrize("kind", [Avst, SelectorsWithMlp])


def clips(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    vis = torch.randn(count, CLIP.frames, 3, CLIP.crop, CLIP.crop, generator=draw)
    return vis, torch.randn(count, 1, *CLIP.spectrogram, generator=draw)


def made(kind: type, config: NetworkConfig = SMALL) -> nn.Module:
    torch.manual_seed(0)
    return kind(config)


@BOTH
def test_it_gives_a_logit_a_class_and_clips_do_not_see_one_another(kind: type) -> None:
    network = made(kind).eval()
    vis, aud = clips(2)
    with torch.inference_mode():
        logits = network(vis, aud)
        assert logits.shape == (2, SMALL.classes)
        torch.testing.assert_close(logits[1:], network(vis[1:], aud[1:]), rtol=0, atol=1e-5)


@BOTH
def test_every_weight_and_every_moment_of_both_inputs_has_a_part_in_the_answer(kind: type) -> None:
    network = made(kind)
    vis, aud = (x.requires_grad_() for x in clips(2))
    network(vis, aud).square().sum().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert still == []
    assert vis.grad.abs().amax(dim=(0, 2, 3, 4)).min() > 0
    assert aud.grad.abs().amax(dim=(0, 1, 2)).min() > 0


@BOTH
def test_it_learns_a_few_clips_by_heart(kind: type) -> None:
    network = made(kind)
    vis, aud = clips(6)
    wanted = torch.tensor([0, 1, 2, 2, 1, 0])
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(vis, aud), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.05:
            break
    assert network(vis, aud).argmax(1).tolist() == wanted.tolist()


def test_what_is_heard_asks_what_is_seen() -> None:
    network = made(Avst).eval()
    with torch.inference_mode():
        _, looked = network.read(*clips(2))
    seen, heard = (torch.Size(block).numel() for block in (SMALL.visual_block, SMALL.audio_block))
    assert looked.shape == (2, SMALL.sync_layers, SMALL.heads, 1 + heard, seen)
    torch.testing.assert_close(looked.sum(-1), torch.ones(looked.shape[:-1]))


def test_at_published_size_the_decoder_has_no_selectors_and_the_other_no_transformer() -> None:
    with torch.device("meta"):
        decoder, mlp = Avst(NetworkConfig()), SelectorsWithMlp(NetworkConfig())
    backbones = 7_910_048 + 11_170_240 + 524_800
    norms, places, selectors = 2_048, 12_556, 12_628_480
    blocks = 3 * (2 * 4 * (512 * 512 + 512) + 2 * 4 * 512 * 512 + 4 * 512 + 512 + 3 * 2 * 512)
    rest = 512 + 2 * 512 + 512 * 21
    assert _count(decoder) == backbones + norms + places + blocks + rest
    assert _count(mlp) == backbones + norms + places + 2 * selectors + (16 + 16) * 512 * 21 + 21


def test_a_linear_head_wants_selectors() -> None:
    with pytest.raises(ValueError, match="wants selectors"):
        made(SelectorsWithMlp, replace(SMALL, selectors=0))


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())
