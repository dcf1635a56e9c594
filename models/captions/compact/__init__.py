"""The compact captions bundle: small networks, taught by real sounds and pictures whose names are known."""
