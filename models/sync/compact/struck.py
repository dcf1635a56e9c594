"""Things that strike: sticks and hands, thrown bodies, feet, fingers, palms, doors, plucked strings."""

from __future__ import annotations

import numpy as np
import pymunk

from models.data.noises import RATE, Rng
from models.sync.compact.acts import Act, Stage, any_colour, laid, lasting, played, skin, takes
from models.sync.compact.drawing import Part
from models.sync.compact.material import STRIKING
from models.sync.compact.motions import (
    LEAD_S,
    apart,
    beats,
    bursts,
    jerk,
    missed,
    moments,
    ring,
    strengths,
    stroke,
    times,
    wander,
)


def strike(rng: Rng, stage: Stage) -> Act:
    """One to three sticks, hammers or hands that beat on what they stand over; a kit or an anvil."""
    clock = stage.clock
    hands = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    played_s = times(rng, clock, 0.12 if hands > 1 else 0.2)
    owner = (
        rng.integers(hands, size=len(played_s)) if rng.random() < 0.5 else np.arange(len(played_s)) % hands
    )
    parts: list[Part] = []
    samples = np.zeros(clock.sample_count, np.float32)
    drumming = rng.random() < 0.5
    heard_s = [np.zeros(0)]
    for hand in range(hands):
        struck_s = apart(played_s[owner == hand], 0.16)
        if not len(struck_s):
            continue
        strength = strengths(rng, len(struck_s))
        roles = ("drum", "snare", "cymbal") if drumming else STRIKING
        role = roles[rng.integers(len(roles))]
        parts += _stick(
            rng, stage, struck_s, strength, (hand - (hands - 1) / 2) * rng.uniform(0.4, 0.9), role
        )
        gains = strength ** rng.uniform(0.8, 2) * rng.uniform(0.4, 1)
        gains = missed(rng, struck_s, gains)
        samples += laid(rng, clock, takes(rng, stage.bank, role), struck_s, gains)
        heard_s.append(struck_s[gains > 0])
    return Act(parts, samples, np.sort(np.concatenate(heard_s)))


def _stick(
    rng: Rng, stage: Stage, struck_s: np.ndarray, strength: np.ndarray, x: float, role: str
) -> list[Part]:
    """An arm with what it holds, and what it strikes."""
    at_s = stage.clock.frame_s
    high = stroke(
        rng, at_s, struck_s, strength, fall_s=rng.uniform(0.06, 0.22), raise_s=rng.uniform(0.12, 0.5)
    )
    turned = rng.uniform(0.3, 1.5)
    length, thick = rng.uniform(0.25, 0.6), rng.uniform(0.02, 0.1)
    side = rng.choice([-1, 1])
    contact = rng.uniform(-0.5, 0.5)  # the angle at which it strikes
    # A whole arm that goes up and down with its stick, more or less.
    lift = rng.uniform(0, 0.35)
    hub_x = x + side * length * np.cos(contact) + wander(rng, at_s, rng.uniform(0, 0.03), 2)
    hub_y = -length * np.sin(contact) - lift * high
    angle = contact + turned * high
    # y grows downwards: a raised stick points up, and at rest its tip is at (x, 0).
    tip_x, tip_y = hub_x - side * length * np.cos(angle), hub_y - length * np.sin(angle - 2 * contact)
    along = np.arctan2(tip_y - hub_y, tip_x - hub_x)
    middle_x, middle_y = (hub_x + tip_x) / 2, (hub_y + tip_y) / 2
    parts = [stage.part(rng, "bar", middle_x, middle_y, length, thick, along)]
    head = thick * rng.uniform(1, 3.5)
    if rng.random() < 0.6:
        shape = str(rng.choice(["box", "ellipse", "blob"]))
        parts.append(stage.part(rng, shape, tip_x, tip_y, head, head * rng.uniform(0.8, 2), along))
    if rng.random() < 0.7:  # a hand and the arm behind it
        hand = thick * rng.uniform(1.5, 3)
        tone = skin(rng)
        reach = rng.uniform(0.3, 0.8)
        out_x, out_y = hub_x + side * reach / 2, hub_y + reach * rng.uniform(0.1, 0.5)
        lean = np.arctan2(out_y - hub_y, out_x - hub_x)
        sleeve = any_colour(rng) if rng.random() < 0.6 else tone
        parts.append(
            stage.part(rng, "bar", (hub_x + out_x) / 2, (hub_y + out_y) / 2, reach, hand, lean, colour=sleeve)
        )
        parts.append(stage.part(rng, "ellipse", hub_x, hub_y, hand * 1.3, hand, along, colour=tone))
    return [*_struck_thing(rng, stage, struck_s, strength, x, role), *parts]


