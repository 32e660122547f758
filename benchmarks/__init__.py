"""What tunesmith promises in numbers, as ratios within one run: a noisy machine disturbs both sides alike."""
