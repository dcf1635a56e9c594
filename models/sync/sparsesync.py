"""SparseSync (Iashin et al. 2022; thesis 5.2): pictures and sound -> how early the sound is, as a class.

In: `vis` (B, T, 3, H, W) normalised floats, `aud` (B, 1, F, Ta) a standardised log spectrogram.
Out: logits (B, classes); what a class means in seconds stands in `SyncConfig.offsets_s`.
The names of layers are those of the released weights. Where thesis and publication disagree on the order of
the tokens (eq. 5.3 prints sound first), the publication and the released code are followed: pictures first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.sync.config import NetworkConfig
from models.sync.resnet import ResNet18
from models.sync.s3d import S3D
from models.sync.selectors import FeatureSelector
from models.transformer import SelfBlock


class VisualBridge(nn.Module):
    """S3D's channels to the width of a token."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.bridge = nn.Sequential(nn.Conv3d(channels, width, 1), nn.GELU())

    def forward(self, features: Tensor) -> Tensor:
        """(B, d, t, h, w) <- (B, C, t, h, w)."""
        return self.bridge(features)


class AudioBridge(nn.Module):
    """ResNet-18's channels to the width of a token, where they differ; the published ones don't."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.bridge = nn.Sequential(nn.Conv2d(channels, width, 1), nn.GELU())

    def forward(self, features: Tensor) -> Tensor:
        """(B, d, f, t) <- (B, C, f, t)."""
        return self.bridge(features)


class VisualPositions(nn.Module):
    """Learned positions: a token's numbers are shared out to time, width and height, in that order."""

    def __init__(self, block: tuple[int, int, int], width: int) -> None:
        super().__init__()
        time, rows, columns = block
        third = width // 3
        self.time_embed = nn.Embedding(time, width - 2 * third)
        self.height_embed = nn.Embedding(rows, third)
        self.width_embed = nn.Embedding(columns, third)

    def forward(self, x: Tensor) -> Tensor:
        """(B, t, h, w, d) -> the same with positions added."""
        block = x.shape[1:-1]
        _require_block("pictures", block, (self.time_embed, self.height_embed, self.width_embed))
        parts = (
            self.time_embed.weight[:, None, None],
            self.width_embed.weight[None, None, :],
            self.height_embed.weight[None, :, None],
        )
        return x + torch.cat([part.expand(*block, -1) for part in parts], dim=-1)


