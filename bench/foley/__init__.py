"""What foley is worth: to an ear that is not ours, by its levels, beside real sound, and in time."""