def _struck_thing(
    rng: Rng, stage: Stage, struck_s: np.ndarray, strength: np.ndarray, x: float, role: str
) -> list[Part]:
    """What lies under the stick; it gives way a little."""
    if rng.random() < 0.15:
        return []
    at_s = stage.clock.frame_s
    wide, tall = rng.uniform(0.2, 0.7), rng.uniform(0.05, 0.5)
    if role == "cymbal":
        rocking = ring(at_s, struck_s, strength, hz=rng.uniform(1.5, 4), decay_s=rng.uniform(0.3, 1.2))
        return [stage.part(rng, "ellipse", x, 0.04, wide, 0.06, rng.uniform(0.1, 0.5) * rocking)]
    jolt = ring(at_s, struck_s, strength, hz=rng.uniform(5, 11), decay_s=rng.uniform(0.04, 0.25))
    down = rng.uniform(0, 0.05) * jolt
    shape = str(rng.choice(["box", "ellipse", "bar", "blob"]))
    return [stage.part(rng, shape, x, tall / 2 + down, wide, tall)]


def bodies(rng: Rng, stage: Stage) -> Act:
    """Balls, boxes and chips that fall, are thrown and knock against each other and the ground."""
    at_s, bank = stage.clock.frame_s, stage.bank
    space = pymunk.Space()
    space.gravity = (0, rng.uniform(2.5, 7))  # heights of the picture a second, downwards
    space.iterations = 12
    reach = rng.uniform(0.3, 0.75)
    for start, stop in (
        ((-reach - 1, 0.45), (reach + 1, 0.45 + rng.uniform(-0.05, 0.05))),
        ((-reach, -3), (-reach, 0.6)),
        ((reach, -3), (reach, 0.6)),
    ):
        wall = pymunk.Segment(space.static_body, start, stop, 0.02)
        wall.elasticity, wall.friction = rng.uniform(0.6, 0.98), rng.uniform(0.2, 0.9)
        space.add(wall)
    things = []
    for _ in range(int(rng.choice([1, 2, 3, 5], p=[0.45, 0.25, 0.2, 0.1]))):
        radius = rng.uniform(0.04, 0.16)
        shape = str(rng.choice(["ellipse", "box", "blob"], p=[0.55, 0.3, 0.15]))
        body = pymunk.Body(1, pymunk.moment_for_circle(1, 0, radius))
        body.position = rng.uniform(-0.3, 0.3), rng.uniform(-0.6, 0.2)
        body.velocity = tuple(rng.normal(0, 1, 2))
        outline = (
            pymunk.Circle(body, radius)
            if shape == "ellipse"
            else pymunk.Poly.create_box(body, (2 * radius, 2 * radius), 0.01)
        )
        outline.elasticity, outline.friction = rng.uniform(0.55, 0.97), rng.uniform(0.2, 0.9)
        space.add(body, outline)
        things.append((body, radius, shape))
    # Something unseen sends them up again.
    thrown_s = moments(rng, stage.clock, 0.5, rng.uniform(0.9, 2.2))
    knocked = rng.random() < 0.75  # which is heard too
    hits: list[tuple[float, float]] = []
    now_s = -LEAD_S

    def met(arbiter: pymunk.Arbiter, _space: pymunk.Space, _data: object) -> None:
        if arbiter.is_first_contact:
            hits.append((now_s, arbiter.total_impulse.length))

    space.on_collision(post_solve=met)
    step_s = 1 / 200
    count = int((stage.clock.end_s + 2 * LEAD_S) / step_s)
    path = np.empty((count, len(things), 3))
    turn = 0
    for step in range(count):
        now_s = -LEAD_S + step * step_s
        if turn < len(thrown_s) and now_s >= thrown_s[turn]:
            turn += 1
            body = things[rng.integers(len(things))][0]
            if body.position.y > 0 and rng.random() < 0.9:
                before = body.velocity
                body.velocity = rng.normal(0, 0.7), -rng.uniform(1.2, 3.2)
                if knocked:
                    hits.append((now_s, (body.velocity - before).length))
                body.angular_velocity = rng.normal(0, 5)
        space.step(step_s)
        for index, (body, _, _) in enumerate(things):
            path[step, index] = body.position.x, body.position.y, body.angle
    simulated_s = -LEAD_S + (np.arange(count) + 1) * step_s
    parts = []
    for index, (_, radius, shape) in enumerate(things):
        x, y, angle = (np.interp(at_s, simulated_s, path[:, index, axis]) for axis in range(3))
        parts.append(stage.part(rng, shape, x, y, 2 * radius, 2 * radius, angle))
    if rng.random() < 0.5:
        parts.insert(0, stage.part(rng, "box", 0, 0.47 + 0.25, 3, 0.5))
    found = np.array(hits).reshape(-1, 2)
    hard = found[found[:, 1] > 0.12]
    struck_s = apart(hard[:, 0], 0.04)
    impulse = np.interp(struck_s, hard[:, 0], hard[:, 1]) if len(hard) else np.zeros(0)
    gains = np.clip(impulse / (np.max(impulse, initial=0.1)), 0, 1) ** rng.uniform(0.6, 1.3)
    samples = laid(rng, stage.clock, takes(rng, bank, *STRIKING), struck_s, gains)
    return Act(parts, samples, struck_s[gains > 0.3])


