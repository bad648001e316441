"""The model that `etc-edge demo` starts from: `street_small.etc`, trained on the synthetic street (see zoo/)."""
