"""Figures of two operators, and what is different in their children."""

from benchmarks.operators.figures import Figures, differences, fields, shape, table
from chekov_operator.kube.objects import Object


def figures(cpu: float) -> Figures:
    return Figures(planned=2.0, ready=3.0, cpu=cpu, requests=20.0, resident=64 * 2**20, idle=0.0)


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    chekov = [figures(0.020), figures(0.060), figures(0.080)]
    go = [figures(0.010), figures(0.020), figures(0.080)]
    row = next(line for line in table(chekov, go).splitlines() if line.startswith("CPU"))
    assert row.split()[-3:] == ["60.0", "20.0", "2.00"]


def test_without_a_figure_of_the_other_there_is_no_ratio() -> None:
    idle = table([figures(0.02)], [figures(0.01)]).splitlines()[-1]
    assert idle.split()[-1] == "-"


def test_fields_are_the_paths_of_values() -> None:
    body: Object = {"ports": [{"name": "http"}, {"name": "management", "port": 9090}], "from": {}}
    assert fields(body) == {".ports[].name", ".ports[].port", ".from"}


def test_a_shape_leaves_out_what_the_server_adds() -> None:
    body: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"uid": "1", "labels": {"app": "bank"}},
        "spec": {"type": "ClusterIP"},
        "status": {"loadBalancer": {}},
    }
    assert shape(body) == {".metadata.labels.app", ".spec.type"}


def test_differences_name_who_has_a_field_alone() -> None:
    chekov = {"Service": frozenset({".spec.type", ".spec.ports"})}
    go = {"Service": frozenset({".spec.type"}), "Job": frozenset({".spec"})}
    assert differences(chekov, go) == ["only Go: Job.spec", "only chekov: Service.spec.ports"]
