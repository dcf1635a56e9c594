"""What captions are worth: on real clips, on mixtures with known times, on a film, and in time."""
