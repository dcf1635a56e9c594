"""The compact foley bundle, trained here on free sounds: what ships with the project."""
