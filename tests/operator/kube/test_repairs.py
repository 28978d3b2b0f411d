"""Setting fields back, less and less often while somebody keeps changing them."""

from chekov_operator.kube.repairs import FREE_REPAIRS, LONGEST_SECONDS, ChildRepairs

FIELD = ".spec.replicas"


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fought(time: Time, rounds: int) -> ChildRepairs:
    """Repairs of a field that was changed as soon as it was set back."""
    repairs = ChildRepairs(time)
    for _ in range(rounds):
        time.now += repairs.contested().get(FIELD, 0.0)
        assert repairs.is_due([FIELD])
        repairs.count([FIELD])
    return repairs


def test_an_edit_is_set_back_at_once() -> None:
    repairs = fought(Time(), FREE_REPAIRS - 1)
    assert repairs.is_due([FIELD])
    assert repairs.contested() == {}


def test_a_fight_slows_down_to_the_longest_pause() -> None:
    time = Time()
    pauses = [fought(time, FREE_REPAIRS + extra).contested()[FIELD] for extra in range(12)]
    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == LONGEST_SECONDS


def test_a_contested_field_is_left_alone_until_it_is_due() -> None:
    time = Time()
    repairs = fought(time, FREE_REPAIRS)
    assert not repairs.is_due([FIELD])
    time.now += repairs.contested()[FIELD]
    assert repairs.is_due([FIELD])


def test_another_field_of_the_child_is_set_back_meanwhile() -> None:
    repairs = fought(Time(), FREE_REPAIRS)
    assert repairs.is_due([FIELD, ".spec.template"])


def test_a_field_that_is_left_alone_is_contested_no_longer() -> None:
    time = Time()
    repairs = fought(time, FREE_REPAIRS)
    time.now += repairs.contested()[FIELD]
    assert FIELD in repairs.contested()
    time.now += repairs.contested()[FIELD]
    assert repairs.contested() == {}


def test_a_fight_long_ago_is_forgotten() -> None:
    time = Time()
    repairs = fought(time, FREE_REPAIRS + 2)
    time.now += LONGEST_SECONDS + 1
    assert repairs.contested() == {}
    repairs.count([FIELD])
    assert repairs.is_due([FIELD])
