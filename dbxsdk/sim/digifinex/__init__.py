"""DigiFinex's local venue."""
