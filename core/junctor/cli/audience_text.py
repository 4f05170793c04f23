"""What is said of audiences, for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.cli import show

_IDS: Final = ("user_id", "anonymous_id", "email")
_STANDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "in": ("has been in since {since}", ""),
    "held": ("has been in since {since}", "no longer so, but `hold` keeps it in until {until}"),
    "out": ("is not in", ""),
    "settling": ("is not in yet", "it has to be so until {until} (`settle`)"),
    "cooling": ("is not in", "it may not enter again before {until} (`cooldown`)"),
    "once": ("is not in", "it was in before, and enters only `once`"),
    "left": ("is not in", "it left by `exit`, and the condition was not false since"),
    "kept out": ("is not in", "`exit` keeps it out"),
    "about to enter": ("is about to enter", ""),
}
"""By standing: how it is, and why it is no other way."""
_MOST_WEEKS: Final = 12


def show_list(found: Sequence[Mapping[str, Any]]) -> None:
    """Print all audiences."""
    show.table(
        ("audience", "members", "key", "state", "last move", "exact from", "sent to", "about"),
        (
            (
                one["name"], one["members"], one["key"], _state(one), one["last_transition"],
                _exact(one), ", ".join(one["send"]), one["about"],
            )
            for one in found
        ),
    )  # fmt: skip


def show_members(found: Mapping[str, Any]) -> None:
    """Print a page of members."""
    show.table(
        ("subject", *_IDS, "session", "since"),
        (
            (one["profile"] or one["subject"], *_ids(one["ids"]), one["session"], one["since"])
            for one in found["members"]
        ),
    )
    if found["next"] is not None:
        print(f"\nmore: --after {show.cell(found['next'])}")


def show_explained(found: Mapping[str, Any]) -> None:
    """Print why somebody is in or not."""
    who = found["subject"]
    if found["session"] is not None:
        who += f", session {show.cell(found['session'])},"
    told, why = _STANDINGS[found["standing"]]
    print(show.cell(who), told.format_map(found), end="")
    if not found["member"] and found["since"] is not None:
        print(f"; it left at {found['since']}", end="")
    print(f"; {why.format_map(found)}" if why else "")
    if found["degraded"]:
        print("a cap was exceeded: what follows may be less than exact")
    print(f"\n{found['audience']}, version {found['version']}:")
    for line in found["definition"]:
        print(f"  {show.cell(line)}")
    print(f"\nat {found['as_of']}:")
    _tree(found["condition"], 0)
    if found["exit"] is not None:
        print("kept out while this is so:")
        _tree(found["exit"], 0)
    if found["next_look"] is not None:
        print(f"\nnext change by time alone: {found['next_look']} at the earliest")


def show_preview(found: Mapping[str, Any]) -> None:
    """Print what an audience would be."""
    print(f"{found['audience']}: {found['count']:,} of {found['population']:,}")
    if found["interval"] is not None:
        low, high = found["interval"]
        share = f"{found['sample'] * 100:g} %"
        print(f"  by a sample of {share}: {low:,.0f} to {high:,.0f}, with 95 % confidence")
    if found["later"]:
        print(f"  {found['later']:,} of them only once it has settled")
    if found["counts_from"] is not None:
        print(f"  the log begins at {found['counts_from']}: what came before does not count")
    together = any(one["so_far"] is not None for one in found["criteria"])
    print()
    show.table(
        ("criterion", "keeps", *(("with those before",) if together else ())),
        (
            (_flat(one["words"]), one["kept"], *((one["so_far"],) if together else ()))
            for one in found["criteria"]
        ),
    )
    if found["overlap"]:
        print()
        show.table(
            ("also in", "how many", "share"),
            ((one["audience"], one["count"], _percent(one["share"])) for one in found["overlap"]),
        )
    if found["users"]:
        print()
        show.table(
            ("for example", *_IDS, "session"),
            (
                (
                    one.get("profile") or one.get("subject"), *_ids(one.get("ids", {})),
                    one.get("session"),
                )
                for one in found["users"]
            ),
        )  # fmt: skip


def show_report(found: Mapping[str, Any]) -> None:
    """Print what became of who entered."""
    print(f"{found['audience']}, from {found['since']} to {found['until']}")
    outcome = found["outcome"]
    if outcome is None:
        print("it has no outcome, so that nothing is known of what its members reach")
    else:
        _outcome(outcome)
    print()
    show.table(
        ("day", "members", "entered", "exited"),
        ((d["day"], d["members"], d["entered"], d["exited"]) for d in found["sizes"]),
    )


def _outcome(outcome: Mapping[str, Any]) -> None:
    print(f"goal: {show.cell(outcome['goal'])}, within {outcome['within']}")
    print(f"goals are recorded since {outcome['recorded_since']}")
    built = f"; {outcome['backfilled']} more by a build do not count"
    print(f"\n{outcome['entered']} entered{built if outcome['backfilled'] else ''}")
    judged, still_open = outcome["members"]["people"], outcome["still_open"]
    if judged:
        until = f"{outcome['judged_until']}, {outcome['within']} ago"
        print(f"{judged} can be judged: they entered by {until}")
    if still_open["people"]:
        print(_still_open(still_open, outcome["within"]))
    if not judged:
        return
    print()
    show.table(
        ("who", "people", "reached it", "share", "value"),
        (
            (who, group["people"], group["reached"], _percent(group["share"]), group["value"])
            for who, group in (
                ("entered", outcome["members"]), ("others of their weeks", outcome["others"]),
            )
        ),
    )  # fmt: skip
    if outcome["difference"] is not None:
        low, high = outcome["interval"]
        print(
            f"\ndifference {_points(outcome['difference'])}:"
            f" {_points(low)} to {_points(high)}, with 95 % confidence"
        )
    if outcome["unmatched"]:
        print(f"{outcome['unmatched']} entered in weeks without others: left out of the difference")
    if outcome["weeks"]:
        print()
        show.table(
            ("first seen", "entered", "reached it", "others", "reached it"),
            (
                (
                    week["week"], week["members"]["people"], week["members"]["reached"],
                    week["others"]["people"], week["others"]["reached"],
                )
                for week in outcome["weeks"][-_MOST_WEEKS:]
            ),
        )  # fmt: skip


def _still_open(found: Mapping[str, Any], within: str) -> str:
    """Return how many can't be judged yet, and when they can."""
    first, last = found["first"], found["last"]
    end = f"at {first}" if first == last else f"from {first} to {last}"
    reached = f"{found['reached']} of them reached the goal already"
    return f"{found['people']} can't be judged yet: their {within} end {end}; {reached}"


