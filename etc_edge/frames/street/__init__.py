"""A small synthetic street: seeded driving clips with exact labels, optical flow and occlusion."""
