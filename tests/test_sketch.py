"""Flags without JAX: a sketch of a module has the settings that the module has."""

from dataclasses import fields

import pytest

from palestra.algorithms import ALGORITHMS
from palestra.envs import ENVIRONMENTS
from palestra.sketch import sketch
from palestra.tools.presets import presets

TABLE = {**ALGORITHMS, **ENVIRONMENTS}
facts = lambda cls: [(x.name, x.type, x.default) for x in fields(cls)]


@pytest.mark.parametrize("name", TABLE)
def test_a_sketch_has_the_fields_of_the_class(name):
    row = TABLE[name]
    whole = row.learner if name in ALGORITHMS else row.simulator
    assert facts(row.settings) == facts(whole)
    assert row.settings is not whole
    assert not hasattr(row.settings, "update" if name in ALGORITHMS else "step")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_sketched_preset_says_what_the_preset_does(name):
    sketched, whole = presets(name, sketched=True), presets(name)
    told = lambda known: {
        (env_id, word): (*one[1:], vars(one.algorithm))
        for env_id, each in known.items()
        for word, one in each.items()
    }
    assert told(sketched) == told(whole)
    assert type(next(iter(next(iter(sketched.values())).values())).algorithm) is not (
        ALGORITHMS[name].learner
    )


@pytest.mark.parametrize(
    "outside", ["palestra.{}", "palestra.algorithms.{}", "other.algorithms.dqn"]
)
def test_no_file_from_outside_of_the_package_is_executed(tmp_path, outside):
    (tmp_path / "strange.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with pytest.raises(ImportError, match="is no module of this package"):
        sketch(outside.format(tmp_path / "strange"))
    assert not (tmp_path / "ran").exists()
