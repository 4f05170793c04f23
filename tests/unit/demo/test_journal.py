"""The journal: like things within a second are one line, and each line is printed once."""

from junctor.demo.journal import Journal, Kind


def told(journal: Journal) -> list[str]:
    return [f"{entry.place}: {entry}" for entry in journal.last(100)]


def test_counts_of_a_second_are_added_up() -> None:
    journal = Journal()
    journal.write(0.0, "crm", "delivered", count=3)
    journal.write(0.5, "statsig", "delivered", count=20)
    journal.write(0.9, "crm", "delivered", count=2)
    journal.write(1.0, "crm", "delivered", count=1)
    assert told(journal) == ["crm: 5 delivered", "statsig: 20 delivered", "crm: 1 delivered"]


def test_what_is_not_counted_stands_for_itself() -> None:
    journal = Journal()
    journal.write(0.0, "crm", "is back")
    journal.write(0.1, "crm", "is back")
    assert told(journal) == ["crm: is back", "crm: is back"]


def test_good_and_bad_are_told_apart() -> None:
    journal = Journal()
    journal.write(0.0, "crm", "delivered", Kind.GOOD, count=1)
    journal.write(0.1, "crm", "delivered", Kind.TROUBLE, count=1)
    assert len(journal.last(10)) == 2


def test_a_line_is_finished_once_nothing_can_be_added() -> None:
    journal = Journal()
    journal.write(0.0, "crm", "delivered", count=3)
    assert journal.finished(0.9) == []
    journal.write(0.9, "crm", "delivered", count=2)
    journal.write(0.95, "crm", "is back")
    assert [str(entry) for entry in journal.finished(1.0)] == ["5 delivered"]
    assert [str(entry) for entry in journal.finished(float("inf"))] == ["is back"]
    assert journal.finished(float("inf")) == []


def test_the_oldest_lines_are_let_go() -> None:
    journal = Journal()
    for number in range(500):
        journal.write(float(number), "hub", f"line {number}")
    assert str(journal.last(1)[0]) == "line 499"
    assert len(journal.last(1000)) == 200
    assert len(journal.finished(float("inf"))) == 200
    assert journal.last(0) == []
