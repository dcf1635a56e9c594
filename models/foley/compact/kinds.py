"""The kinds of sound that the compact foley bundle can make: the one table of them.

Each kind: which recordings it is learnt from and which are kept apart, how a scene is made of them, which
classes of ImageNet ask for it, and which labels of AudioSet are right for it. The last were written down
before anything was generated, from what the kind is and what YAMNet says of real recordings. Knows no sound
and no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True)
class Kind:
    """A kind of sound."""

    name: str
    words: tuple[str, ...]
    """Other words for it, as files and people have them."""
    learnt: tuple[str, ...]
    """Patterns of names of recordings."""
    apart: tuple[str, ...]
    """The same, for those that training never hears."""
    way: str
    """How a scene is made: see `scenes.WAYS`."""
    every_s: tuple[float, float]
    """From blow to blow; for what goes on and on, nothing."""
    sees: tuple[int, ...]
    """Classes of ImageNet by number."""
    heard: tuple[str, ...]
    """Labels of AudioSet, any of which is right."""
    pitch: float = 0.06
    """How much faster or slower a recording may be played: a deviation, of the logarithm."""

    def recordings(self, names: list[str], *, apart: bool = False) -> list[int]:
        """Which of recordings with such names are its own, or are kept apart."""
        held = [any(fnmatch(name, each) for each in self.apart) for name in names]
        if apart:
            return [number for number, is_held in enumerate(held) if is_held]
        own = [any(fnmatch(name, each) for each in self.learnt) for name in names]
        return [
            number for number, (mine, is_held) in enumerate(zip(own, held, strict=True)) if mine > is_held
        ]


DOGS, CATS = tuple(range(151, 269)), tuple(range(281, 286))
FARM = "Livestock, farm animals, working animals"

KINDS = (
    Kind(
        "footsteps", ("steps", "walking", "walk", "shoes", "footstep"),
        ("default_hard_footstep.*",), ("default_hard_footstep.3",),
        "steps", (0.34, 0.55), (502, 514, 630, 770, 774, 788),
        ("Walk, footsteps", "Run", "Shuffle", "Clip-clop", "Patter", "Tap"),
    ),
    Kind(
        "door", ("doors", "gate", "slam", "cupboard", "closet"),
        ("doors_*", "perc_door"), ("doors_fencegate_*",),
        "events", (0.5, 1.6), (492, 493, 495, 553, 648, 760, 771, 789, 799, 894),
        ("Door", "Slam", "Sliding door", "Cupboard open or close", "Drawer open or close", "Knock", "Creak",
         "Thunk", "Squeak"),
    ),
    Kind(
        "water", ("stream", "river", "brook", "splash", "pouring", "fountain"),
        ("env_sounds_water.*", "water_fill", "default_water_footstep.*"), ("env_sounds_water.4",),
        "goes on", (0, 0),
        (435, 449, 460, 472, 525, 536, 562, 576, 693, 694, 718, 876, 896, 974, 975, 977, 978),
        ("Water", "Stream", "Liquid", "Splash, splatter", "Waterfall", "Gurgling", "Pour",
         "Trickle, dribble", "Water tap, faucet", "Bathtub (filling or washing)",
         "Sink (filling or washing)", "Slosh", "Boat, Water vehicle", "Rowboat, canoe, kayak"),
    ),
    Kind(
        "fire", ("flames", "burning", "crackling", "fireplace", "campfire"),
        ("fire_fire.*", "fire_large", "fire_small", "default_furnace_active"), ("fire_small",),
        "goes on", (0, 0), (556, 644, 766, 827, 862), ("Fire", "Crackle"),
    ),
    Kind(
        "breaking glass", ("glass", "shatter", "smash", "break", "bottle"),
        ("default_break_glass.*",), ("default_break_glass.3",),
        "events", (0.7, 2.2), (438, 440, 441, 572, 737, 883, 907, 966),
        ("Glass", "Shatter", "Breaking", "Smash, crash", "Chink, clink"),
    ),
    Kind(
        "hammering", ("hammer", "nails", "tools", "anvil", "knocking"),
        ("default_dig_metal", "metal_hit", "knock"), (),
        "events", (0.45, 0.9), (477, 587, 677),
        ("Hammer", "Tools", "Clang", "Ding", "Chink, clink", "Bang", "Wood", "Chop", "Wood block"),
    ),
    Kind(
        "chopping", ("wood", "chop", "axe", "hatchet", "woodwork"),
        ("default_dig_choppy.*", "default_tool_breaks.*"),
        ("default_dig_choppy.3", "default_tool_breaks.3"),
        "events", (0.4, 1.1), (499, 596, 726),
        ("Chop", "Wood", "Wood block", "Chopping (food)", "Hammer", "Crack", "Splinter", "Tools", "Knock",
         "Tap", "Whack, thwack"),
    ),
    Kind(
        "explosion", ("blast", "boom", "cannon", "bomb", "detonation"), ("tnt_explode",), (),
        "events", (0.7, 2.5), (471, 657, 744, 847, 980),
        ("Explosion", "Boom", "Eruption", "Artillery fire", "Gunshot, gunfire", "Thunder", "Thunderstorm",
         "Burst, pop", "Bang", "Fireworks"),
        pitch=0.15,
    ),
    Kind(
        "drums", ("drum", "drum kit", "beat", "percussion", "drumming"),
        ("loop_amen*", "loop_breakbeat", "loop_compus", "loop_mehackit1", "drum_*", "bd_*", "sn_*"),
        ("loop_breakbeat", "drum_snare_soft", "drum_tom_hi_*", "bd_808", "sn_zome"),
        "beat", (0.16, 0.3), (541, 542),
        ("Drum", "Drum kit", "Drum machine", "Snare drum", "Bass drum", "Percussion", "Cymbal", "Hi-hat",
         "Drum roll", "Rimshot"),
    ),
    Kind(
        "bell", ("bells", "ring", "chime", "gong", "ringing"),
        ("perc_bell*", "elec_bell", "elec_triangle"), ("elec_triangle",),
        "events", (0.6, 1.8), (442, 494, 577),
        ("Bell", "Church bell", "Bicycle bell", "Jingle bell", "Ding", "Chime", "Wind chime", "Gong",
         "Tubular bells", "Singing bowl", "Doorbell", "Ding-dong", "Change ringing (campanology)",
         "Glockenspiel", "Cowbell", "Tuning fork"),
    ),
    Kind(
        "guitar", ("guitars", "strumming", "electric guitar", "chords"), ("guit_*",), ("guit_e_slide",),
        "notes", (0.8, 2.4), (402, 546, 714),
        ("Guitar", "Electric guitar", "Acoustic guitar", "Plucked string instrument", "Strum",
         "Steel guitar, slide guitar", "Bass guitar", "Tapping (guitar technique)"),
        pitch=0.12,
    ),
    Kind(
        "piano", ("keys", "pianist", "grand piano"), ("piano *",), ("piano A?v10", "piano Ds?v10"),
        "notes", (0.18, 0.8), (579, 881),
        ("Piano", "Keyboard (musical)", "Electric piano", "Harpsichord"), pitch=0.03,
    ),
    Kind(
        "xylophone", ("marimba", "glockenspiel", "mallets"), ("xylofon_son*",), ("xylofon_son4",),
        "notes", (0.2, 0.7), (642,),
        ("Marimba, xylophone", "Mallet percussion", "Vibraphone", "Glockenspiel"), pitch=0.2,
    ),
    Kind(
        "coins", ("money", "cash", "change", "purse"), ("money1", "money2", "perc_till"), ("money1",),
        "events", (0.6, 2.0), (480, 704, 719, 748, 800, 893),
        ("Coin (dropping)", "Jingle, tinkle", "Cash register", "Chink, clink", "Keys jangling", "Clatter"),
    ),
    Kind(
        "dog", ("bark", "barking", "dogs", "puppy"), ("dog",), (), "events", (0.9, 2.5), DOGS,
        ("Dog", "Bark", "Bow-wow", "Yip", "Canidae, dogs, wolves"), pitch=0.08,
    ),
    Kind(
        "cat", ("meow", "mew", "kitten", "cats"), ("cat",), (), "events", (2.2, 4.0), CATS,
        ("Cat", "Meow", "Caterwaul"), pitch=0.08,
    ),
    Kind(
        "horse", ("neigh", "whinny", "horses", "mare"), ("horse",), (), "events", (3.0, 4.5), (339, 603),
        ("Horse", "Neigh, whinny", "Snort"), pitch=0.08,
    ),
    Kind(
        "cow", ("moo", "cattle", "cows", "bull"), ("cow",), (), "events", (3.5, 5.5), (345, 346, 690),
        ("Moo", "Cattle, bovinae", FARM), pitch=0.08,
    ),
    Kind(
        "sheep", ("baa", "bleat", "lamb", "goat"), ("sheep",), (), "events", (1.4, 3.0), (348, 349),
        ("Sheep", "Bleat", "Goat", FARM), pitch=0.08,
    ),
    Kind(
        "pig", ("oink", "grunt", "pigs", "hog"), ("pig",), (), "goes on", (0, 0), (341, 342),
        ("Pig", "Oink", FARM), pitch=0.08,
    ),
    Kind(
        "chicken", ("hens", "hen", "rooster", "cluck", "poultry"), ("chickens",), (), "goes on", (0, 0),
        (7, 8), ("Chicken, rooster", "Cluck", "Fowl", "Crowing, cock-a-doodle-doo"),
    ),
    Kind(
        "duck", ("quack", "ducks", "drake"), ("duck",), (), "goes on", (0, 0), (97, 98),
        ("Duck", "Quack", "Fowl"),
    ),
    Kind(
        "owl", ("hoot", "owls"), ("owl",), (), "events", (2.3, 3.5), (24,), ("Owl", "Hoot"),
    ),
)  # fmt: skip
NAMES = tuple(kind.name for kind in KINDS)
