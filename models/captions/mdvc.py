"""MDVC (Iashin & Rahtu 2020): what is heard, seen and said during an event -> its sentence.

A transformer a stream, each with its own reading of the words, and one generator over all of them. It speaks
in one go or word by word, as `bmt.BiModal` does. Names of layers are those of the released code. Knows
neither words nor seconds; its events are proposed by others (`bisst`, or a file).
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from models.captions.bmt import Arrays, Streams, as_past, empty_past, put, take
from models.captions.config import MdvcConfig
from models.captions.fusion import NAMES, generator, stream_masks
from models.captions.layers import Attention, Before, Decoder, Encoder, Positions, Words, embedder, xavier


class Mdvc(nn.Module):
    """The published captioner, or one of fewer streams or another fusion for the papers' comparisons."""

    def __init__(self, config: MdvcConfig) -> None:
        super().__init__()
        self.config = config
        for stream in config.streams:
            name, width = NAMES[stream], config.width(stream)
            shape = (
                config.layers(stream),
                width,
                config.hidden(stream),
                config.dropout,
                lambda width=width: Attention(width, width, width, config.heads, listed=True),
            )
            rows = (
                Words(config.speech_vocabulary, width)
                if stream == "speech"
                else embedder(config.features(stream), width, linear=config.linear_embedder, rectified=False)
            )
            self.add_module(f"src_emb_{name}", rows)
            self.add_module(f"trg_emb_{name}", Words(config.vocabulary, width))
            self.add_module(f"pos_emb_{name}", Positions(width, config.longest, config.dropout))
            self.add_module(f"encoder_{name}", Encoder(*shape))
            self.add_module(f"decoder_{name}", Decoder(*shape))
        self.generator = generator(config)
        xavier(self)

    def forward(self, streams: Streams, captions: Tensor) -> Tensor:
        """Log-probabilities of the word after each.

        Args:
            streams: `audio` and `video` (B, n, features) row by row, `speech` (B, m) int64 tokens.
            captions: (B, k) int64.

        Returns:
            (B, k, V).
        """
        memory = self.encode(streams)
        words = captions != self.config.pad
        readings = {}
        for stream in self.config.streams:
            x = self._part("pos_emb", stream)(self._part("trg_emb", stream)(captions))
            readings[stream] = self._decode(stream, x, Before(words), memory)
        return self.generator(readings)

    def encode(self, streams: Streams) -> Arrays:
        """As `bmt.BiModal.encode`."""
        given = {stream: streams[stream] for stream in self.config.streams}
        masks = stream_masks(given, self.config.pad, self.config.pad_value)
        memory: Arrays = {}
        for stream, rows in given.items():
            x = self._part("pos_emb", stream)(self._part("src_emb", stream)(rows))
            x = self._part("encoder", stream)(x, masks[stream])
            memory[f"memory_{stream}_mask"] = masks[stream]
            for number, pair in enumerate(self._part("decoder", stream).memories(x)):
                put(memory, f"memory_{stream}_{number}", pair)
        return memory

    def step(
        self, token: Tensor, position: Tensor, memory: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> tuple[Tensor, Arrays]:
        """As `bmt.BiModal.step`."""
        words = token.unsqueeze(1)
        readings, present = {}, {}
        for stream in self.config.streams:
            pairs = take(past, f"past_{stream}", self.config.layers(stream))
            before = Before(words != self.config.pad, pairs)
            x = self._part("pos_emb", stream).at(self._part("trg_emb", stream)(words), position)
            readings[stream] = self._decode(stream, x, before, memory)
            present |= as_past(before.present, f"past_{stream}")
        return self.generator(readings)[:, -1], present

    def empty_past(self, batch: int) -> Arrays:
        """The past before the first word."""
        past: Arrays = {}
        for stream in self.config.streams:
            layers, width = self.config.layers(stream), self.config.width(stream)
            past |= empty_past(layers, batch, self.config.heads, width, f"past_{stream}")
        return past

    def _decode(self, stream: str, x: Tensor, before: Before, memory: Mapping[str, Tensor]) -> Tensor:
        pairs = take(memory, f"memory_{stream}", self.config.layers(stream))
        return self._part("decoder", stream)(x, before, pairs, memory[f"memory_{stream}_mask"])

    def _part(self, name: str, stream: str) -> nn.Module:
        return getattr(self, f"{name}_{NAMES[stream]}")
