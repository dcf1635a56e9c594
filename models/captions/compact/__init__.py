"""The compact captions bundle: networks small enough to ship, taught by real sounds and pictures whose names are known."""
