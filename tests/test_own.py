"""The guide to a task and an algorithm of one's own is run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "own.md").read_text()
FEWER = {"20000": "400"}


def test_the_guide_runs(tmp_path: Path):
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.S)
    (tmp_path / "my_file.py").write_text(code)
    lines = re.findall(r"^    palestra ([^#\n]*)", GUIDE, flags=re.M)
    commands = [line.split() for line in lines]
    assert [words[0] for words in commands] == ["check", "check", *["train"] * 3, "evaluate"]
    script = ["import sys", "from palestra.tools.cli import main", "from glob import glob"]
    for words in commands:
        words = [FEWER.get(word, word) for word in words]
        if words[0] == "train":
            words += ["--episodes", "2", "--quiet", "--no-video"]
        script.append(
            f"code = main([x for w in {words} for x in (sorted(glob(w))[:1] if '*' in w else [w])])"
        )
        script.append(f"assert code == 0, {words}")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    configs = [path.read_text() for path in (tmp_path / "runs").glob("*/config.json")]
    assert sum('"length": 12' in config for config in configs) == 1


def test_the_guides_walker_learns(tmp_path: Path, monkeypatch):
    import palestra

    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.S)
    (tmp_path / "walker_of_guide.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import walker_of_guide as own

    run = palestra.train(
        own.Corridor(length=5), own.OneStepSarsa(), steps=5_000, episodes=20, quiet=True, run="r"
    )
    assert run.summary["best"]["palestra"]["mean"] > 0.8
    assert (run.folder / "video.mp4").is_file()
