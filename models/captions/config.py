"""The numbers that shape the caption networks; the defaults are the published ones.

In: nothing. Out: frozen dataclasses that a checkpoint holds as plain dictionaries. `from_released` reads the
names that the authors' configurations give the same numbers. Doesn't know torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Modality = Literal["audio_video", "audio", "video"]
Fusion = Literal["concat", "average", "weighted"]
LONGEST = 3660
"""Rows that the authors' table of positions has."""


@dataclass(frozen=True)
class CaptionerConfig:
    """BMT's captioner, bi-modal or uni-modal. The defaults are the published ones: 53,546,452 parameters."""

    modality: Modality = "audio_video"
    vocabulary: int = 10_172
    audio_features: int = 128
    """Numbers in a row of the audio stream as it comes; VGGish."""
    video_features: int = 1024
    """I3D; colour and motion are summed before they come here."""
    audio_width: int = 128
    """Numbers in an audio token inside; that of the features unless there is a linear embedder."""
    video_width: int = 1024
    caption_width: int = 300
    """Numbers in a word inside. A uni-modal captioner takes the width of its stream instead."""
    word_width: int = 300
    """Numbers in a word vector (GloVe); another width than the word's inside is brought there by a layer."""
    inner_width: int = 1024
    """Shared by the heads of each attention. A uni-modal captioner takes the width of its stream instead."""
    audio_hidden: int = 512
    video_hidden: int = 4096
    caption_hidden: int = 1200
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    linear_embedder: bool = False
    """A rectified linear layer between features and tokens."""
    pad: int = 1
    start: int = 2
    end: int = 3
    pad_value: float = 1.0
    """A row of features that begins with it is padding."""
    longest: int = LONGEST
    """Rows and words that positions are kept for; not a weight."""

    @property
    def streams(self) -> tuple[str, ...]:
        """What it takes, in the order of its graph's inputs."""
        return ("audio", "video") if self.modality == "audio_video" else (self.modality,)

    def features(self, stream: str) -> int:
        """Numbers in a row of this stream."""
        return {"audio": self.audio_features, "video": self.video_features}[stream]

    def width(self, stream: str) -> int:
        """Numbers in a token of this stream."""
        return {"audio": self.audio_width, "video": self.video_width}[stream]

    def hidden(self, stream: str) -> int:
        """Numbers inside the feed-forward layers of this stream."""
        return {"audio": self.audio_hidden, "video": self.video_hidden}[stream]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> CaptionerConfig:
        """The inverse of `to_dict`."""
        return cls(**held)

    @classmethod
    def from_released(cls, held: Mapping[str, Any], vocabulary: int) -> CaptionerConfig:
        """From the arguments of the authors' training script.

        Args:
            held: what their configuration says; what it doesn't say is as published.
            vocabulary: number of words, which they keep beside it.
        """
        words = held.get("d_model_caps", cls.caption_width)
        return cls(
            modality=held.get("modality", cls.modality),
            vocabulary=vocabulary,
            audio_features=held.get("d_aud", cls.audio_features),
            video_features=held.get("d_vid", cls.video_features),
            audio_width=held.get("d_model_audio") or held.get("d_aud", cls.audio_width),
            video_width=held.get("d_model_video") or held.get("d_vid", cls.video_width),
            caption_width=words,
            word_width=held.get("glove_dim", words),
            inner_width=held.get("d_model", cls.inner_width),
            audio_hidden=held.get("d_ff_audio", cls.audio_hidden),
            video_hidden=held.get("d_ff_video", cls.video_hidden),
            caption_hidden=held.get("d_ff_caps", cls.caption_hidden),
            heads=held.get("H", cls.heads),
            layers=held.get("N", cls.layers),
            dropout=held.get("dout_p", cls.dropout),
            linear_embedder=held.get("use_linear_embedder", cls.linear_embedder),
            pad=held.get("pad_idx", cls.pad),
            start=held.get("start_idx", cls.start),
            end=held.get("end_idx", cls.end),
            pad_value=float(held.get("pad_idx", cls.pad_value)),
        )


