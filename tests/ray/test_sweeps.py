"""A sweep's workers on Ray: whatever node dies, every run ends as it would alone."""

from threading import Event, Thread

import palestra

SETTINGS: dict = {"steps": 600_000, "checkpoint_seconds": 0, "video": False, "episodes": 1}
KILLS = 2


def kill_nodes(cluster, runs, over, killed):
    """End a node in the middle of a run, now and then."""
    seen = 0
    while not over.wait(0.1) and len(killed) < KILLS:
        lines = sum(path.read_bytes().count(b"\n") for path in runs.glob("*@*/metrics.jsonl"))
        if lines < seen + 5:
            continue
        seen = lines
        node = min(cluster.worker_nodes, key=lambda node: node.node_id)
        cluster.remove_node(node, allow_graceful=False)
        killed.append(node)


def test_nodes_that_die_change_no_run(cluster, tmp_path):
    while len(cluster.worker_nodes) <= KILLS:
        cluster.add_node(num_cpus=1)
    killed, over = [], Event()
    runs = tmp_path / "sweep" / "runs"
    killer = Thread(target=kill_nodes, args=(cluster, runs, over, killed))
    killer.start()
    found = palestra.sweep(
        "FrozenLake-v1",
        "q_learning",
        seeds=3,
        folder=tmp_path / "sweep",
        workers=2,
        ray=cluster.address,
        quiet=True,
        **SETTINGS,
    )
    over.set()
    killer.join()
    assert len(killed) == KILLS
    names = sorted(path.name for path in runs.iterdir())
    assert names == [f"0000-seed{seed}" for seed in range(3)]
    for seed in range(3):
        alone = palestra.train(
            "FrozenLake-v1",
            "q_learning",
            seed=seed,
            run=tmp_path / str(seed),
            quiet=True,
            **SETTINGS,
        )
        for name in ("metrics.jsonl", "last.safetensors", "agent.safetensors"):
            there = (runs / f"0000-seed{seed}" / name).read_bytes()
            assert there == (alone.folder / name).read_bytes()
    assert len(found.runs) == 3
