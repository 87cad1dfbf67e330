"""Presets."""

from palestra.tools.presets.preset import Preset

PRESETS: dict[str, dict[str, Preset]] = {}