def steps(rng: Rng, stage: Stage) -> Act:
    """Somebody who walks, runs or jumps about: legs that swing, a body that bobs, feet that are heard."""
    clock, at_s = stage.clock, stage.clock.frame_s
    pace_s = rng.uniform(0.28, 0.75)
    landed_s = np.arange(-LEAD_S, clock.end_s + LEAD_S, pace_s)
    landed_s = landed_s + rng.normal(0, 0.04 * pace_s, len(landed_s))
    # It stands still from time to time: phase stops between two landings.
    pauses = rng.random(len(landed_s)) < rng.uniform(0, 0.12)
    landed_s = landed_s + np.cumsum(pauses * rng.uniform(0.4, 1.8, len(landed_s)))
    landed_s = apart(landed_s, 0.15)
    # Each step sets out just in time to land.
    coming = np.clip(np.searchsorted(landed_s, at_s), 1, len(landed_s) - 1)
    took_s = np.minimum(np.diff(landed_s)[coming - 1], 1.3 * pace_s)
    eased = coming + np.clip(1 - (landed_s[coming] - at_s) / took_s, 0, 1)
    swing = np.cos(np.pi * eased)  # ±1 when a foot lands
    stride, leg, thick = rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.5), rng.uniform(0.05, 0.12)
    bounce = rng.uniform(0.01, 0.06) * np.abs(np.sin(np.pi * eased))
    hip_x, hip_y = wander(rng, at_s, rng.uniform(0, 0.4), rng.uniform(2, 5)), 0.1 - bounce
    parts: list[Part] = []
    cloth, shoe = any_colour(rng), any_colour(rng)
    headless, legless = rng.random() < 0.2, rng.random() < 0.25
    for side in (-1, 1):
        angle = side * swing * stride
        # The foot that swings is lifted, and set down as the landing comes.
        forward = np.gradient(side * swing)
        lifted = np.clip(forward / (np.abs(forward).max() + 1e-9), 0, 1) * rng.uniform(0.04, 0.14)
        foot_x, foot_y = hip_x + leg * np.sin(angle), hip_y + leg * np.cos(angle) - lifted
        along = np.arctan2(foot_y - hip_y, foot_x - hip_x)
        length = np.hypot(foot_x - hip_x, foot_y - hip_y)
        parts.append(
            stage.part(
                rng, "bar", (hip_x + foot_x) / 2, (hip_y + foot_y) / 2, length, thick, along, colour=cloth
            )
        )
        parts.append(stage.part(rng, "ellipse", foot_x + 0.04, foot_y, 0.16, 0.07, colour=shoe))
    if legless:  # seen from the waist up
        parts = []
    if legless or not headless:
        lean = rng.uniform(0, 0.06) * swing
        parts.append(stage.part(rng, "bar", hip_x, hip_y - 0.22, 0.22, 0.5, lean))
        parts.append(stage.part(rng, "ellipse", hip_x, hip_y - 0.55, 0.17, 0.22, colour=skin(rng)))
        for side in (-1, 1):
            angle = -side * swing * stride
            parts.append(
                stage.part(
                    rng,
                    "bar",
                    hip_x + 0.13 * np.sin(angle),
                    hip_y - 0.3 + 0.13 * np.cos(angle),
                    0.28,
                    0.07,
                    np.pi / 2 - angle,
                )
            )
    gains = rng.uniform(0.5, 1, len(landed_s))
    if rng.random() < 0.4:
        gains[::2] *= rng.uniform(0.5, 0.9)
    samples = laid(rng, clock, takes(rng, stage.bank, "step", "step", "wood", "stone"), landed_s, gains)
    return Act(parts, samples, landed_s)


