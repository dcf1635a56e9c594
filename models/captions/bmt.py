"""BMT (Iashin & Rahtu 2020): features of an event's sound and picture -> its sentence.

`BiModal` is the published captioner; `UniModal` the one that hears or sees only. Both speak in one go, for
training (`forward`), and word by word (`encode`, then `step` after `step`), with the same answer. Names of
layers are those of the released code. Knows neither words nor seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from models.captions.config import CaptionerConfig
from models.captions.layers import (
    Attention,
    Before,
    Decoder,
    Encoder,
    FeedForward,
    Generator,
    KeysValues,
    Positions,
    Residual,
    Words,
    embedder,
    row_mask,
    xavier,
)

Streams = Mapping[str, Tensor]
"""By name, rows of features (B, n, features); rows that begin with the padding's value aren't there."""
Arrays = dict[str, Tensor]
"""What is remembered between two words: axis 0 of each counts the sentences."""


class BiModalEncoderLayer(nn.Module):
    """Each stream looks at itself, then at the other as that came out of looking at itself."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        a, v = config.audio_width, config.video_width
        inner, heads, drop = config.inner_width, config.heads, config.dropout
        self.self_att_M1 = Attention(a, a, inner, heads, dropout=drop)
        self.self_att_M2 = Attention(v, v, inner, heads, dropout=drop)
        self.bi_modal_att_M1 = Attention(a, v, inner, heads, dropout=drop)
        self.bi_modal_att_M2 = Attention(v, a, inner, heads, dropout=drop)
        self.feed_forward_M1 = FeedForward(a, config.audio_hidden, dropout=drop)
        self.feed_forward_M2 = FeedForward(v, config.video_hidden, dropout=drop)
        self.res_layers_M1 = nn.ModuleList(Residual(a, drop) for _ in range(3))
        self.res_layers_M2 = nn.ModuleList(Residual(v, drop) for _ in range(3))

    def forward(self, audio: Tensor, video: Tensor, a_mask: Tensor, v_mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, a), (B, m, v) -> the same shapes."""
        a = self.res_layers_M1[0](audio, lambda own: self.self_att_M1(own, own, a_mask))
        v = self.res_layers_M2[0](video, lambda own: self.self_att_M2(own, own, v_mask))
        heard = self.res_layers_M1[1](a, lambda own: self.bi_modal_att_M1(own, v, v_mask))
        seen = self.res_layers_M2[1](v, lambda own: self.bi_modal_att_M2(own, a, a_mask))
        heard = self.res_layers_M1[2](heard, self.feed_forward_M1)
        seen = self.res_layers_M2[2](seen, self.feed_forward_M2)
        return heard, seen


class BiModalEncoder(nn.Module):
    """A stack of them; the proposal generator has the same."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        self.encoder_AV = _Stack(BiModalEncoderLayer(config) for _ in range(config.layers))

    def forward(self, audio: Tensor, video: Tensor, a_mask: Tensor, v_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, n, a), (B, m, v), masks (B, 1, n), (B, 1, m) -> what is heard and seen, same shapes."""
        for layer in self.encoder_AV.layers:
            audio, video = layer(audio, video, a_mask, v_mask)
        return audio, video


class Bridge(nn.Module):
    """Two readings of a word, one of the sound and one of the picture, become one."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * width)
        self.linear = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, heard: Tensor, seen: Tensor) -> Tensor:
        """(B, n, d) twice -> (B, n, d)."""
        both = self.linear(self.norm(torch.cat([heard, seen], dim=-1)))
        return torch.relu(self.dropout(both))


