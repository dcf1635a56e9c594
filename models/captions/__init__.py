"""Captions: what happens in a film, when, and in which words (thesis chapter 3: MDVC and BMT)."""
