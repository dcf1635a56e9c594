"""The compact captioner: a small BMT behind a layer that knows which classes mean the same.

In: rows of YAMNet's and EfficientNet-lite0's logits, as those networks give them. They are put together by
the lexicon's groups (118 breeds are one dog), so that what has to be learnt is what to say, not what belongs
together; the groups' evidence, zero where there is none, goes into BMT's linear embedders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.captions.bmt import Arrays, BiModal, Streams
from models.captions.compact import lexicon
from models.captions.config import CaptionerConfig


@dataclass(frozen=True)
class CompactConfig:
    """Its shape: that of the BMT inside, and which group each class belongs to."""

    network: CaptionerConfig
    heard_groups: tuple[int, ...]
    seen_groups: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return {
            "network": self.network.to_dict(),
            "heard_groups": list(self.heard_groups),
            "seen_groups": list(self.seen_groups),
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> CompactConfig:
        """The inverse of `to_dict`."""
        return cls(
            CaptionerConfig.from_dict(held["network"]),
            tuple(held["heard_groups"]),
            tuple(held["seen_groups"]),
        )


def config(
    class_names: list[str], vocabulary: int, *, width: int = 128, dropout: float = 0.1
) -> CompactConfig:
    """The shipped shape, for YAMNet's classes by these names."""
    heard, seen = lexicon.heard_groups(class_names), lexicon.seen_groups()
    network = CaptionerConfig(
        vocabulary=vocabulary,
        audio_features=2 * (int(heard.max()) + 1),
        video_features=2 * (int(seen.max()) + 1),
        audio_width=width, video_width=width, caption_width=width, word_width=width, inner_width=width,
        audio_hidden=2 * width, video_hidden=2 * width, caption_hidden=2 * width,
        heads=4, layers=2, dropout=dropout, linear_embedder=True, longest=512,
    )  # fmt: skip
    return CompactConfig(network, tuple(map(int, heard)), tuple(map(int, seen)))


class CompactCaptioner(nn.Module):
    """Speaks as a `BiModal` does; eats logits."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = replace(config.network)
        self.compact = config
        self.bmt = BiModal(config.network)
        for name, groups in (("heard", config.heard_groups), ("seen", config.seen_groups)):
            chosen = np.zeros((len(groups), max(groups) + 1), np.float32)
            chosen[np.arange(len(groups)), groups] = 1
            # Which class belongs where is no weight: the configuration says it.
            self.register_buffer(name, torch.from_numpy(chosen), persistent=False)

    def rows(self, streams: Streams) -> dict[str, Tensor]:
        """What BMT eats. Padding stays padding; a row of zeros, which means that there is nothing, stays
        zeros.

        Shapes: audio (B, n, 521), video (B, m, 1000) -> (B, n, 2 groups), (B, m, 2 groups).
        """
        audio, video = streams["audio"], streams["video"]
        top = audio.amax(2, keepdim=True)
        evidence = ((audio - top).exp() @ self.heard).clamp(min=1e-30).log() + top
        # Nothing is zero: the decoder looks at what comes of this without a norm, and words drown in what
        # is large.
        heard = torch.cat([((evidence + 5) / 3).clamp(0.0, 4.0), torch.sigmoid(evidence + 1)], 2)
        likely = torch.softmax(video, 2) @ self.seen
        seen = torch.cat([((likely + 1e-3).log() / 2 + 2.2).clamp(0.0, 4.0), likely], 2)
        return {"audio": self._kept(audio, heard), "video": self._kept(video, seen)}

    def _kept(self, rows: Tensor, made: Tensor) -> Tensor:
        there = (rows != 0).any(2, keepdim=True).to(made.dtype)
        padding = (rows[..., :1] == self.config.pad_value).to(made.dtype)
        # 0.001 keeps what is there from being taken for padding.
        moved = made + 0.001 * (made == self.config.pad_value).to(made.dtype)
        return moved * there * (1 - padding) + self.config.pad_value * padding

    def forward(self, streams: Streams, captions: Tensor) -> Tensor:
        """Log-probabilities of the word after each. Shape: (B, n) int64 -> (B, n, V)."""
        return self.bmt(self.rows(streams), captions)

    def encode(self, streams: Streams) -> Arrays:
        """As `BiModal.encode`."""
        return self.bmt.encode(self.rows(streams))

    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, Arrays]:
        """As `BiModal.step`."""
        return self.bmt.step(token, position, memory, past)

    def empty_past(self, batch: int) -> Arrays:
        """As `BiModal.empty_past`."""
        return self.bmt.empty_past(batch)