def _tree(node: Mapping[str, Any], depth: int) -> None:
    indent = "  " * depth
    first, *more = node["words"].splitlines()
    told = [f"{'yes' if node['holds'] else 'no':<4}{indent}{show.cell(first)}"]
    if node["value"] is not None:
        of_group = bool(node["items"])
        told.append(f"{'' if of_group else 'it is '}{show.cell(node['value'])}")
    if node["error"]:
        told.append(node["error"])
    if node["degraded"]:
        told.append("degraded")
    if node["changes_at"] is not None and not node["items"]:
        until = "until {}" if node["holds"] else "from {} on"
        unless = ", if nothing happens" if node["by_silence"] else ""
        told.append(until.format(node["changes_at"]) + unless)
    print(" | ".join(told))
    for line in more:
        print(f"{'':4}{indent}{show.cell(line)}")
    for event in node["evidence"]:
        said = f"{event['event']} {event['message_id']} at {event['at']}"
        if event["message_id"] is None:
            said = f"an event that is no longer in the log (offset {event['offset']})"
        print(f"{'':4}{indent}  by {show.cell(said)}")
    for item in node["items"]:
        _tree(item, depth + 1)


def _state(one: Mapping[str, Any]) -> str:
    if one["state"] == "building":
        return f"building {one['progress'] * 100:.0f} %"
    return str(one["state"])


def _exact(one: Mapping[str, Any]) -> str | None:
    if one["counts_from"] is None:
        return None
    told: str | None = one["complete_from"]
    return told or f"never; counts from {one['counts_from']}"


def _ids(ids: Mapping[str, str]) -> tuple[str | None, ...]:
    return tuple(ids.get(kind) for kind in _IDS)


def _flat(words: str) -> str:
    return " ".join(line.strip() for line in words.splitlines())


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _points(difference: float) -> str:
    return f"{difference * 100:+.1f} points"