class AudioPositions(nn.Module):
    """Learned positions: half a token's numbers for frequency, half for time."""

    def __init__(self, block: tuple[int, int], width: int) -> None:
        super().__init__()
        rows, time = block
        self.freq_embed = nn.Embedding(rows, width - width // 2)
        self.time_embed = nn.Embedding(time, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, f, t, d) -> the same with positions added."""
        block = x.shape[1:-1]
        _require_block("sound", block, (self.freq_embed, self.time_embed))
        parts = (self.freq_embed.weight[:, None], self.time_embed.weight[None, :])
        return x + torch.cat([part.expand(*block, -1) for part in parts], dim=-1)


def _require_block(what: str, block: torch.Size, tables: tuple[nn.Embedding, ...]) -> None:
    wanted = tuple(table.num_embeddings for table in tables)
    if tuple(block) != wanted:
        raise ValueError(f"the backbone left a block {tuple(block)} of the {what}, the network has {wanted}")


class GlobalTransformer(nn.Module):
    """[OFF, pictures, MOD, sound] through self-attention; the first token carries the answer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.OFF_tok = nn.Parameter(torch.randn(1, 1, config.width))
        self.MOD_tok = nn.Parameter(torch.randn(1, 1, config.width))
        # What comes straight from the backbones has been normalised already.
        self.vis_in_lnorm = nn.LayerNorm(config.width) if config.selectors else nn.Identity()
        self.aud_in_lnorm = nn.LayerNorm(config.width) if config.selectors else nn.Identity()
        self.tok_drop = nn.Dropout(config.token_dropout)
        self.drop = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(
            SelfBlock(
                config.width,
                config.heads,
                attention_dropout=config.attention_dropout,
                residual_dropout=config.residual_dropout,
            )
            for _ in range(config.sync_layers)
        )
        self.ln_f = nn.LayerNorm(config.width)

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """(B, 1+n+1+m, d) <- (B, n, d), (B, m, d)."""
        off, mod = (token.expand(v.shape[0], -1, -1) for token in (self.OFF_tok, self.MOD_tok))
        v, a = self.tok_drop(self.vis_in_lnorm(v)), self.tok_drop(self.aud_in_lnorm(a))
        x = self.drop(torch.cat([off, v, mod, a], dim=1))
        for block in self.blocks:
            x = block(x)
        return self.ln_f(x)


@dataclass(frozen=True)
class Reading:
    """Every stage between the backbones and the answer, in the order of the road."""

    v_tokens: Tensor
    """(B, t, h, w, d), normalised and placed."""
    a_tokens: Tensor
    """(B, f, t, d), normalised and placed."""
    v_selected: Tensor
    """(B, n, d): selected tokens, or all of them where there are no selectors."""
    a_selected: Tensor
    v_looked: Tensor | None
    """(B, layers, heads, k, t, h, w): where the selectors looked; None where there are none."""
    a_looked: Tensor | None
    """(B, layers, heads, k, f, t)."""
    joint: Tensor
    """(B, 1+n+1+m, d) of the sync transformer."""
    logits: Tensor
    """(B, classes)."""


class Synchroniser(nn.Module):
    """Tokens of both modalities -> logits: positions, selectors, sync transformer, head."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.pre_lnorm_vis = nn.LayerNorm(config.width)
        self.pre_lnorm_aud = nn.LayerNorm(config.width)
        self.vis_pos_emb = VisualPositions(config.visual_block, config.width)
        self.aud_pos_emb = AudioPositions(config.audio_block, config.width)
        self.v_selector = FeatureSelector(config) if config.selectors else None
        self.a_selector = FeatureSelector(config) if config.selectors else None
        self.global_transformer = GlobalTransformer(config)
        self.off_head = nn.Linear(config.width, config.classes, bias=False)
        self.apply(start_small)

    def embed(self, v: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """(B, t, h, w, d), (B, f, t, d) <- (B, d, t, h, w), (B, d, f, t): normalised and placed."""
        v = self.vis_pos_emb(self.pre_lnorm_vis(v.movedim(1, -1)))
        a = self.aud_pos_emb(self.pre_lnorm_aud(a.movedim(1, -1)))
        return v, a

    def forward(self, v: Tensor, a: Tensor) -> Reading:
        """Read what is seen (B, d, t, h, w) against what is heard (B, d, f, t).

        Raises:
            ValueError: other blocks than the config says.
        """
        v_tokens, a_tokens = self.embed(v, a)
        # (B, t·h·w, d), (B, f·t, d)
        v_selected, a_selected = v_tokens.flatten(1, -2), a_tokens.flatten(1, -2)
        v_looked = a_looked = None
        if self.v_selector is not None and self.a_selector is not None:
            v_selected, v_looked = self.v_selector(v_selected)
            a_selected, a_looked = self.a_selector(a_selected)
            v_looked = v_looked.unflatten(-1, v_tokens.shape[1:-1])
            a_looked = a_looked.unflatten(-1, a_tokens.shape[1:-1])
        joint = self.global_transformer(v_selected, a_selected)
        logits = self.off_head(joint[:, 0])
        return Reading(v_tokens, a_tokens, v_selected, a_selected, v_looked, a_looked, joint, logits)


def start_small(module: nn.Module) -> None:
    """Linear layers and tables as published: normal, a fiftieth wide, biases zero; for `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class SparseSync(nn.Module):
    """The whole network."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.vfeat_extractor = S3D(
            divisor=config.visual_divisor,
            time_strides=config.visual_time_strides,
            mixed=config.visual_mixed,
            norm_momentum=config.visual_norm_momentum,
        )
        self.afeat_extractor = ResNet18(
            widths=config.audio_widths, depths=config.audio_depths, time_strides=config.audio_time_strides
        )
        self.v_bridge = VisualBridge(self.vfeat_extractor.channels, config.width)
        channels = self.afeat_extractor.channels
        self.a_bridge = nn.Identity() if channels == config.width else AudioBridge(channels, config.width)
        self.transformer = Synchroniser(config)

    def forward(self, vis: Tensor, aud: Tensor) -> Tensor:
        """Logits (B, classes) of pictures (B, T, 3, H, W) and spectrograms (B, 1, F, Ta)."""
        return self.compare(*self.features(vis, aud))

    def read(self, vis: Tensor, aud: Tensor) -> Reading:
        """Every stage of `forward`, where the selectors looked among them; arguments as there."""
        return self.transformer(*self.features(vis, aud))

    def features(self, vis: Tensor, aud: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen (B, d, t, h, w) and heard (B, d, f, t), each by itself; arguments as of `forward`."""
        # (B, 3, T, H, W) <- (B, T, 3, H, W)
        v = self.v_bridge(self.vfeat_extractor(vis.transpose(1, 2)))
        return v, self.a_bridge(self.afeat_extractor(aud))

    def compare(self, v: Tensor, a: Tensor) -> Tensor:
        """Logits (B, classes) of what `features` gave.

        Raises:
            ValueError: the backbones left other blocks than the config says.
        """
        return self.transformer(v, a).logits


def from_released_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the authors' code under our names.

    They are the same but for the network without selectors, where the sync transformer is a level higher.
    """
    higher = re.compile(r"transformer\.(OFF_tok|MOD_tok|blocks\.|ln_f\.)")
    return {
        higher.sub(r"transformer.global_transformer.\1", key) if higher.match(key) else key: tensor
        for key, tensor in state_dict.items()
    }
