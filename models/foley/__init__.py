"""Foley: sound for a picture that has none (thesis chapter 4: Spectrogram VQGAN and MelGAN)."""