class BiModalDecoderLayer(nn.Module):
    """Words look at the words before them, then at the sound and at the picture, side by side."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        c, inner, heads, drop = config.caption_width, config.inner_width, config.heads, config.dropout
        self.res_layer_self_att = Residual(c, drop)
        self.self_att = Attention(c, c, inner, heads, dropout=drop)
        self.res_layer_enc_att_A = Residual(c, drop)
        self.res_layer_enc_att_V = Residual(c, drop)
        self.enc_att_A = Attention(c, config.audio_width, inner, heads, dropout=drop)
        self.enc_att_V = Attention(c, config.video_width, inner, heads, dropout=drop)
        self.bridge = Bridge(c, drop)
        self.res_layer_ff = Residual(c, drop)
        self.feed_forward = FeedForward(c, config.caption_hidden, dropout=drop)

    def forward(
        self,
        x: Tensor,
        before: Before,
        audio: KeysValues,
        video: KeysValues,
        a_mask: Tensor,
        v_mask: Tensor,
    ) -> Tensor:
        """(B, n, c) -> (B, n, c)."""
        x = self.res_layer_self_att(x, lambda own: before.look(self.self_att, own))
        heard = self.res_layer_enc_att_A(x, lambda own: self.enc_att_A.look(own, audio, a_mask))
        seen = self.res_layer_enc_att_V(x, lambda own: self.enc_att_V.look(own, video, v_mask))
        return self.res_layer_ff(self.bridge(heard, seen), self.feed_forward)


class BiModalDecoder(nn.Module):
    """A stack of them."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        self.decoder = _Stack(BiModalDecoderLayer(config) for _ in range(config.layers))

    def forward(
        self,
        x: Tensor,
        before: Before,
        audio: list[KeysValues],
        video: list[KeysValues],
        a_mask: Tensor,
        v_mask: Tensor,
    ) -> Tensor:
        """(B, n, c) -> (B, n, c)."""
        for layer, a, v in zip(self.decoder.layers, audio, video, strict=True):
            x = layer(x, before, a, v, a_mask, v_mask)
        return x


class _Stack(nn.Module):
    """Holds layers under the name that they have in the released weights."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class BiModal(nn.Module):
    """The published captioner."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        if config.modality != "audio_video":
            raise ValueError(f"a bi-modal captioner takes audio_video, not {config.modality}")
        self.config = config
        for stream, suffix in (("audio", "A"), ("video", "V")):
            features, width = config.features(stream), config.width(stream)
            self.add_module(f"emb_{suffix}", embedder(features, width, linear=config.linear_embedder))
            self.add_module(f"pos_enc_{suffix}", Positions(width, config.longest, config.dropout))
        self.emb_C = Words(config.vocabulary, config.caption_width, config.word_width)
        self.pos_enc_C = Positions(config.caption_width, config.longest, config.dropout)
        self.encoder = BiModalEncoder(config)
        self.decoder = BiModalDecoder(config)
        self.generator = Generator(config.caption_width, config.vocabulary)
        xavier(self)

    @property
    def words(self) -> Words:
        """The word vectors."""
        return self.emb_C

    def attended(self, streams: Streams) -> tuple[Tensor, Tensor]:
        """What is heard in view of what is seen, and the reverse: (B, n, a), (B, m, v)."""
        audio, video = streams["audio"], streams["video"]
        return self.encoder(
            self.pos_enc_A(self.emb_A(audio)),
            self.pos_enc_V(self.emb_V(video)),
            row_mask(audio, self.config.pad_value),
            row_mask(video, self.config.pad_value),
        )

    def forward(self, streams: Streams, captions: Tensor) -> Tensor:
        """Log-probabilities of the word after each. Shape: (B, n) int64 -> (B, n, V)."""
        memory = self.encode(streams)
        before = Before(captions != self.config.pad)
        x = self.pos_enc_C(self.emb_C(captions))
        return self.generator(self._decode(x, before, memory))

    def encode(self, streams: Streams) -> Arrays:
        """What the words look at, ready to be looked at: `memory_*`, axis 0 the batch."""
        heard, seen = self.attended(streams)
        memory = {
            "memory_audio_mask": row_mask(streams["audio"], self.config.pad_value),
            "memory_video_mask": row_mask(streams["video"], self.config.pad_value),
        }
        for number, layer in enumerate(self.decoder.decoder.layers):
            put(memory, f"memory_audio_{number}", layer.enc_att_A.keys_values(heard))
            put(memory, f"memory_video_{number}", layer.enc_att_V.keys_values(seen))
        return memory

    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, Arrays]:
        """One word more.

        Args:
            token: (B,) int64, the last word.
            position: (1,) int64, where it stands; 0 for the start.
            memory: what `encode` gave.
            past: `past_*`, what the step before gave, or `empty_past`.

        Returns:
            Log-probabilities of the next word (B, V), and the past after this word, under `past_*` too.
        """
        words = token.unsqueeze(1)
        before = Before(words != self.config.pad, take(past, "past", self.config.layers))
        x = self.pos_enc_C.at(self.emb_C(words), position)
        log_probs = self.generator(self._decode(x, before, memory))[:, -1]
        return log_probs, as_past(before.present)

    def empty_past(self, batch: int) -> Arrays:
        """The past before the first word."""
        return empty_past(self.config.layers, batch, self.config.heads, self.config.inner_width)

    def _decode(self, x: Tensor, before: Before, memory: Mapping[str, Tensor]) -> Tensor:
        audio = take(memory, "memory_audio", self.config.layers)
        video = take(memory, "memory_video", self.config.layers)
        masks = memory["memory_audio_mask"], memory["memory_video_mask"]
        return self.decoder(x, before, audio, video, *masks)


