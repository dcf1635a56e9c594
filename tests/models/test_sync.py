"""The sync network by itself: shapes, sizes, and our attention against PyTorch's."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from models import checkpoints  # noqa: E402
from models.checkpoints import CheckpointError  # noqa: E402
from models.sync.config import Clip, NetworkConfig, SyncConfig  # noqa: E402
from models.sync.sparsesync import SparseSync  # noqa: E402
from models.transformer import Attention, SelfBlock  # noqa: E402

CLIP = Clip(window_s=1.0, crop=48, side=48, n_fft=128)
SMALL = NetworkConfig.fitting(
    CLIP,
    offsets_s=(-0.4, 0.0, 0.4),
    width=16,
    heads=2,
    selectors=3,
    selector_layers=1,
    sync_layers=1,
    visual_divisor=16,
    visual_mixed=7,
    visual_time_strides=(2, 1, 1),
    audio_widths=(4, 4, 8, 8),
    audio_depths=(1, 1, 1, 1),
    audio_time_strides=(2, 2, 2, 1, 1),
)


@pytest.fixture
def small() -> SparseSync:
    torch.manual_seed(0)
    return SparseSync(SMALL).eval()


def inputs(clip: Clip, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    vis = torch.randn(count, clip.frames, 3, clip.crop, clip.crop, generator=draw)
    return vis, torch.randn(count, 1, *clip.spectrogram, generator=draw)


def test_the_default_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = SparseSync(NetworkConfig())
    assert sum(p.numel() for p in network.parameters()) == 54_348_652


def test_the_default_clip_leaves_the_published_blocks() -> None:
    assert Clip().frames == 125
    assert Clip().spectrogram == (257, 626)
    assert NetworkConfig.fitting(Clip()) == NetworkConfig()


def test_finer_strides_in_time_leave_finer_blocks() -> None:
    fine = NetworkConfig.fitting(Clip(), visual_time_strides=(2, 1, 1), audio_time_strides=(2, 2, 2, 1, 1))
    assert fine.visual_block == (63, 7, 7)
    assert fine.audio_block == (9, 79)


def test_a_fitting_block_is_what_the_backbones_leave(small: SparseSync) -> None:
    with torch.inference_mode():
        v, a = small.features(*inputs(CLIP))
    assert v.shape == (2, SMALL.width, *SMALL.visual_block)
    assert a.shape == (2, SMALL.width, *SMALL.audio_block)


def test_logits_are_those_of_compared_features(small: SparseSync) -> None:
    vis, aud = inputs(CLIP)
    with torch.inference_mode():
        logits = small(vis, aud)
        assert logits.shape == (2, len(SMALL.offsets_s))
        torch.testing.assert_close(logits, small.compare(*small.features(vis, aud)))


def test_clips_of_a_batch_do_not_see_one_another(small: SparseSync) -> None:
    vis, aud = inputs(CLIP)
    with torch.inference_mode():
        torch.testing.assert_close(small(vis, aud)[1:], small(vis[1:], aud[1:]), rtol=0, atol=1e-5)


def test_the_answer_hangs_on_both_pictures_and_sound(small: SparseSync) -> None:
    vis, aud = (x.requires_grad_() for x in inputs(CLIP, count=1))
    small(vis, aud)[0, 0].backward()
    assert vis.grad.abs().amax(dim=(2, 3, 4)).min() > 0
    assert aud.grad.abs().amax(dim=2).min() > 0


def test_an_input_of_another_length_is_refused_with_both_blocks(small: SparseSync) -> None:
    vis, aud = inputs(Clip(window_s=2.0, crop=48, side=48, n_fft=128), count=1)
    with pytest.raises(ValueError, match=r"\(25, 3, 3\).*\(13, 3, 3\)"):
        small(vis, aud)


def test_without_selectors_every_token_reaches_the_sync_transformer() -> None:
    network = SparseSync(NetworkConfig.fitting(CLIP, width=16, heads=2, selectors=0, visual_divisor=8)).eval()
    with torch.inference_mode():
        reading = network.transformer(*network.features(*inputs(CLIP, count=1)))
    tokens = reading.v_tokens[0, ..., 0].numel() + reading.a_tokens[0, ..., 0].numel()
    assert reading.joint.shape == (1, 2 + tokens, 16)
    assert reading.v_looked is None


def test_where_selectors_looked_sums_to_one(small: SparseSync) -> None:
    with torch.inference_mode():
        reading = small.transformer(*small.features(*inputs(CLIP)))
    assert reading.v_looked.shape == (2, 1, 2, 3, *SMALL.visual_block)
    torch.testing.assert_close(reading.v_looked.flatten(-3).sum(-1), torch.ones(2, 1, 2, 3))


def test_our_attention_agrees_with_pytorch() -> None:
    torch.manual_seed(0)
    ours = Attention(12, 3, attention_dropout=0.0, residual_dropout=0.0)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.proj.state_dict())
    x, context = torch.randn(2, 4, 12), torch.randn(2, 7, 12)
    gathered, looked = ours(x, context)
    wanted, weights = theirs(x, context, context, average_attn_weights=False)
    torch.testing.assert_close(gathered, wanted)
    torch.testing.assert_close(looked, weights)


def test_our_self_block_agrees_with_pytorch() -> None:
    torch.manual_seed(0)
    ours = SelfBlock(12, 3, attention_dropout=0.0, residual_dropout=0.0)
    theirs = nn.TransformerEncoderLayer(12, 3, 48, 0.0, nn.GELU(), batch_first=True, norm_first=True)
    a = ours.attn
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([a.query.weight, a.key.weight, a.value.weight]),
            "self_attn.in_proj_bias": torch.cat([a.query.bias, a.key.bias, a.value.bias]),
            **{f"self_attn.out_proj.{k}": v for k, v in a.proj.state_dict().items()},
            **{f"linear1.{k}": v for k, v in ours.mlp[0].state_dict().items()},
            **{f"linear2.{k}": v for k, v in ours.mlp[2].state_dict().items()},
            **{f"norm1.{k}": v for k, v in ours.ln1.state_dict().items()},
            **{f"norm2.{k}": v for k, v in ours.ln2.state_dict().items()},
        }
    )
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_checkpoint_gives_back_config_and_weights(small: SparseSync, tmp_path: Path) -> None:
    config = SyncConfig(SMALL, CLIP)
    checkpoints.save(tmp_path / "best.pt", config.to_dict(), small.state_dict())
    held = checkpoints.load(tmp_path / "best.pt")
    assert SyncConfig.from_dict(held.config) == config
    again = SparseSync(SMALL).eval()
    checkpoints.fill(again, held.state_dict, source="best.pt")
    with torch.inference_mode():
        assert torch.equal(again(*inputs(CLIP)), small(*inputs(CLIP)))


def test_every_wrong_weight_is_named(small: SparseSync) -> None:
    weights = dict(small.state_dict())
    weights["mystery"] = weights.pop("transformer.off_head.weight")
    weights["afeat_extractor.bn1.bias"] = torch.zeros(99)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.fill(small, weights, source="best.pt")
    for words in (
        "best.pt",
        "missing transformer.off_head.weight",
        "unknown mystery",
        "(4,), the file (99,)",
    ):
        assert words in str(caught.value)


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"config": {}, "state_dict": nn.Linear(1, 1)}, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match=r"odd\.pt"):
        checkpoints.load(tmp_path / "odd.pt")
