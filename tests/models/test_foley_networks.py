"""The foley networks at sizes of our own: what they promise, without the authors' weights."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from models.foley import melgan, metrics  # noqa: E402
from models.foley.codebook import Codebook, Quantiser, perplexity  # noqa: E402
from models.foley.config import ClassifierConfig, CodebookConfig, MelGANConfig, SamplerConfig  # noqa: E402
from models.foley.losses import CodebookLoss, Weights  # noqa: E402
from models.foley.lpaps import LPAPS  # noqa: E402
from models.foley.melception import Melception  # noqa: E402
from models.foley.patchgan import PatchGAN  # noqa: E402
from models.foley.sampler import Sampler, from_released, probabilities, to_columns, to_rows  # noqa: E402
from models.foley.vggishish import VGGishish  # noqa: E402
from otio_avassist import signals  # noqa: E402

SMALL = CodebookConfig(
    codes=7,
    width=6,
    channels=8,
    multipliers=(1, 2, 2),
    blocks=1,
    attention_at=(4,),
    resolution=16,
    groups=4,
)
SPOKEN = SamplerConfig(
    codes=9,
    positions=16,
    layers=2,
    heads=2,
    width=8,
    feature_width=5,
    features=3,
    classes=4,
    rows=3,
    columns=4,
)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.mark.parametrize("config", [SMALL, SPOKEN, MelGANConfig(ratios=(4, 3)), ClassifierConfig(divisor=8)])
def test_a_config_comes_back_from_json(config):
    assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


# Spectrogram <-> codes


def test_the_quantiser_takes_the_nearest_entry():
    quantiser = Quantiser(11, 3, 0.25)
    z = 0.1 * torch.randn(2, 3, 4, 5)
    entries, _, codes = quantiser(z)
    for film in range(2):
        for place, code in enumerate(codes[film].tolist()):
            here = z[film, :, place // 5, place % 5]
            distances = (quantiser.embedding.weight - here).norm(dim=1)
            assert code == int(distances.argmin())
            torch.testing.assert_close(
                entries[film, :, place // 5, place % 5], quantiser.embedding.weight[code]
            )


def test_the_gradient_goes_straight_through_the_quantiser():
    quantiser = Quantiser(11, 3, 0.25)
    z = torch.randn(1, 3, 2, 2, requires_grad=True)
    entries, loss, codes = quantiser(z)
    coming = torch.randn_like(entries)
    entries.backward(coming, retain_graph=True)
    torch.testing.assert_close(z.grad, coming)
    assert quantiser.embedding.weight.grad is None
    loss.backward()
    # The loss moves the entries that are in use, and no other.
    moved = quantiser.embedding.weight.grad.abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == sorted(set(codes.flatten().tolist()))


def test_the_codebooks_loss_weighs_its_entries_a_quarter_as_released():
    quantiser = Quantiser(1, 1, 0.25)
    nn.init.zeros_(quantiser.embedding.weight)
    z = torch.full((1, 1, 1, 1), 2.0, requires_grad=True)
    _, loss, _ = quantiser(z)
    loss.backward()
    assert loss.item() == pytest.approx(4 + 0.25 * 4)
    assert z.grad.item() == pytest.approx(2 * 2.0)
    assert quantiser.embedding.weight.grad.item() == pytest.approx(-0.25 * 2 * 2.0)


@pytest.mark.parametrize("columns", [2, 4, 9])
def test_a_codebook_of_any_size_gives_codes_and_a_spectrogram_of_any_length(columns):
    codebook = Codebook(SMALL).eval()
    assert SMALL.frames_per_column == 4
    x = torch.randn(2, 1, 8, 4 * columns)
    _, _, codes = codebook.encode(x)
    assert codes.shape == (2, 2 * columns)
    made, _ = codebook(x)
    assert made.shape == x.shape
    torch.testing.assert_close(codebook.decode_codes(codes.unflatten(-1, (2, columns))), made)


def test_every_weight_of_the_codebook_learns():
    codebook = Codebook(SMALL)
    x = torch.randn(2, 1, 8, 16)
    made, loss = codebook(x)
    ((x - made).abs().mean() + loss).backward()
    # The bias of keys changes all scores alike, and a softmax doesn't see it.
    still = [
        name
        for name, weight in codebook.named_parameters()
        if not name.endswith(".k.bias") and (weight.grad is None or not weight.grad.any())
    ]
    assert still == []


def test_perplexity_counts_codes_that_are_used_alike():
    assert perplexity(torch.arange(6).repeat(2), 10).item() == pytest.approx(6, rel=1e-5)
    assert perplexity(torch.zeros(8, dtype=torch.long), 10).item() == pytest.approx(1, rel=1e-5)


# The sampler


def condition(batch: int = 2, config: SamplerConfig = SPOKEN):
    return {
        "features": torch.randn(batch, config.feature_width, config.features),
        "classes": torch.randint(0, config.classes, (batch, 1)),
    }


def test_codes_by_rows_and_by_columns_are_the_same_grid():
    grid = torch.arange(15).reshape(3, 5)
    assert to_columns(grid.flatten(), 3, 5).tolist() == grid.T.flatten().tolist()
    assert to_rows(grid.T.flatten(), 3, 5).tolist() == grid.flatten().tolist()


def test_no_code_sees_what_comes_after_it():
    network = Sampler(SPOKEN).eval()
    given, codes = condition(), torch.randint(0, 9, (2, 12))
    nn.init.normal_(network.pos_emb)
    before = network(codes, **given)
    codes[:, 5] = (codes[:, 5] + 1) % 9
    after = network(codes, **given)
    same = torch.isclose(before, after, atol=1e-6).all(dim=-1).all(dim=0)
    # 4 positions of the condition, then 5 codes.
    assert same.tolist() == [True] * 9 + [False] * 7


def test_step_by_step_gives_what_all_at_once_gives():
    network = Sampler(SPOKEN).eval()
    nn.init.normal_(network.pos_emb)
    given, codes = condition(), torch.randint(0, 9, (2, 12))
    at_once = network(codes, **given)
    prefix = network.prefix(**given)
    scores, past = network.step(prefix, codes[:, :3])
    torch.testing.assert_close(scores, at_once[:, 4 + 3 - 1])
    for stretch in (slice(3, 4), slice(4, 7), slice(7, 12)):
        scores, past = network.step(prefix[:, :0], codes[:, stretch], past)
        torch.testing.assert_close(scores, at_once[:, 4 + stretch.stop - 1])


def test_the_loss_is_the_mean_surprise_of_each_code_after_those_before():
    network = Sampler(SPOKEN).eval()
    given, codes = condition(), torch.randint(0, 9, (2, 12))
    prefix = network.prefix(**given)
    surprise = []
    for count in range(12):
        scores, _ = network.step(prefix, codes[:, :count])
        surprise.append(-scores.log_softmax(-1).gather(1, codes[:, count : count + 1]))
    torch.testing.assert_close(network.loss(codes, **given), torch.stack(surprise).mean())


def test_a_seed_gives_the_same_codes_and_given_ones_stay():
    network = Sampler(SPOKEN).eval()
    prefix, given = network.prefix(**condition()), torch.randint(0, 9, (2, 5))

    def drawn(seed: int):
        return network.sample(prefix, 12, given=given, generator=torch.Generator().manual_seed(seed))

    assert drawn(1).shape == (2, 12)
    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert torch.equal(drawn(1)[:, :5], given)


def test_codes_as_likely_as_the_last_of_the_likeliest_stay():
    chances = probabilities(torch.tensor([3.0, 1.0, 2.0, 2.0, 0.0]), top_k=2, temperature=0.5)
    weights = np.exp(np.array([6.0, 4.0, 4.0]))
    np.testing.assert_allclose(chances[[0, 2, 3]], weights / weights.sum(), rtol=1e-5)
    assert chances[[1, 4]].tolist() == [0, 0]


def test_a_sampler_says_what_it_takes():
    only_class = Sampler(replace(SPOKEN, feature_width=None))
    with pytest.raises(ValueError, match=r"takes no features and a class.*given features and no class"):
        only_class.prefix(torch.randn(1, 5, 3))
    with pytest.raises(ValueError, match="16 positions, 17"):
        Sampler(SPOKEN)(torch.zeros(2, 13, dtype=torch.long), **condition())
    with pytest.raises(ValueError, match="begins with"):
        replace(SPOKEN, feature_width=None, classes=None)


def test_released_masks_are_taken_off_only_where_they_are_causal():
    causal = torch.ones(1, 1, 3, 3).tril()
    held = {
        "transformer.head.weight": torch.ones(2),
        "transformer.blocks.0.attn.mask": causal,
    }
    assert list(from_released(held)) == ["head.weight"]
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.mask"):
        from_released({**held, "transformer.blocks.0.attn.mask": torch.ones(1, 1, 3, 3)})


def test_gpts_first_weights_are_small_and_the_embedders_are_pytorchs_own():
    network = Sampler(replace(SPOKEN, width=64))
    assert network.head.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not network.blocks[0].attn.key.bias.any()
    assert network.cls_embedder.weight.std().item() == pytest.approx(1, rel=0.2)


# Spectrogram <-> sound

VOICE = MelGANConfig(
    mels=6,
    channels=2,
    residual=2,
    ratios=(3, 2),
    scales=2,
    judge_channels=4,
    judge_layers=2,
    judge_ratio=3,
    widest=24,
)


def test_a_vocoder_of_any_ratios_makes_sound_as_long_as_its_spectrogram():
    network = melgan.Generator(VOICE)
    sound = network(torch.rand(2, 6, 11))
    assert sound.shape == (2, 1, 66)
    assert sound.abs().max() <= 1


def test_a_direction_and_a_length_are_what_pytorch_makes_of_them():
    ours = melgan.Conv(4, 6, 3, padding=1, groups=2)
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3, padding=1, groups=2))
    # PyTorch reads the released names, too.
    theirs.load_state_dict(ours.state_dict())
    nn.init.normal_(ours.weight_g)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, 9)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_folded_vocoder_sounds_the_same_and_has_a_weight_less_a_layer():
    network = melgan.Generator(VOICE).eval()
    for layer in network.modules():
        if hasattr(layer, "weight_g"):
            nn.init.uniform_(layer.weight_g, 0.5, 2)
    mel = torch.rand(1, 6, 8)
    before, layers = network(mel), len(list(network.parameters())) // 3
    folded = melgan.fold(network)
    torch.testing.assert_close(folded(mel), before)
    assert len(list(folded.parameters())) == 2 * layers
    assert not [name for name in folded.state_dict() if "weight_" in name]


def test_a_vocoders_judge_of_any_width_learns_what_is_real():
    judge, rng = melgan.Discriminator(VOICE), torch.Generator().manual_seed(1)
    adam = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(20):
        real = torch.sin(torch.rand(8, 1, 1, generator=rng) * 9 + torch.arange(256) / 5)
        fake = torch.randn(8, 1, 256, generator=rng)
        loss = melgan.judge_loss(judge(real), judge(fake))
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 1
    assert melgan.generator_loss(judge(real)) < melgan.generator_loss(judge(fake))
    assert melgan.matching_loss(judge(real), judge(real)) == 0
    assert melgan.matching_loss(judge(real), judge(fake)) > 0


def test_matching_counts_layers_and_scales_as_published():
    # 2 judges with the published 7 layers; all but the score are 1 apart: 2 x 6 x 4/5 x 1/2.
    real = [[torch.zeros(1)] * 7] * 2
    fake = [[torch.ones(1)] * 7] * 2
    assert melgan.matching_loss(real, fake).item() == pytest.approx(2 * 6 * 4 / 5 / 2)


def test_foleys_spectrogram_is_torchaudios():
    torchaudio = pytest.importorskip("torchaudio")
    samples = np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32)
    mel = torchaudio.transforms.MelSpectrogram(
        22_050, 1024, None, 256, 125, 7600, n_mels=80, power=1.0, norm="slaney", mel_scale="slaney"
    )(torch.from_numpy(samples))
    wanted = (20 * mel.clamp(min=1e-5).log10() + 80) / 100
    np.testing.assert_allclose(signals.foley_log_mel(samples), wanted.clamp(0, 1), atol=2e-5)


# What the codebook is trained by


@pytest.fixture
def eyes():
    config = ClassifierConfig(classes=3, mels=16, divisor=32)
    return VGGishish(config), torch.rand(16, 2) + 0.5


def test_a_perceptual_distance_looks_by_a_classifiers_eyes(eyes):
    network, statistics = eyes
    distance = LPAPS.of(network, statistics)
    x = torch.rand(2, 1, 16, 32)
    standardised = (x - statistics[:, :1]) / statistics[:, 1:]
    torch.testing.assert_close(distance.features(2 * x - 1)[-1], network.features(standardised))


def test_a_perceptual_distance_moves_spectrograms_and_is_never_trained_itself(eyes):
    distance = LPAPS.of(*eyes).train()
    x, other = torch.rand(2, 1, 16, 32), torch.rand(2, 1, 16, 32, requires_grad=True)
    assert distance(x, x).abs().max() == 0
    # The same each time: nothing is dropped.
    assert torch.equal(distance(x, other), distance(x, other))
    distance(x, other).sum().backward()
    assert other.grad.abs().sum() > 0
    assert not [each for each in distance.parameters() if each.requires_grad]


def losses(**weights):
    return CodebookLoss(PatchGAN(channels=4, layers=2), None, Weights(judge_from=5, **weights))


def test_the_judge_counts_and_learns_from_its_first_step_on():
    loss, x, last = losses(), torch.randn(1, 1, 16, 32), nn.Parameter(torch.tensor(1.0))
    made = x * last + 0.1
    for step, counts in ((4, 0.0), (5, 1.0)):
        found = loss.generator(x, made, torch.tensor(0.5), step, last)
        assert found.judge_counts == counts
        wanted = found.reconstruction + 0.5 + counts * 0.8 * found.judge
        assert found.total.item() == pytest.approx(wanted.item(), abs=1e-6)
        assert (loss.judge(x, made, step).total != 0) == bool(counts)


def test_a_balanced_judge_pulls_as_hard_as_the_rest():
    loss = losses(balance=(0.0, 1e4), judge=1.0)
    x, last = torch.randn(1, 1, 16, 32), nn.Parameter(torch.tensor(0.5))
    made = x * last
    found = loss.generator(x, made, torch.tensor(0.0), 9, last)
    pixels, judged = (x - made).abs().mean(), -loss.discriminator(made).mean()
    pulls = [torch.autograd.grad(each, last, retain_graph=True)[0].abs() for each in (pixels, judged)]
    assert found.judge_weight.item() == pytest.approx((pulls[0] / (pulls[1] + 1e-4)).item(), rel=1e-3)


def test_a_judge_of_no_weight_is_not_asked():
    loss, x = losses(judge=0.0), torch.randn(1, 1, 16, 32)
    loss.discriminator = None
    found = loss.generator(x, x + 0.5, torch.tensor(0.25), 9, nn.Parameter(torch.ones(1)))
    assert found.total.item() == pytest.approx(0.75)


# What judges sounds


@pytest.mark.parametrize("kind", [Melception, VGGishish])
def test_a_classifier_of_any_width_learns(kind):
    network = kind(ClassifierConfig(classes=5, divisor=16))
    logits = network(torch.randn(2, 1, 80, 96))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    asked = [weight for weight in network.parameters() if weight.requires_grad]
    assert all(weight.grad is not None for weight in asked)


def spread(mean, deviations):
    """Six points a dimension, of exactly this mean, these deviations, and no correlation."""
    count = 2 * len(mean)
    points = np.zeros((count, len(mean)))
    for axis, deviation in enumerate(deviations):
        points[2 * axis, axis] = deviation * sqrt((count - 1) / 2)
        points[2 * axis + 1, axis] = -deviation * sqrt((count - 1) / 2)
    return points + mean


def test_the_frechet_distance_is_that_of_two_normal_distributions():
    one, other = spread([0, 0, 0], [1, 2, 0.5]), spread([3, 4, 0], [2, 2, 1])
    # Uncorrelated: the squared distances of means and of deviations.
    assert metrics.frechet_distance(one, other) == pytest.approx(9 + 16 + 1 + 0 + 0.25)
    # Where there are fewer sounds than features.
    few = np.random.default_rng(0).normal(size=(4, 20))
    assert metrics.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(few, few + 1) == pytest.approx(20)


def test_the_kernel_distance_is_the_mean_over_all_pairs():
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(6, 3)), draw.normal(1, 1, size=(6, 3))

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    def within(points):
        return np.mean([kernel(x, y) for i, x in enumerate(points) for j, y in enumerate(points) if i != j])

    between = np.mean([kernel(x, y) for x in one for y in other])
    mean, deviation = metrics.kernel_distance(one, other, subsets=3, size=6)
    assert mean == pytest.approx(within(one) + within(other) - 2 * between)
    assert deviation == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="subsets of 7"):
        metrics.kernel_distance(one, other, size=7)


def test_the_inception_score_counts_kinds_of_sound_one_is_sure_of():
    sure = 50 * np.eye(4)[np.arange(400) % 4]
    assert metrics.inception_score(sure, splits=1)[0] == pytest.approx(4, rel=1e-6)
    assert metrics.inception_score(np.zeros((40, 4)))[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="3 sounds"):
        metrics.inception_score(np.zeros((3, 4)))


def test_mean_kl_is_what_the_fake_did_not_say():
    real, fake = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.5, 0.5], [0.1, 0.9]])
    assert metrics.mean_kl(real, fake) == pytest.approx((0 + 0.8 * log(9)) / 2, abs=1e-5)
    assert metrics.mean_kl(real, real) == pytest.approx(0, abs=1e-5)
