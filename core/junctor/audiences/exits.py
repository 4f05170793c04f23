"""Exits that definitions ask for: where no gap is measured to one, it may be of any source.

A source without heartbeats tells of an exit so late that gaps to it mean nothing; its exits have a
name of their own, which is added here.
"""

from dataclasses import replace

from junctor.audiences.nodes import Pattern, Score, Sequence, Signal, State
from junctor.audiences.presence import EXIT, IDLE


def in_pattern(pattern: Pattern) -> Pattern:
    """Return the pattern with exits of sources without heartbeats, where it asks for exits."""
    if EXIT not in pattern.names or IDLE in pattern.names:
        return pattern
    return replace(pattern, names=(*pattern.names, IDLE))


def in_sequence(sequence: Sequence) -> Sequence:
    """Return the sequence, exits that no gap is measured to being of any source."""
    steps = tuple(
        replace(
            step,
            pattern=step.pattern
            if step.within is not None or step.after is not None
            else in_pattern(step.pattern),
            without=tuple(map(in_pattern, step.without)),
        )
        for step in sequence.steps
    )
    silence = sequence.silence
    if silence is not None:
        silence = replace(silence, pattern=in_pattern(silence.pattern))
    return replace(sequence, steps=steps, silence=silence)


def in_score(score: Score) -> Score:
    """Return the score with such rules."""
    rules = tuple(
        replace(
            rule,
            pattern=in_pattern(rule.pattern) if rule.pattern is not None else None,
            sequence=in_sequence(rule.sequence) if rule.sequence is not None else None,
        )
        for rule in score.rules
    )
    return replace(score, rules=rules)


def in_state(state: State) -> State:
    """Return the state with such settings."""
    settings = tuple(replace(one, pattern=in_pattern(one.pattern)) for one in state.settings)
    return replace(state, settings=settings)


def in_signal(signal: Signal) -> Signal:
    """Return the signal, whatever it is made of, with such exits."""
    return replace(
        signal,
        pattern=in_pattern(signal.pattern) if signal.pattern is not None else None,
        sequence=in_sequence(signal.sequence) if signal.sequence is not None else None,
    )
