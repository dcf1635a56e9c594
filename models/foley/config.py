"""The numbers that shape the foley networks; the defaults are the published ones, for VGGSound.

In: nothing. Out: frozen dataclasses that a checkpoint holds as plain dictionaries. `from_released` reads the
names that the authors' configurations give the same numbers. Doesn't know torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class _Config:
    """Plain data, there and back."""

    def to_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; lists, as JSON has them, become tuples again."""
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}
        )


@dataclass(frozen=True)
class CodebookConfig(_Config):
    """The autoencoder between mel spectrograms and codes: 72,137,089 parameters. VAS: 128 codes."""

    codes: int = 1024
    width: int = 256
    """Numbers in an entry of the codebook, and in a place of the encoder's answer."""
    channels: int = 128
    """Of the outermost level."""
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    """Of the channels, a level each; between two levels both sides of the picture are halved."""
    blocks: int = 2
    """Residual blocks a level; the decoder has one more."""
    attention_at: tuple[int, ...] = (53,)
    """Columns at which a level has attention."""
    resolution: int = 848
    """Columns of a spectrogram in training; any multiple of `frames_per_column` will do afterwards."""
    commitment: float = 0.25
    dropout: float = 0.0
    groups: int = 32
    """Of every group normalisation; the channels of each level are a multiple of it."""

    @property
    def frames_per_column(self) -> int:
        """Spectrogram columns behind one column of codes, and bands behind one row: 16."""
        return 2 ** (len(self.multipliers) - 1)

    @classmethod
    def from_released(cls, held: Mapping[str, Any]) -> Self:
        """`held`: the authors' n_embed and embed_dim, with ddconfig inside or flattened into it."""
        inner = {**held, **held.get("ddconfig", {})}
        expected = {"double_z": False, "in_channels": 1, "out_ch": 1, "z_channels": held["embed_dim"]}
        wrong = {name: inner[name] for name, value in expected.items() if inner.get(name, value) != value}
        if wrong:
            raise ValueError(f"a codebook of spectrograms has {expected}, this one {wrong}")
        return cls(
            codes=held["n_embed"],
            width=held["embed_dim"],
            channels=inner["ch"],
            multipliers=tuple(inner["ch_mult"]),
            blocks=inner["num_res_blocks"],
            attention_at=tuple(inner["attn_resolutions"]),
            resolution=inner["resolution"],
            commitment=held.get("beta", 0.25),
            dropout=inner.get("dropout", 0.0),
        )


@dataclass(frozen=True)
class PatchesConfig(_Config):
    """The compact codebook (`models.foley.compact.patches`)."""

    codes: int = 2048
    width: int = 16
    """Numbers in an entry of the codebook."""
    channels: int = 192
    near: int = 1
    """Blocks of the encoder that see the squares beside their own."""
    blocks: int = 5
    """Of the decoder, each of which sees one square further."""
    side: int = 8
    """Columns and bands of a square."""
    mels: int = 80

    @property
    def frames_per_column(self) -> int:
        """Spectrogram columns behind one column of codes, and bands behind one row."""
        return self.side


@dataclass(frozen=True)
class SamplerConfig(_Config):
    """The transformer that says codes one by one: 306,995,200 parameters."""

    codes: int = 1024
    positions: int = 477
    """The condition's and the codes', as many as it ever sees at once: 212 + 265."""
    layers: int = 24
    heads: int = 16
    width: int = 1024
    feature_width: int | None = 2048
    """Numbers in a row that describes a picture (ResNet-50); None: no pictures in the condition."""
    features: int = 212
    """Such rows before the codes; 1, 5, 53 and 212 were published."""
    classes: int | None = None
    """Kinds of sound to ask for, by a position of its own after the features; None: no such position."""
    rows: int = 5
    columns: int = 53
    dropout: float = 0.0
    """Of embeddings, attention and residuals alike."""

    def __post_init__(self) -> None:
        if self.feature_width is None and self.classes is None:
            # Published "no features" is one row of noise as features.
            raise ValueError(
                "a sampler begins with features, a class or both; neither leaves nothing to begin with"
            )
        if self.positions < self.condition + 1:
            raise ValueError(
                f"{self.positions} positions leave no room after a condition of {self.condition}"
            )

    @property
    def condition(self) -> int:
        """Positions before the first code."""
        return (self.features if self.feature_width is not None else 0) + (self.classes is not None)

    @property
    def window(self) -> int:
        """Codes of one spectrogram: 265."""
        return self.rows * self.columns

    @classmethod
    def from_released(cls, held: Mapping[str, Any], *, rows: int, columns: int) -> Self:
        """`held`: the authors' GPT_config beside feat_embedding, token_embedding or both."""
        gpt = held["GPT_config"]
        # Configurations of the training call the same thing feat_embedding_config.
        pictures, sounds = (
            held.get(name) or held.get(f"{name}_config") for name in ("feat_embedding", "token_embedding")
        )
        return cls(
            codes=gpt["vocab_size"],
            positions=gpt["block_size"],
            layers=gpt["n_layer"],
            heads=gpt["n_head"],
            width=gpt["n_embd"],
            feature_width=pictures["params"]["in_channels"] if pictures else None,
            features=gpt["block_size"] - rows * columns - bool(sounds) if pictures else 0,
            classes=sounds["params"]["num_embeddings"] if sounds else None,
            rows=rows,
            columns=columns,
        )


@dataclass(frozen=True)
class MelGANConfig(_Config):
    """The vocoder, 4,266,050 parameters, and what judges it in training, 16,924,086."""

    mels: int = 80
    channels: int = 32
    """Of the last stage; each one before has twice as many."""
    residual: int = 3
    """Blocks behind each stage, dilated by 1, 3, 9 …"""
    ratios: tuple[int, ...] = (8, 8, 2, 2)
    """How much longer each stage makes the sound; together they are the hop of the spectrogram."""
    scales: int = 3
    """Judges: of the sound, of the sound at half its rate, at a quarter."""
    judge_channels: int = 16
    judge_layers: int = 4
    judge_ratio: int = 4
    widest: int = 1024

    @classmethod
    def from_released(cls, held: Mapping[str, Any]) -> Self:
        """`held`: arguments of the authors' generator, discriminator or both."""
        names = {
            "input_size": "mels",
            "ngf": "channels",
            "n_residual_layers": "residual",
            "num_D": "scales",
            "ndf": "judge_channels",
            "n_layers": "judge_layers",
            "downsampling_factor": "judge_ratio",
        }
        return cls(**{ours: held[theirs] for theirs, ours in names.items() if theirs in held})


@dataclass(frozen=True)
class ClassifierConfig(_Config):
    """What Melception and VGGish-ish share: they name the sound of a spectrogram."""

    classes: int = 309
    mels: int = 80
    columns: int = 848
    divisor: int = 1
    """Published widths are divided by this."""
