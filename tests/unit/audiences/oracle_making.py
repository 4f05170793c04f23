"""Random definitions as a configuration file has them, and random histories to try them on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Definitions
from junctor.audiences.seen import RANKS_PER_OFFSET, Seen

from .oracle_events import DAY, T0
from .states.oracle_sequence import FQL

UNITS: Final = (60_000, DAY // 2)
"""Every time of a case is a multiple of one of these."""
NAMES: Final = "ABCD"
SESSIONS: Final = ("", "s1", "s2")
AGGREGATIONS: Final = (
    "counter", "counter", "sum", "min", "max", "mean", "first", "last", "unique_list",
    "most_frequent", "least_frequent", "category_count", "approx_count_distinct",
    "time_since_last", "time_since_first",
)  # fmt: skip
LISTS: Final = ("unique_list", "category_count")


# -- definitions -----------------------------------------------------------------------------------


class Maker:
    """Makes definitions as a configuration file has them; lengths are multiples of a unit.

    `kinds` are those of conditions, of more than these if there are none.
    """

    def __init__(self, random: Random, unit: int, kinds: Sequence[str] = ()) -> None:
        self.random = random
        self.unit = unit
        self.kinds = kinds
        self.exact = True
        self.attribute: dict[str, Any] = {}

    def definitions(self, *, plain: bool, exact: bool, key: str = "user") -> Definitions:
        """Return some that load.

        `plain`: conditions only, nothing that remembers when something was seen to change.
        `exact`: nothing changes between multiples of the unit. `key` is that of all audiences; of
        those of people some are of sessions.
        """
        while True:
            raw = self._tables(plain=plain, exact=exact, key=key)
            definitions, problems = parse_definitions(raw)
            if not problems:
                return definitions

    def watched(self) -> dict[str, Any]:
        """Return tables of audiences that only rest on events; some are left while something is."""
        random = self.random
        found = {}
        for name in random.choice(["a", "ab"]):
            found[name] = self._condition([], True, 0)
            if "sequence" not in found[name] and random.random() < 0.3:
                found[name]["exit"] = self._condition([], True, 1)
        return {"audiences": found}

    def signals(self) -> dict[str, Any]:
        """Return one or two tables of signals; they may not load."""
        random = self.random
        found = {}
        for name in random.choice(["a", "ab"]):
            if random.random() < 0.7:
                found[name] = self._sequence(0)
                del found[name]["hold"]
                continue
            found[name] = self._pattern()
            if random.random() < 0.8:
                found[name] |= {"count": f">={random.randint(2, 3)}", "within": self._length(1, 8)}
                if random.random() < 0.3:
                    found[name]["same"] = ["k"]
        return found

    def _tables(self, *, plain: bool, exact: bool, key: str) -> dict[str, Any]:
        random = self.random
        self.exact = exact
        state, attribute = self._state(), self._attribute()
        rules: list[dict[str, Any]] = [
            {"add": random.choice([-2, 1, 2, 3]), **self._pattern()}
            for _ in range(random.choice([1, 2]))
        ]
        if random.random() < 0.3:
            rules[0]["once"] = True
        score: dict[str, Any] = {"rules": rules}
        if not exact and random.random() < 0.6:
            score["half_life"] = self._length(1, 6)
        if random.random() < 0.3:
            score["range"] = [-3, 5]
        audiences: dict[str, Any] = {}
        for place in range(random.choice([1, 1, 2, 3])):
            audiences[f"a{place}"] = self._audience(list(audiences), plain, key)
        return {
            "scores": {"s": score},
            "states": {"t": state},
            "attributes": {"f": attribute},
            "audiences": audiences,
        }

    def _state(self) -> dict[str, Any]:
        random = self.random
        values = ["x", "y", "", "$k", 1]
        state: dict[str, Any] = {
            "set": [
                {**self._pattern(), "to": random.choice(values)}
                for _ in range(random.choice([1, 2, 3]))
            ]
        }
        if random.random() < 0.4:
            state["per"] = "session"
        return state

    def _attribute(self) -> dict[str, Any]:
        random = self.random
        agg = random.choice(AGGREGATIONS)
        attribute: dict[str, Any] = {"agg": agg, **self._pattern()}
        if agg.startswith("time_since"):
            attribute["unit"] = "s"
        elif agg != "counter":
            attribute["prop"] = "k"
        how = random.random()
        if how < 0.5:
            attribute["period"] = self._length(1, 8)
        elif how < 0.7:
            attribute["ttl"] = self._length(1, 6)
        if random.random() < 0.2:
            attribute["default"] = random.choice([0, 1, 5])
        if agg not in LISTS and random.random() < 0.3:
            middle = self._seconds(1) if agg.startswith("time_since") else 1.5
            attribute["bands"] = {"low": 0, "mid": middle, "high": self._seconds(2)}
        self.attribute = attribute
        return attribute

    def _figure(self) -> dict[str, Any]:
        """Return a condition on the attribute, which turns at multiples of the unit."""
        random = self.random
        agg = self.attribute["agg"]
        if "bands" in self.attribute:
            is_: Any = random.choice(["low", "mid", ["low", "high"], {"exists": False}])
        elif agg == "unique_list":
            is_ = random.choice([{"has": 1}, {"exists": True}])
        elif agg == "category_count":
            is_ = {"exists": random.random() < 0.5}
        elif agg.startswith("time_since"):
            is_ = f"{random.choice(['>=', '<'])}{self._seconds(random.randint(1, 6))}"
        else:
            is_ = random.choice([">=1", ">=2", "<2", 1, "1..3", {"exists": False}])
        return {"attribute": "f", "is": is_}

    def _so(self) -> dict[str, Any]:
        """Return a condition on the state."""
        random = self.random
        condition: dict[str, Any] = {
            "state": "t", "is": random.choice(["x", "!=x", ["x", 1], 2, {"exists": False}])
        }  # fmt: skip
        how = random.random()
        if how < 0.4:
            low = random.randint(1, 4)
            condition["for"] = random.choice(
                [f">={self._length(low, low)}", f"<{self._length(low, low)}"]
            )
        elif how < 0.6 and not self.exact:
            condition["spent"] = f"{random.choice(['>=', '<'])}{self._length(1, 3)}"
            condition["within"] = self._length(3, 8)
        return condition

    def _audience(self, others: list[str], plain: bool, key: str) -> dict[str, Any]:
        random = self.random
        audience = self._condition(others, plain, 0)
        if key != "user":
            audience["key"] = key
        elif random.random() < 0.25:
            audience["key"] = "session"
        if plain:
            return audience
        if random.random() < 0.3:
            audience["settle"] = self._length(1, 3)
        if "sequence" not in audience and random.random() < 0.3:
            audience["hold"] = self._length(1, 4)
        if random.random() < 0.35:
            if random.random() < 0.6 or "sequence" in audience:
                audience["exit"] = self._pattern()
            else:
                audience["exit"] = self._condition([], plain, 2)
        if random.random() < 0.25:
            audience["cooldown"] = self._length(1, 6)
        if random.random() < 0.15:
            audience["once"] = True
        return audience

    def _condition(self, others: list[str], plain: bool, depth: int) -> dict[str, Any]:
        random = self.random
        if depth < 2 and random.random() < (0.45 if depth == 0 else 0.25):
            kind = random.choice(["all", "all", "any", "none"])
            number = random.choice([1, 2, 2, 3])
            return {kind: [self._condition(others, plain, depth + 1) for _ in range(number)]}
        kinds = ["count"] * 4 + ["absence"] * 3 + ["sequence"] * 4 + ["score", "trait", "known"]
        kinds += ["sample", "days", "between", "distinct", "first", "changed", "device"]
        kinds += ["state"] * 3 + ["attribute"] * 3 + ["audience"] * bool(others) * 3
        match random.choice(self.kinds or kinds):
            case "count":
                count = random.choice([">=1", ">=2", ">=3", "<=1", "1..2", 2, "<3"])
                return {**self._pattern(), "count": count, **self._window()}
            case "absence":
                return {**self._pattern(), "count": 0, **self._window()}
            case "sequence":
                return self._sequence(depth)
            case "score":
                return {"score": "s", "is": random.choice([">=2.5", ">=4.5", "<0.5", "1..3"])}
            case "trait":
                return {"trait": "plan", "is": random.choice(["pro", "!=pro", ["free", "x"]])}
            case "changed":
                condition = {"trait": "plan", "changed_within": self._length(1, 8)}
                if random.random() < 0.4:
                    condition["is"] = random.choice(["pro", "!=pro"])
                return condition
            case "device":
                return {"trait": "context.device", "is": random.choice(["phone", "!=desk"])}
            case "state":
                return self._so()
            case "attribute":
                return self._figure()
            case "known":
                return {"known": f"{random.choice(['>=', '<'])}{self._length(1, 9)}"}
            case "sample":
                return {"sample": "50%", "salt": random.choice("xyz")}
            case "days":
                return {**self._pattern(), "days": random.choice([">=2", "<=1"]), "within": "3d"}
            case "between":
                near = random.randint(1, 3)
                far = self._length(near + 1, near + 6)
                return {
                    **self._pattern(),
                    "count": random.choice([">=1", 0, "<=1", ">=2"]),
                    "between": [far, self._length(near, near)],
                }
            case "distinct":
                is_ = random.choice([">=2", "<=1", 1])
                return {**self._pattern(), "distinct": {"prop": "k", "is": is_}, **self._window()}
            case "first":
                return {**self._pattern(), "first": True, "within": self._length(1, 8)}
        return self._reference(others, plain)

    def _reference(self, others: list[str], plain: bool) -> dict[str, Any]:
        random = self.random
        reference: dict[str, Any] = {"audience": random.choice(others)}
        how = "is" if plain else random.choice(["is", "for", "left", "never"])
        if how == "left":
            reference["left_within"] = self._length(1, 6)
            return reference
        if how == "for":
            reference["for"] = f"{random.choice(['>=', '<'])}{self._length(1, 4)}"
        if random.random() < 0.4:
            reference["is"] = False
        return reference

    def _sequence(self, depth: int) -> dict[str, Any]:
        random = self.random
        steps: list[dict[str, Any]] = [self._pattern()]
        for _ in range(random.choice([0, 1, 1, 2])):
            step = self._pattern()
            if random.random() < 0.5:
                step["within"] = self._length(1, 4)
            if random.random() < 0.2:
                step["after"] = self._length(1, 2)
            if random.random() < 0.25:
                step["without"] = [self._pattern()]
            steps.append(step)
        if random.random() < 0.2:
            steps[0]["count"] = 2
        if random.random() < 0.5:
            steps.append({"not": self._pattern(), "for": self._length(1, 3)})
        made: dict[str, Any] = {"sequence": steps, "hold": self._length(1, 6)}
        if random.random() < 0.3:
            made["within"] = self._length(2, 8)
        return made

    def _pattern(self) -> dict[str, Any]:
        names = self.random.sample(NAMES, self.random.choice([1, 1, 1, 2]))
        pattern: dict[str, Any] = {"event": names if len(names) > 1 else names[0]}
        if self.random.random() < 0.3:
            where = [{"k": 1}, {"k": 2}, *FQL]
            pattern["where"] = self.random.choice(where)
        return pattern

    def _window(self) -> dict[str, Any]:
        return {"within": self._length(1, 8)} if self.random.random() < 0.85 else {}

    def _length(self, low: int, high: int) -> str:
        return f"{self._seconds(self.random.randint(low, high))}s"

    def _seconds(self, units: int) -> int:
        return units * self.unit // 1000


# -- histories -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """Events in the order that they come, and the times at which somebody looks."""

    events: list[Seen]
    unit: int
    end: int

    @classmethod
    def random(
        cls,
        random: Random,
        unit: int,
        *,
        late: float,
        most: int = 9,
        tells: str = "identify",
        together: bool = False,
    ) -> "History":
        """Return one in which a share of the events comes `late`, or late and `together`.

        `tells` is the call that tells of traits.
        """
        batch = T0 + unit * random.randint(6, 30)
        told: list[tuple[int, Seen]] = []
        times = random.sample(range(24), 24)
        for place in range(random.randint(1, most)):
            at = T0 + unit * (times[place] if random.random() < 0.8 else random.randint(0, 23))
            came = at + (unit * random.randint(1, 12) if random.random() < late else 0)
            if together and came > at:
                came = max(at, batch + unit * random.choice([0, 0, 0, 1]))
            told.append((came, _event(random, at, came, tells)))
        told.sort(key=lambda one: one[0])
        events = [
            seen._replace(rank=(place + 1) * RANKS_PER_OFFSET)
            for place, (_, seen) in enumerate(told)
        ]
        return cls(_without_ties(events, tells), unit, T0 + 48 * unit)

    def looks(self, random: Random, number: int) -> Iterator[int]:
        """Yield times, in order, at which something may just have changed."""
        chosen = [random.randint(0, 47) for _ in range(number)]
        yield from sorted(T0 + self.unit * one + random.choice([-1, 0, 0, 1]) for one in chosen)


def _event(random: Random, at: int, came: int, tells: str) -> Seen:
    session = random.choice(SESSIONS)
    context = {"device": random.choice(["phone", "desk"])} if random.random() < 0.3 else {}
    if random.random() < 0.2:
        sort = tells if random.random() < 0.7 else "group" if tells == "identify" else "identify"
        traits = {"plan": random.choice(["pro", "free", "x"])}
        body: dict[str, Any] = {"type": sort, "traits": traits, "context": context}
        if sort == "group":
            body["groupId"] = "acme"
        return Seen("", body, at, 0, came, session, "web")
    properties: Mapping[str, Any] = {"k": random.choice([1, 2, None])}
    name = random.choice(NAMES)
    body = {"type": "track", "event": name, "properties": properties, "context": context}
    return Seen(name, body, at, 0, came, session, "web")


def _without_ties(events: list[Seen], tells: str) -> list[Seen]:
    """Keep of tellings of traits at one time the first: the hub's order is another matter."""
    kept: list[Seen] = []
    told: set[int] = set()
    for seen in events:
        if seen.body["type"] == tells:
            if seen.at in told:
                continue
            told.add(seen.at)
        kept.append(seen)
    return kept