def kick(rng: Rng, stage: Stage) -> Act:
    """A foot, a racket or a fist that sends something off, which may be heard again where it lands."""
    clock, at_s = stage.clock, stage.clock.frame_s
    struck_s = moments(rng, clock, 0.8, rng.uniform(1.1, 2.4))
    strength = strengths(rng, len(struck_s))
    gains = missed(rng, struck_s, strength)
    role = str(rng.choice(["drum", "stone", "wood", "snare", "step"]))
    samples = laid(rng, clock, takes(rng, stage.bank, role), struck_s, gains)
    # The leg comes from behind and passes on.
    since = at_s[:, None] - struck_s
    swing_s = rng.uniform(0.08, 0.2)
    passed = np.exp(-np.square(np.clip(since - 0.3 * swing_s, -9, 9) / swing_s))
    angle = (np.tanh(since / swing_s) * passed).sum(1) * rng.uniform(0.5, 1.2) + wander(rng, at_s, 0.05, 1)
    leg, thick = rng.uniform(0.4, 0.7), rng.uniform(0.06, 0.16)
    hip_x, hip_y = -0.1 + wander(rng, at_s, rng.uniform(0, 0.06), 1.0), -0.25
    parts = [
        stage.part(
            rng,
            "bar",
            hip_x + leg / 2 * np.sin(angle),
            hip_y + leg / 2 * np.cos(angle),
            leg,
            thick,
            np.pi / 2 - angle,
        ),
        stage.part(
            rng, "ellipse", hip_x + leg * np.sin(angle), hip_y + leg * np.cos(angle), 2 * thick, thick, -angle
        ),
    ]
    if rng.random() < 0.7:
        parts.append(stage.part(rng, "bar", hip_x - 0.2 * passed.max(1) * 0.2, -0.5, 0.25, 0.6))
        parts.append(stage.part(rng, "ellipse", hip_x, -0.9, 0.18, 0.22, colour=skin(rng)))
    # The ball lies there again some time before the next.
    last = np.clip(np.searchsorted(struck_s, at_s, side="right") - 1, 0, len(struck_s) - 1)
    age_s = np.where(at_s >= struck_s[0], at_s - struck_s[last], 0)
    until_s = np.append(np.diff(struck_s), 1.0)[last] - age_s
    go_x, go_y, gravity = rng.uniform(0.8, 2.5), -rng.uniform(0.2, 1.6), rng.uniform(1, 3)
    # How long before varies: a jump that isn't heard must not announce a blow.
    back_s = rng.uniform(0.12, 0.7, len(struck_s))
    flies = (age_s > 0) & (until_s > back_s[last])
    size = rng.uniform(0.08, 0.22)
    x = 0.1 + np.where(flies, go_x * strength[last] * age_s, 0)
    y = leg - 0.25 + np.where(flies, np.minimum(go_y * strength[last] * age_s + gravity * age_s**2, 0), 0)
    parts.append(
        stage.part(rng, str(rng.choice(["ellipse", "box", "blob"])), x, y, size, size, 6 * age_s * flies)
    )
    if rng.random() < 0.5:
        landed_s = struck_s - go_y * strength / gravity
        seen = landed_s < np.append(struck_s[1:], np.inf) - back_s
        sound = takes(rng, stage.bank, "step", "stone", "drum")
        samples = samples + laid(rng, clock, sound, landed_s[seen], 0.5 * gains[seen])
    return Act(parts, samples, struck_s[gains > 0])


