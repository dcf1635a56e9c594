"""What SparseSync is held against: a decoder in the manner of AVST, and selectors with a plain linear head.

In: pictures and spectrograms, as for `SparseSync`, whose backbones and places both share. Out: logits
(B, classes). AVST (Chen et al. 2021) asks whether a clip is in step; thesis 5.2 gives it the head that names
the offset, so that the two can be compared. What its text leaves open is taken from SparseSync: width, heads,
norms before each part, dropouts. No weights of either have been released.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.sync.config import NetworkConfig
from models.sync.sparsesync import SparseSync, start_small
from models.transformer import CrossBlock


class Decoder(nn.Module):
    """A token for the answer and all that is heard ask all that is seen."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.OFF_tok = nn.Parameter(torch.randn(1, 1, config.width))
        self.drop = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(
            CrossBlock(
                config.width,
                config.heads,
                attention_dropout=config.attention_dropout,
                residual_dropout=config.residual_dropout,
            )
            for _ in range(config.sync_layers)
        )
        self.ln_f = nn.LayerNorm(config.width)

    def forward(self, v: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """Decode what is heard (B, m, d) from what is seen (B, n, d).

        Returns:
            (B, 1+m, d), and where each token looked, (B, layers, heads, 1+m, n).
        """
        off = self.OFF_tok.expand(v.shape[0], -1, -1)
        x, context = self.drop(torch.cat([off, a], dim=1)), self.drop(v)
        maps = []
        for block in self.blocks:
            x, looked = block(x, context)
            maps.append(looked)
        return self.ln_f(x), torch.stack(maps, dim=1)


class Avst(nn.Module):
    """The decoder over SparseSync's backbones; of its config no selectors are asked."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.trunk = _Trunk(replace(config, selectors=0))
        self.decoder = Decoder(config)
        self.off_head = nn.Linear(config.width, config.classes, bias=False)
        for module in (self.decoder, self.off_head):
            module.apply(start_small)

    def forward(self, vis: Tensor, aud: Tensor) -> Tensor:
        """Logits (B, classes) of pictures (B, T, 3, H, W) and spectrograms (B, 1, F, Ta)."""
        return self.read(vis, aud)[0]

    def read(self, vis: Tensor, aud: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and where each token of sound looked: (B, layers, heads, 1+m, n). Arguments as there."""
        v, a = self.trunk(vis, aud)
        decoded, looked = self.decoder(v.flatten(1, -2), a.flatten(1, -2))
        return self.off_head(decoded[:, 0]), looked


class SelectorsWithMlp(nn.Module):
    """SparseSync without its sync transformer: what was selected, end to end, through one linear layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if not config.selectors:
            raise ValueError("this head wants selectors: without them there are as many tokens as a clip has")
        self.trunk = _Trunk(config)
        self.off_head = nn.Linear(2 * config.selectors * config.width, config.classes)
        self.off_head.apply(start_small)

    def forward(self, vis: Tensor, aud: Tensor) -> Tensor:
        """Logits (B, classes) of pictures (B, T, 3, H, W) and spectrograms (B, 1, F, Ta)."""
        v, a = self.trunk(vis, aud)
        synchroniser = self.trunk.network.transformer
        assert synchroniser.v_selector is not None
        assert synchroniser.a_selector is not None
        v_selected, _ = synchroniser.v_selector(v.flatten(1, -2))
        a_selected, _ = synchroniser.a_selector(a.flatten(1, -2))
        return self.off_head(torch.cat([v_selected, a_selected], dim=1).flatten(1))


class _Trunk(nn.Module):
    """Backbones, bridges and places of SparseSync, under its names, and its selectors where they are used."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.network = SparseSync(config)
        # What comes after tokens, or after what was selected of them, stands elsewhere.
        self.network.transformer.global_transformer = nn.Identity()
        self.network.transformer.off_head = nn.Identity()

    def forward(self, vis: Tensor, aud: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, t, h, w, d) and (B, f, t, d), normalised and placed."""
        return self.network.transformer.embed(*self.network.features(vis, aud))
