"""The sampler (Iashin and Rahtu 2021): pictures, a kind of sound, or both -> codes, one after the other.

In: codes in the sampler's order, column by column (time-major), each from low to high; features (B, D, n)
of pictures; classes (B, 1). Out: logits of the next code. Names of layers are those of the released code,
without the `transformer.` before each. Doesn't know what codes sound like.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.foley.config import SamplerConfig
from models.transformer import Attention, feed_forward

KeysValues = tuple[Tensor, Tensor]
"""What a layer remembers of the positions so far, (B, heads, n, width / heads) each."""
Past = list[KeysValues]


def to_columns(codes: Tensor, rows: int, columns: int) -> Tensor:
    """The codebook's order, row by row, into the sampler's, column by column. Shape: (..., n)."""
    return codes.unflatten(-1, (rows, columns)).transpose(-2, -1).flatten(-2)


def to_rows(codes: Tensor, rows: int, columns: int) -> Tensor:
    """The sampler's order, column by column, into the codebook's. Shape: (..., n)."""
    return codes.unflatten(-1, (columns, rows)).transpose(-2, -1).flatten(-2)


class CausalAttention(Attention):
    """Attention in which a position looks at itself and at what came before."""

    def gather(self, x: Tensor, past: KeysValues | None = None) -> tuple[Tensor, KeysValues]:
        """Tokens (B, n, d), of which those before are in `past` -> what they gathered, and the new past."""
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        mask = None
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
            before = past[0].shape[2]
            mask = torch.ones(x.shape[1], k.shape[2], dtype=torch.bool, device=x.device).tril(before)
        dropout = self.attn_drop.p if self.training else 0.0
        gathered = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None
        )
        return self.resid_drop(self.proj(gathered.transpose(1, 2).flatten(2))), (k, v)

    def looks(self, x: Tensor) -> Tensor:
        """Where each of tokens (B, n, d) looks: probabilities (B, heads, n, n)."""
        q, k = self._split(self.query(x)), self._split(self.key(x))
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        return scores.masked_fill(later, float("-inf")).softmax(-1)


class Block(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.attn = CausalAttention(width, heads, attention_dropout=dropout, residual_dropout=dropout)
        self.mlp = feed_forward(width, dropout)

    def forward(self, x: Tensor, past: KeysValues | None = None) -> tuple[Tensor, KeysValues]:
        """(B, n, d) -> the same, and what is remembered."""
        gathered, past = self.attn.gather(self.ln1(x), past)
        x = x + gathered
        return x + self.mlp(self.ln2(x)), past


class Sampler(nn.Module):
    """The transformer."""

    def __init__(self, config: SamplerConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_emb = nn.Embedding(config.codes, config.width)
        self.pos_emb = nn.Parameter(torch.zeros(1, config.positions, config.width))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.ln_f = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.codes, bias=False)
        self.apply(_begin)
        # The embedders of the condition keep PyTorch's own first weights, as published.
        both = config.feature_width is not None and config.classes is not None
        self.pictures, self.sounds = ("feat_embedder", "cls_embedder") if both else ("embedder", "embedder")
        if config.feature_width is not None:
            self.add_module(self.pictures, nn.Conv1d(config.feature_width, config.width, 1))
        if config.classes is not None:
            self.add_module(self.sounds, nn.Embedding(config.classes, config.width))

    def prefix(self, features: Tensor | None = None, classes: Tensor | None = None) -> Tensor:
        """The condition as it stands before the codes, without positions.

        Shape: (B, D, n) and (B, 1) -> (B, p, d), p = n, 1 or n + 1.

        Raises:
            ValueError: something that this sampler wants is missing, or it can't take what is given.
        """
        wanted = self.config.feature_width is not None, self.config.classes is not None
        given = features is not None, classes is not None
        if wanted != given:
            names = ("no features", "features"), ("no class", "a class")
            said = [
                " and ".join(name[has] for name, has in zip(names, each, strict=True))
                for each in (wanted, given)
            ]
            raise ValueError(f"this sampler takes {said[0]}, and was given {said[1]}")
        parts = []
        if features is not None:
            parts.append(getattr(self, self.pictures)(features).transpose(1, 2))
        if classes is not None:
            parts.append(getattr(self, self.sounds)(classes))
        return torch.cat(parts, dim=1)

    def forward(self, codes: Tensor, features: Tensor | None = None, classes: Tensor | None = None) -> Tensor:
        """What may come after each position. Shape: (B, t), … -> logits (B, p + t, codes)."""
        return self._logits(self.prefix(features, classes), codes)[0]

    def loss(self, codes: Tensor, features: Tensor | None = None, classes: Tensor | None = None) -> Tensor:
        """Mean cross-entropy of all of `codes` (B, t), each after the true ones before it."""
        prefix = self.prefix(features, classes)
        logits, _ = self._logits(prefix, codes[:, :-1])
        # The last position of the condition says the first code.
        return F.cross_entropy(logits[:, prefix.shape[1] - 1 :].flatten(0, 1), codes.flatten())

    def step(self, prefix: Tensor, codes: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """What may come next, with what is remembered of the positions so far.

        Shape: (B, m, d) and (B, t) -> logits (B, codes), and the past after it. First the whole condition and
        the codes that are given; then m = 0, t = 1.
        """
        logits, past = self._logits(prefix, codes, past, last=True)
        return logits[:, 0], past

    def looks(self, codes: Tensor, features: Tensor | None = None, classes: Tensor | None = None) -> Tensor:
        """Where each position looks in the last layer: probabilities (B, heads, p + t, p + t)."""
        x = self._placed(self.prefix(features, classes), codes, 0)
        *before, last = self.blocks
        for block in before:
            x, _ = block(x)
        return last.attn.looks(last.ln1(x))

    @torch.inference_mode()
    def sample(
        self,
        prefix: Tensor,
        count: int,
        *,
        given: Tensor | None = None,
        top_k: int | None = 100,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """`count` codes in all, those `given` (B, t) first. Top-k of 1 takes the likeliest each time.

        Shape: (B, p, d) -> (B, count).
        """
        codes = prefix.new_zeros((len(prefix), 0), dtype=torch.long) if given is None else given
        fresh, past = codes, None
        while codes.shape[1] < count:
            logits, past = self.step(prefix, fresh, past)
            chances = probabilities(logits, temperature=temperature, top_k=top_k)
            fresh = torch.multinomial(chances, 1, generator=generator)
            codes, prefix = torch.cat([codes, fresh], dim=1), prefix[:, :0]
        return codes

    def _logits(
        self, prefix: Tensor, codes: Tensor, past: Past | None = None, *, last: bool = False
    ) -> tuple[Tensor, Past]:
        before = past[0][0].shape[2] if past else 0
        x = self.drop(self._placed(prefix, codes, before))
        kept: Past = []
        for number, block in enumerate(self.blocks):
            x, keys_values = block(x, past[number] if past else None)
            kept.append(keys_values)
        return self.head(self.ln_f(x[:, -1:] if last else x)), kept

    def _placed(self, prefix: Tensor, codes: Tensor, before: int) -> Tensor:
        x = torch.cat([prefix, self.tok_emb(codes)], dim=1)
        end = before + x.shape[1]
        if end > self.config.positions:
            raise ValueError(f"this sampler has {self.config.positions} positions, {end} were asked for")
        return x + self.pos_emb[:, before:end]


def probabilities(logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None) -> Tensor:
    """Of the `top_k` likeliest codes, and any as likely as the last of them. Shape: (..., codes)."""
    logits = logits / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return logits.softmax(-1)


def from_released(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights under our names: without `transformer.`, and without a mask in every layer.

    Raises:
        ValueError: a mask isn't the causal one, which is all that we can do.
    """
    held = {}
    for key, value in state_dict.items():
        name = key.removeprefix("transformer.")
        if not name.endswith(".attn.mask"):
            held[name] = value
        elif not torch.equal(value, torch.ones_like(value).tril()):
            raise ValueError(f"{key} isn't the mask that hides what comes later")
    return held


def _begin(layer: nn.Module) -> None:
    """GPT-2's first weights."""
    if isinstance(layer, nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=0.02)
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)
