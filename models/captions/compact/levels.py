"""Which words say what other words say less precisely: a dog is an animal, who whispers is heard.

In: the lexicon. Out: a mapping of words by which the plugin adds up what the captioner only half believes:
where "a dog" and "a cat" are as likely as each other, it is sure of "an animal".
"""

from __future__ import annotations

from collections.abc import Iterator

from models.captions.compact import grammar, lexicon


def implied() -> dict[str, list[str]]:
    """Names by the names that say the same more precisely; words that several things share imply what all of
    these fall back to."""
    vocabulary = grammar.vocabulary()
    names = {vocabulary[token] for token in grammar.names()}
    found: dict[str, set[str]] = {}
    for own, general in _things():
        for word in own & names:
            found[word] = found.get(word, general) & general
    # "drums play" and "percussion plays": the verb is the same.
    verbs = {each.verb for each in lexicon.heard().values()}
    for verb in verbs & names:
        if f"{verb}s" in verbs & names:
            found[verb] = found.get(verb, set()) | {f"{verb}s"}
    return {
        word: sorted(general & names - {word})
        for word, general in sorted(found.items())
        if general & names - {word}
    }


def _things() -> Iterator[tuple[set[str], set[str]]]:
    """The words of each thing, and of all that it falls back to."""
    heard = {key: set(f"{each.clause} {each.noun}".split()) for key, each in lexicon.heard().items()}
    seen = {key: set(each.noun.split()) for key, each in lexicon.seen().items()}
    for words, things in ((heard, lexicon.heard()), (seen, lexicon.seen())):
        for key in things:
            _, *above = lexicon.ancestors(key, things)
            yield words[key], set().union(*(words[each] for each in above))