def keys(rng: Rng, stage: Stage) -> Act:
    """Fingers on a keyboard or on piano keys."""
    clock, at_s = stage.clock, stage.clock.frame_s
    fingers = int(rng.integers(2, 7))
    pressed_s = np.sort(np.concatenate([bursts(rng, clock, 0.1), beats(rng, clock, 0.1)]))
    pressed_s = apart(pressed_s, rng.uniform(0.09, 0.2))
    owner = rng.integers(fingers, size=len(pressed_s))
    strength = strengths(rng, len(pressed_s))
    tone = skin(rng)
    bank_role = "piano" if rng.random() < 0.5 else "key"
    board = stage.part(rng, "box", 0, 0.2, 1.6, 0.35)
    parts = [board]
    spread, depth = rng.uniform(0.12, 0.25), rng.uniform(0.05, 0.16)
    drift = wander(rng, at_s, rng.uniform(0, 0.3), rng.uniform(0.7, 2.5))
    whole = np.zeros(len(at_s))
    for finger in range(fingers):
        mine, hard = pressed_s[owner == finger], strength[owner == finger]
        if not len(mine):
            continue
        high = stroke(rng, at_s, mine, hard, fall_s=rng.uniform(0.05, 0.1), raise_s=rng.uniform(0.08, 0.2))
        whole += high / fingers
        x = (finger - fingers / 2) * spread + drift
        length = rng.uniform(0.25, 0.4)
        parts.append(stage.part(rng, "bar", x, 0.1 - depth * high + length / 2, 0.08, length, colour=tone))
    parts.append(
        stage.part(rng, "ellipse", drift, 0.5 - 0.3 * depth * whole, 0.2 + fingers * spread, 0.4, colour=tone)
    )
    if bank_role == "piano":
        samples = np.zeros(clock.sample_count, np.float32)
        for time_s, hard in zip(pressed_s, strength, strict=True):
            samples += laid(
                rng, clock, [played(rng, stage.bank.blow(rng, "piano"))], np.array([time_s]), np.array([hard])
            )
    else:
        samples = laid(rng, clock, takes(rng, stage.bank, "key"), pressed_s, strength)
    return Act(parts, samples, pressed_s)


