"""Where what stands in the row of integers that is a console's whole state."""

RAM = 0  # 128 bytes, then as many of the cartridge's own
EXTRA = 128
(
    # The processor, between two instructions.
    A, X, Y, SP, PC, P, NZ, CARRY, CYCLES, JAMMED,
    # The cartridge: where in the image each quarter of its 4 KiB begins.
    SLICE, _1, _2, _3,
    # The RIOT: what the timer was set to, how far it is divided, and when.
    TIMER, SHIFT, TIMED, EXPIRED, EXPIRED_AT, DIRECTION,
    # What is plugged in, as named below. How far the paddles are turned.
    CONTROLLER, TURN_0, TURN_1, SWITCHES,
    PORT, FIRE_0, FIRE_1,
    # The picture: the clock of its first line, which lines are seen, how far it is drawn; whether
    # the frame is not over yet; whether it is PAL, which turns gray by an odd number of lines.
    START, FIRST_LINE, LINES, DRAWN, NO_COMB, PARTIAL, PAL, GRAY,
    VSYNC, VSYNC_END, VBLANK, CHARGED, HMOVE,
    # What the TIA was told.
    NUSIZ_0, NUSIZ_1, COLOR_0, COLOR_1, COLOR_PF, COLOR_BK, CTRLPF, REFLECT_0, REFLECT_1,
    PF, PF_RIGHT, MIRRORED, GRP_0, GRP_1, OLD_0, OLD_1, ENABLE_M0, ENABLE_M1, ENABLE_BL, OLD_BL,
    MOVE_P0, MOVE_P1, MOVE_M0, MOVE_M1, MOVE_BL, DELAY_0, DELAY_1, DELAY_BL, LOCK_0, LOCK_1,
    COLLISIONS, AT_P0, AT_P1, AT_M0, AT_M1, AT_BL,
    # What follows from it: players as they are drawn, leftmost pixel first; the lines on which
    # the left edge is black, and on which a player's first copy is missing.
    SHAPE_0, SHAPE_1, COMB, MISSING_0, MISSING_1,
    RANDOM,  # of Pitfall II's own chip
    STARS,  # 0, or on which of four lines missile 0 is, that moves by itself
    FARTHEST,  # how far the paddles can be turned
) = range(256, 340)  # fmt: skip
# Of its eight fetchers: the counts at which they begin and end to show, and where they are.
TOP, BOTTOM, COUNTER, FLAG, MUSIC = range(344, 384, 8)
BEAT, HEARD = 384, 385  # how much of a beat has passed, and until when beats have been counted
SIZE = 400
# What is plugged in: joysticks, of which the left or the right one is held; paddles, of which the
# first or the second one is held.
LEFT_JOYSTICK, PADDLE_0, PADDLE_1, RIGHT_JOYSTICK = range(4)
