"""A window that shows pictures; needs pygame."""

import gymnasium
import numpy as np

SMALL = 640  # pixels, up to which a picture is drawn larger


def pygame():
    """The library. Raises DependencyNotInstalled, which names the line that installs it."""
    try:
        import pygame
    except ImportError:
        raise gymnasium.error.DependencyNotInstalled(
            'A window needs pygame, which is not installed: pip install "palestra[window]"'
        ) from None
    return pygame


class Window:
    """Pictures of one size, at a steady rate."""

    def __init__(self, width: int, height: int, title: str, frames_per_second: int):
        self.pygame = pygame()
        self.pygame.display.init()
        self.times = max(SMALL // max(width, height), 1)
        self.surface = self.pygame.display.set_mode((width * self.times, height * self.times))
        self.pygame.display.set_caption(f"{title} - palestra")
        self.clock = self.pygame.time.Clock()
        self.rate = frames_per_second

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, uint8 [height, width, 3], and wait until the next one is due."""
        large = picture.swapaxes(0, 1).repeat(self.times, 0).repeat(self.times, 1)
        self.pygame.surfarray.blit_array(self.surface, large)
        self.pygame.event.pump()
        self.pygame.display.flip()
        self.clock.tick(self.rate)

    def close(self) -> None:
        """Close it; other uses of pygame go on."""
        self.pygame.display.quit()
