from chekov import HandlerSettings, Retry
from chekov.domain.handler_definition import HandlerDefinition, keyword_faults

DEFINITION = HandlerDefinition(name="mail", version=2, on_failure="skip", handlers={})


def test_settings_replace_what_they_name() -> None:
    retry = Retry(attempts=9)
    settings = HandlerSettings(retry=retry, partitions=4, start_from="now", consistency="strong")
    found = settings.over(DEFINITION)
    assert (found.name, found.version, found.on_failure) == ("mail", 2, "skip")
    assert (found.retry, found.partitions, found.start_from) == (retry, 4, "now")
    assert found.consistency == "strong"
    assert HandlerSettings(on_failure="stop").over(DEFINITION).on_failure == "stop"
    assert HandlerSettings().over(DEFINITION) == DEFINITION


def test_the_values_of_settings_are_checked_like_class_keywords() -> None:
    odd = HandlerSettings(partitions=0, start_from=0, retry=Retry(attempts=0))
    assert keyword_faults("mail", odd.over(DEFINITION), most_partitions=1000) == [
        "mail: partitions 0 must be 1 to 1000",
        "mail: start_from 0 must be a position, from 1 on, or 'origin' or 'now'",
        "mail: retry: attempts 0 must be 1 or more",
    ]
    two = HandlerSettings(partitions=2).over(DEFINITION)
    assert keyword_faults("mail", two, most_partitions=1) == [
        "mail: partitions 2 must be left out: only event handlers are partitioned"
    ]