@dataclass(frozen=True)
class HeadsConfig:
    """The proposal heads of one stream: one a kernel size, each with all anchors."""

    anchors_s: tuple[float, ...]
    """Lengths that events have, in seconds, ascending: the K-means of a training set's."""
    kernels: tuple[int, ...]
    """Rows that a head looks at, odd."""
    stride_s: float
    """Between two rows of the stream."""
    rows: int
    """What the stream is padded to."""
    convolutions: tuple[int, ...] = (512, 512)
    """Channels between the encoder and the answer."""

    @classmethod
    def audio(cls, anchors_s: tuple[float, ...]) -> HeadsConfig:
        """The published heads over VGGish, which has 48 anchors."""
        return cls(anchors_s, (5, 13, 23, 35, 51, 69, 91, 121, 161, 211), stride_s=0.96, rows=800)

    @classmethod
    def video(cls, anchors_s: tuple[float, ...]) -> HeadsConfig:
        """The published heads over I3D, which has 128 anchors."""
        return cls(anchors_s, (1, 5, 9, 13, 19, 25, 35, 45, 61, 79), stride_s=2.56, rows=300)


@dataclass(frozen=True)
class ProposalConfig:
    """BMT's proposal generator: a captioner's encoder, and heads over each of its streams."""

    encoder: CaptionerConfig
    """What it takes and the encoder's shape; its numbers for words aren't asked."""
    audio: HeadsConfig | None
    """None where the encoder hears nothing."""
    video: HeadsConfig | None
    layer_norm: bool = False
    """Before each convolution."""
    dropout: float = 0.1
    """In the heads."""
    event_weight: float = 1.0
    """Of the confidence where there is an event, in the loss."""
    no_event_weight: float = 100.0
    """Of the confidence where there is none."""

    @property
    def streams(self) -> tuple[str, ...]:
        """As the encoder's."""
        return self.encoder.streams

    def heads(self, stream: str) -> HeadsConfig:
        """Those of one stream."""
        heads = {"audio": self.audio, "video": self.video}[stream]
        if heads is None:
            raise ValueError(f"the proposal network has no heads over {stream}")
        return heads

    @property
    def pad_to(self) -> dict[str, int]:
        """Rows that each stream is padded to."""
        return {stream: self.heads(stream).rows for stream in self.streams}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> ProposalConfig:
        """The inverse of `to_dict`; also takes lists for tuples, as JSON gives them."""
        parts = {
            stream: HeadsConfig(**_with_tuples(held[stream])) if held[stream] else None
            for stream in ("audio", "video")
        }
        return cls(**{**held, "encoder": CaptionerConfig.from_dict(held["encoder"]), **parts})

    @classmethod
    def from_released(
        cls, held: Mapping[str, Any], anchors_s: Mapping[str, Any], encoder: CaptionerConfig | None = None
    ) -> ProposalConfig:
        """From the arguments of the authors' training script and the anchors that lie beside them.

        Args:
            held: what their configuration says; what it doesn't say is as published.
            anchors_s: by stream.
            encoder: that of the captioner it was made from, if it says other sizes than `held`.
        """
        encoder = encoder or CaptionerConfig.from_released(held, CaptionerConfig.vocabulary)
        published = {"audio": HeadsConfig.audio, "video": HeadsConfig.video}
        heads: dict[str, HeadsConfig | None] = {"audio": None, "video": None}
        for stream in encoder.streams:
            usual = published[stream](tuple(float(anchor) for anchor in anchors_s[stream]))
            heads[stream] = HeadsConfig(
                usual.anchors_s,
                kernels=tuple(held.get("kernel_sizes", {}).get(stream, usual.kernels)),
                stride_s=held.get("strides", {}).get(stream, usual.stride_s),
                rows=held.get("pad_feats_up_to", {}).get(stream, usual.rows),
                convolutions=tuple(held.get(f"conv_layers_{stream}", usual.convolutions)),
            )
        return cls(
            encoder,
            heads["audio"],
            heads["video"],
            layer_norm=held.get("layer_norm", False),
            dropout=held.get("dout_p", 0.1),
            event_weight=held.get("obj_coeff", 1.0),
            no_event_weight=held.get("noobj_coeff", 100.0),
        )