class UniModal(nn.Module):
    """The captioner that only hears, or only sees."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        if config.modality == "audio_video":
            raise ValueError("a uni-modal captioner takes audio or video, not both")
        self.config = config
        self.stream = config.streams[0]
        width, hidden = config.width(self.stream), config.hidden(self.stream)
        shape = (
            config.layers,
            width,
            hidden,
            config.dropout,
            lambda: Attention(width, width, width, config.heads),
        )
        self.src_emb = embedder(config.features(self.stream), width, linear=config.linear_embedder)
        self.trg_emb = Words(config.vocabulary, width, config.word_width)
        self.pos_emb = Positions(width, config.longest, config.dropout)
        self.encoder = Encoder(*shape)
        self.decoder = Decoder(*shape)
        self.generator = Generator(width, config.vocabulary)
        xavier(self)

    @property
    def words(self) -> Words:
        """The word vectors."""
        return self.trg_emb

    def attended(self, streams: Streams) -> Tensor:
        """The stream's tokens after they have looked at one another: (B, n, d)."""
        rows = streams[self.stream]
        return self.encoder(self.pos_emb(self.src_emb(rows)), row_mask(rows, self.config.pad_value))

    def forward(self, streams: Streams, captions: Tensor) -> Tensor:
        """Log-probabilities of the word after each. Shape: (B, n) int64 -> (B, n, V)."""
        memory = self.encode(streams)
        before = Before(captions != self.config.pad)
        return self.generator(self._decode(self.pos_emb(self.trg_emb(captions)), before, memory))

    def encode(self, streams: Streams) -> Arrays:
        """As `BiModal.encode`."""
        memory = {f"memory_{self.stream}_mask": row_mask(streams[self.stream], self.config.pad_value)}
        for number, pair in enumerate(self.decoder.memories(self.attended(streams))):
            put(memory, f"memory_{self.stream}_{number}", pair)
        return memory

    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, Arrays]:
        """As `BiModal.step`."""
        words = token.unsqueeze(1)
        before = Before(words != self.config.pad, take(past, "past", self.config.layers))
        x = self.pos_emb.at(self.trg_emb(words), position)
        log_probs = self.generator(self._decode(x, before, memory))[:, -1]
        return log_probs, as_past(before.present)

    def empty_past(self, batch: int) -> Arrays:
        """The past before the first word."""
        return empty_past(self.config.layers, batch, self.config.heads, self.config.width(self.stream))

    def _decode(self, x: Tensor, before: Before, memory: Mapping[str, Tensor]) -> Tensor:
        pairs = take(memory, f"memory_{self.stream}", self.config.layers)
        return self.decoder(x, before, pairs, memory[f"memory_{self.stream}_mask"])


def captioner(config: CaptionerConfig) -> BiModal | UniModal:
    """The captioner of these streams."""
    return BiModal(config) if config.modality == "audio_video" else UniModal(config)


def put(arrays: Arrays, name: str, keys_values: KeysValues) -> None:
    """Remember keys and values under `name`."""
    arrays[f"{name}_keys"], arrays[f"{name}_values"] = keys_values


def take(arrays: Mapping[str, Tensor], name: str, layers: int) -> list[KeysValues]:
    """The inverse of `put` for layers that are numbered `name`_0, `name`_1 …"""
    return [(arrays[f"{name}_{layer}_keys"], arrays[f"{name}_{layer}_values"]) for layer in range(layers)]


def as_past(present: list[KeysValues], name: str = "past") -> Arrays:
    """What was seen in a step, as the next step takes it."""
    arrays: Arrays = {}
    for layer, pair in enumerate(present):
        put(arrays, f"{name}_{layer}", pair)
    return arrays


def empty_past(layers: int, batch: int, heads: int, width: int, name: str = "past") -> Arrays:
    """A past without words: (batch, heads, 0, width / heads) each."""
    nothing = torch.zeros(batch, heads, 0, width // heads)
    return as_past([(nothing, nothing) for _ in range(layers)], name)