def clap(rng: Rng, stage: Stage) -> Act:
    """Palms that meet: one pair, or many people's, each at their own pace."""
    clock, at_s = stage.clock, stage.clock.frame_s
    people = int(rng.choice([1, 2, 4], p=[0.7, 0.2, 0.1]))
    samples = np.zeros(clock.sample_count, np.float32)
    parts: list[Part] = []
    all_s = []
    for person in range(people):
        met_s = beats(rng, clock, 0.2) if rng.random() < 0.5 else times(rng, clock, 0.2)
        strength = strengths(rng, len(met_s))
        apart_ = stroke(
            rng, at_s, met_s, strength, fall_s=rng.uniform(0.06, 0.16), raise_s=rng.uniform(0.08, 0.3)
        )
        wide, size = rng.uniform(0.1, 0.45), rng.uniform(0.12, 0.25)
        x, y = (person - (people - 1) / 2) * 0.7, rng.uniform(-0.1, 0.1)
        tone, lean = skin(rng), rng.uniform(-0.6, 0.6)
        for side in (-1, 1):
            away = side * (0.25 * size + wide * apart_)
            parts.append(
                stage.part(
                    rng,
                    "ellipse",
                    x + away * np.cos(lean),
                    y + away * np.sin(lean),
                    0.5 * size,
                    size,
                    lean + side * 0.5 * apart_,
                    colour=tone,
                )
            )
            if rng.random() < 0.7:
                out = away + side * 0.3
                parts.append(stage.part(rng, "bar", x + out, y + 0.25, 0.6, 0.12, side * 0.7))
        gains = missed(rng, met_s, strength)
        samples += laid(rng, clock, takes(rng, stage.bank, "snare", "key", "wood"), met_s, gains)
        all_s.append(met_s[gains > 0])
    return Act(parts, samples, np.sort(np.concatenate(all_s)))


def pluck(rng: Rng, stage: Stage) -> Act:
    """A hand that plucks or strums, and strings that tremble after it."""
    clock, at_s = stage.clock, stage.clock.frame_s
    plucked_s = times(rng, clock, 0.18)
    strength = strengths(rng, len(plucked_s))
    strum = rng.uniform(0.05, 0.3)
    width_s = rng.uniform(0.008, 0.025)
    passed = _turns((at_s[:, None] - plucked_s) / width_s)
    if rng.random() < 0.5:  # down and up by turns
        crossed = passed @ np.where(np.arange(len(plucked_s)) % 2, -1.0, 1.0)
    else:  # always down, and slowly back
        gaps_s = np.diff(plucked_s, append=plucked_s[-1] + 1)
        crossed = (passed - _turns((at_s[:, None] - plucked_s - 0.6 * gaps_s) / (0.07 * gaps_s))).sum(1)
    y = strum * (2 * crossed - 1)
    parts = [stage.part(rng, "blob", 0, 0.05, 1.1, 0.7), stage.part(rng, "bar", -0.7, 0, 1.0, 0.12)]
    strings = int(rng.integers(1, 5))
    for string in range(strings):
        trembling = ring(at_s, plucked_s, strength, hz=rng.uniform(6, 12), decay_s=rng.uniform(0.1, 0.5))
        level = (string - (strings - 1) / 2) * 0.05
        parts.append(stage.part(rng, "bar", -0.3, level + rng.uniform(0, 0.02) * trembling, 1.6, 0.012))
    tone = skin(rng)
    hand_x = rng.uniform(0.0, 0.3) + wander(rng, at_s, 0.02, 1)
    parts.append(stage.part(rng, "bar", hand_x + 0.3, y + 0.25, 0.7, 0.13, 0.6, colour=tone))
    parts.append(stage.part(rng, "blob", hand_x, y, 0.2, 0.24, colour=tone))
    samples = np.zeros(clock.sample_count, np.float32)
    base = stage.bank.blow(rng, "plucked")
    for time_s, hard in zip(plucked_s, strength, strict=True):
        pitch = 2 ** (rng.choice([-5, -3, 0, 0, 2, 4, 5, 7]) / 12)
        samples += laid(rng, clock, [played(rng, base, pitch=pitch)], np.array([time_s]), np.array([hard]))
    return Act(parts, samples, plucked_s)


def _turns(steps: np.ndarray) -> np.ndarray:
    """From 0 to 1 softly, as its argument passes 0."""
    return 1 / (1 + np.exp(-np.clip(steps, -50, 50)))


