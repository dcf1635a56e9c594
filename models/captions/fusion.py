"""How several streams come to one word: MDVC's ways of fusion, and the Bi-GRU captioner it is held against.

In: each stream's reading of the words so far (B, n, d). Out: log-probabilities of the next word (B, n, V).
Only "concat" has released weights; the others, and the Bi-GRU, are built from what the papers say of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from models.captions.config import MdvcConfig, RecurrentConfig
from models.captions.layers import Words, embedder, row_mask, xavier

NAMES = {"audio": "audio", "video": "video", "speech": "subs"}
"""What the released code calls a stream."""
ORDER = ("speech", "audio", "video")
"""In which the generator takes the streams that there are."""


class Concat(nn.Module):
    """As published: readings side by side, and two layers as wide as the vocabulary."""

    def __init__(self, config: MdvcConfig) -> None:
        super().__init__()
        width = sum(config.width(stream) for stream in config.streams)
        self.linear = nn.Linear(width, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)
        self.linear2 = nn.Linear(config.vocabulary, config.vocabulary)

    def forward(self, readings: Mapping[str, Tensor]) -> Tensor:
        """{stream: (B, n, d)} -> (B, n, V)."""
        side_by_side = torch.cat([readings[stream] for stream in ORDER if stream in readings], dim=-1)
        return torch.log_softmax(self.linear2(self.dropout(torch.relu(self.linear(side_by_side)))), dim=-1)


class Average(nn.Module):
    """Each stream says a distribution of its own; the word is drawn from their mean, weighted if learnt."""

    def __init__(self, config: MdvcConfig, *, weighted: bool) -> None:
        super().__init__()
        self.linears = nn.ModuleDict(
            {stream: nn.Linear(config.width(stream), config.vocabulary) for stream in config.streams}
        )
        self.weights = nn.Parameter(torch.zeros(len(config.streams)), requires_grad=weighted)

    def forward(self, readings: Mapping[str, Tensor]) -> Tensor:
        """{stream: (B, n, d)} -> (B, n, V)."""
        shares = torch.log_softmax(self.weights, dim=0)
        said = [
            torch.log_softmax(linear(readings[stream]), dim=-1) + shares[number]
            for number, (stream, linear) in enumerate(self.linears.items())
        ]
        return torch.logsumexp(torch.stack(said), dim=0)


def generator(config: MdvcConfig) -> Concat | Average:
    """The one that the config names.

    Raises:
        ValueError: there is no such fusion.
    """
    if config.fusion == "concat":
        return Concat(config)
    if config.fusion in ("average", "weighted"):
        return Average(config, weighted=config.fusion == "weighted")
    raise ValueError(f"no fusion is called {config.fusion}; there are concat, average and weighted")


def stream_masks(streams: Mapping[str, Tensor], pad: int, pad_value: float) -> dict[str, Tensor]:
    """Where each stream has something, (B, 1, n). Sound and picture go row by row, so the picture's mask
    serves both."""
    masks = {}
    for stream, rows in streams.items():
        if stream == "speech":
            masks[stream] = (rows != pad).unsqueeze(1)
        elif stream == "audio" and "video" in streams:
            if rows.shape[1] != streams["video"].shape[1]:
                raise ValueError(
                    f"{rows.shape[1]} rows of sound beside {streams['video'].shape[1]} of picture"
                )
            masks[stream] = row_mask(streams["video"], pad_value)
        else:
            masks[stream] = row_mask(rows, pad_value)
    return masks


class Recurrent(nn.Module):
    """The Bi-GRU captioner: a stream is read from both ends, and what is kept of it begins its sentence.

    It has the interface of the other captioners.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.shape = config
        self.config = net = config.network
        self.embedders, self.encoders, self.bridges = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.word_embedders, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        for stream in net.streams:
            width = net.width(stream)
            self.embedders[stream] = (
                Words(net.speech_vocabulary, width)
                if stream == "speech"
                else embedder(net.features(stream), width, linear=net.linear_embedder, rectified=False)
            )
            self.encoders[stream] = nn.GRU(
                width, width, config.layers, batch_first=True, bidirectional=True, dropout=self._between
            )
            self.bridges[stream] = nn.Linear(2 * width, width)
            self.word_embedders[stream] = Words(net.vocabulary, width)
            self.decoders[stream] = nn.GRU(
                width, width, config.layers, batch_first=True, dropout=self._between
            )
        self.dropout = nn.Dropout(net.dropout)
        self.generator = generator(net)
        xavier(self)

    @property
    def _between(self) -> float:
        return self.config.dropout if self.shape.layers > 1 else 0.0

    def encode(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each sentence begins with: `memory_<stream>` (B, layers, 1, d)."""
        given = {stream: streams[stream] for stream in self.config.streams}
        masks = stream_masks(given, self.config.pad, self.config.pad_value)
        memory = {}
        for stream, rows in given.items():
            lengths = masks[stream].sum(dim=(1, 2)).clamp(min=1).cpu()
            tokens = self.embedders[stream](rows)
            packed = pack_padded_sequence(tokens, lengths, batch_first=True, enforce_sorted=False)
            kept = self.encoders[stream](packed)[1]  # (layers x 2, B, d)
            kept = kept.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2)  # (layers, B, 2 d)
            state = torch.tanh(self.bridges[stream](kept))
            memory[f"memory_{stream}"] = state.transpose(0, 1).unsqueeze(2)
        return memory

    def forward(self, streams: Mapping[str, Tensor], captions: Tensor) -> Tensor:
        """Log-probabilities of the word after each. Shape: (B, n) int64 -> (B, n, V)."""
        return self._said(captions, self.encode(streams))[0]

    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As `bmt.BiModal.step`; the position tells a recurrent network nothing."""
        states = {
            key: torch.cat([begun, past[key.replace("memory", "past")]], dim=2)[:, :, -1:]
            for key, begun in memory.items()
        }
        log_probs, states = self._said(token.unsqueeze(1), states)
        return log_probs[:, -1], {key.replace("memory", "past"): state for key, state in states.items()}

    def empty_past(self, batch: int) -> dict[str, Tensor]:
        """The past before the first word."""
        return {
            f"past_{stream}": torch.zeros(batch, self.shape.layers, 0, self.config.width(stream))
            for stream in self.config.streams
        }

    def _said(self, words: Tensor, states: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        readings, after = {}, {}
        for stream in self.config.streams:
            begun = states[f"memory_{stream}"].squeeze(2).transpose(0, 1).contiguous()
            embedded = self.word_embedders[stream](words)
            reading, state = self.decoders[stream](embedded, begun)
            readings[stream] = self.dropout(reading)
            after[f"memory_{stream}"] = state.transpose(0, 1).unsqueeze(2)
        return self.generator(readings), after