@dataclass(frozen=True)
class MdvcConfig:
    """MDVC: a transformer a modality, and one generator. Defaults as published, at BMT's vocabulary."""

    vocabulary: int = 10_172
    speech_vocabulary: int = 23_043
    """Words of what is said, numbered on their own."""
    audio_features: int = 128
    video_features: int = 1024
    audio_width: int = 128
    video_width: int = 1024
    speech_width: int = 512
    audio_hidden: int = 2048
    video_hidden: int = 2048
    speech_hidden: int = 2048
    audio_layers: int = 1
    video_layers: int = 1
    speech_layers: int = 1
    heads: int = 4
    dropout: float = 0.1
    linear_embedder: bool = False
    """A linear layer between features and tokens; unlike BMT's not rectified."""
    pad: int = 1
    start: int = 2
    end: int = 3
    pad_value: float = 1.0
    longest: int = LONGEST
    fusion: Fusion = "concat"
    """How the streams' decoders come to one word; the others are for the papers' comparison."""
    streams: tuple[str, ...] = ("audio", "video", "speech")
    """Fewer for the papers' comparisons of modalities."""

    def width(self, stream: str) -> int:
        """Numbers in a token of this stream."""
        return {"audio": self.audio_width, "video": self.video_width, "speech": self.speech_width}[stream]

    def hidden(self, stream: str) -> int:
        """Numbers inside the feed-forward layers of this stream."""
        return {"audio": self.audio_hidden, "video": self.video_hidden, "speech": self.speech_hidden}[stream]

    def layers(self, stream: str) -> int:
        """Layers of this stream's encoder, and of its decoder."""
        return {"audio": self.audio_layers, "video": self.video_layers, "speech": self.speech_layers}[stream]

    def features(self, stream: str) -> int:
        """Numbers in a row of this stream; speech comes as one token a row."""
        return {"audio": self.audio_features, "video": self.video_features, "speech": 1}[stream]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> MdvcConfig:
        """The inverse of `to_dict`; also takes lists for tuples, as JSON gives them."""
        return cls(**_with_tuples(held))

    @classmethod
    def from_released(cls, held: Mapping[str, Any]) -> MdvcConfig:
        """From the arguments of the authors' network; what they don't say is as published."""
        names = {
            "vocabulary": "trg_voc_size",
            "speech_vocabulary": "src_subs_voc_size",
            "audio_features": "d_feat_audio",
            "video_features": "d_feat_video",
            "audio_width": "d_model_audio",
            "video_width": "d_model_video",
            "speech_width": "d_model_subs",
            "audio_hidden": "d_ff_audio",
            "video_hidden": "d_ff_video",
            "speech_hidden": "d_ff_subs",
            "audio_layers": "N_audio",
            "video_layers": "N_video",
            "speech_layers": "N_subs",
            "heads": "H",
            "dropout": "dout_p",
            "linear_embedder": "use_linear_embedder",
            "pad": "pad_idx",
            "start": "start_idx",
            "end": "end_idx",
            "pad_value": "pad_idx",
        }
        return cls(**{ours: held[theirs] for ours, theirs in names.items() if theirs in held})


@dataclass(frozen=True)
class BisstConfig:
    """Bi-SST, the proposal network that MDVC borrows: features -> events, looked at from both ends."""

    anchors_s: tuple[float, ...]
    """Lengths of events that end at a row, in seconds: the K-means of a training set's."""
    features: int = 500
    """C3D, brought down by PCA."""
    width: int = 512
    """Numbers in an LSTM's state."""
    layers: int = 1
    dropout: float = 0.0
    stride_s: float = 0.64
    """Between two rows: 16 frames at 25 a second."""
    positive_overlap: float = 0.5
    """tIoU from which an anchor counts as an event in training."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> BisstConfig:
        """The inverse of `to_dict`; also takes lists for tuples, as JSON gives them."""
        return cls(**_with_tuples(held))


@dataclass(frozen=True)
class RecurrentConfig:
    """The Bi-GRU captioner that MDVC is held against: the same streams and generator, recurrent inside."""

    network: MdvcConfig = field(default_factory=MdvcConfig)
    layers: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> RecurrentConfig:
        """The inverse of `to_dict`."""
        return cls(MdvcConfig.from_dict(held["network"]), held["layers"])


def _with_tuples(held: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}