def door(rng: Rng, stage: Stage) -> Act:
    """A door, lid or drawer that is opened with a creak and falls shut."""
    clock, at_s = stage.clock, stage.clock.frame_s
    shut_s = moments(rng, clock, 0.9, rng.uniform(1.4, 3))
    strength = strengths(rng, len(shut_s))
    wide_open = stroke(
        rng, at_s, shut_s, strength, fall_s=rng.uniform(0.15, 0.5), raise_s=rng.uniform(0.3, 0.7)
    )
    samples = laid(rng, clock, takes(rng, stage.bank, "door", "wood", "metal"), shut_s, strength)
    if rng.random() < 0.6:
        opening = np.maximum(np.gradient(wide_open), 0)
        speed = np.interp(np.arange(clock.sample_count) / RATE, at_s, opening / (opening.max() + 1e-9))
        samples = (
            samples + 0.3 * lasting(rng, stage.bank, clock.sample_count, "creak").astype(np.float32) * speed
        )
    wide, tall = rng.uniform(0.3, 0.8), rng.uniform(0.5, 1.1)
    frame = stage.part(rng, "box", 0, 0, wide * 1.1, tall * 1.06, colour=rng.uniform(0, 60, 3))
    if rng.random() < 0.5:  # turns on its hinge
        now = wide * (1 - 0.8 * wide_open)
        leaf = stage.part(rng, "box", -wide / 2 + now / 2, 0, now, tall)
    else:  # slides
        leaf = stage.part(rng, "box", -wide * 0.9 * wide_open, 0, wide, tall)
    shaken = rng.uniform(0, 0.01) * ring(at_s, shut_s, strength, hz=9, decay_s=0.1)
    return Act([frame, leaf], samples.astype(np.float32), shut_s, shake=np.stack([shaken, shaken], 1))


def shatter(rng: Rng, stage: Stage) -> Act:
    """Something comes down and pieces, drops or dust fly from where it lands."""
    clock, at_s = stage.clock, stage.clock.frame_s
    landed_s = moments(rng, clock, 0.7, rng.uniform(1.0, 2.2))
    role = str(rng.choice(["glass", "splash", "stone", "step", "bang"]))
    strength = strengths(rng, len(landed_s))
    fall_s = rng.uniform(0.2, 0.5)
    since = at_s[:, None] - landed_s
    falling = (since > -fall_s) & (since <= 0.02)
    nth = np.argmax(falling, 1)
    share = np.where(falling.any(1), 1 + since[np.arange(len(at_s)), nth] / fall_s, 0)
    size = rng.uniform(0.08, 0.25)
    parts = [
        stage.part(
            rng, "blob", 0, 0.3 - 0.9 * (1 - share**2), size, size, 3 * share, seen=1.0 * falling.any(1)
        )
    ]
    light = any_colour(rng)
    gravity = rng.uniform(0.8, 3)
    last = np.clip(np.searchsorted(landed_s, at_s, side="right") - 1, 0, len(landed_s) - 1)
    age_s = np.clip(at_s - landed_s[last], 0, None)
    hard = strength[last]
    for _ in range(int(rng.integers(5, 12))):
        go_x, go_y = rng.normal(0, 0.6), -rng.uniform(0.3, 1.4)
        gone = np.clip(1 - age_s / rng.uniform(0.3, 0.8), 0, 1) * (at_s > landed_s[0])
        bit = rng.uniform(0.03, 0.1)
        parts.append(
            stage.part(
                rng,
                "blob",
                go_x * hard * age_s,
                0.3 + go_y * hard * age_s + gravity * age_s**2,
                bit,
                bit,
                5 * age_s,
                colour=light,
                seen=np.minimum(1, 3 * gone),
            )
        )
    shaken = rng.uniform(0, 0.012) * jerk(at_s, landed_s, strength, rise_s=0.03, fall_s=0.1)
    samples = laid(rng, clock, takes(rng, stage.bank, role), landed_s, strength)
    return Act(parts, samples, landed_s, shake=np.stack([0 * shaken, shaken], 1))
