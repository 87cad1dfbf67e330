"""Who may ask the studio, and for what."""

import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from palestra.tools import cli
from palestra.tools.studio import detail, server


def test_the_page_and_all_its_parts_are_there(studio):
    status, page = studio.ask("")
    assert status == 200
    assert b"main.js" in page
    for path in server.PAGE.iterdir():
        assert studio.ask(path.name)[0] == 200
    assert studio.ask("nothing.js")[0] == 404


def test_the_page_asks_nobody_else():
    """No address of another place stands in it, but for names of formats."""
    for path in server.PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text


def test_whoever_does_not_know_the_token_is_refused(studio):
    for token in "wrong", "", "righ", "right2", "%72ight2", "%C3%A9", "%FF":
        assert studio.ask("runs", token=token)[0] == 403
    with pytest.raises(InvalidStatus):
        studio.listen("live?run=one", token="wrong")


def test_pages_of_others_and_foreign_names_of_this_machine_are_refused(studio):
    own = f"http://127.0.0.1:{studio.port}"
    assert studio.ask("runs", origin=own)[0] == 200
    assert studio.ask("runs", host=f"localhost:{studio.port}")[0] == 200
    for origin in "http://evil.example", "null", f"http://localhost:{studio.port}", own[:-1]:
        assert studio.ask("runs", origin=origin)[0] == 403
        with pytest.raises(InvalidStatus):
            studio.listen("live?run=one", origin=origin)
    with pytest.raises(InvalidStatus):
        studio.listen("live?run=one", origin=None)
    for host in "evil.example", f"evil.example:{studio.port}", "127.0.0.1:1", "127.0.0.1":
        assert studio.ask("runs", host=host)[0] == 403


@pytest.mark.parametrize(
    "name", ["..", "../secret", "/etc", "one/../one", "link", "one/%00", "nope"]
)
def test_no_path_leads_out_of_the_folder(studio, name):
    secret = studio.root.parent / "secret"
    secret.mkdir(exist_ok=True)
    for file in "config.json", "video.mp4":
        (secret / file).write_text("{}")
    if not (studio.root / "link").exists():
        (studio.root / "link").symlink_to(secret)
        (studio.root / "one" / "video.mp4").symlink_to(secret / "video.mp4")
    for path in f"run?run={name}", f"compare?run={name}", f"file?run={name}&name=config.json":
        assert studio.ask(path)[0] == 404
    for file in f"../{name}/config.json", "video.mp4", "", ".", "/etc/passwd", "..%2f..%2fsecret":
        assert studio.ask(f"file?run=one&name={file}")[0] == 404
    assert {row["name"] for row in studio.ask("runs")[1]["runs"]} == {"one", "more/seed1"}
    for path in "..%2f..%2fetc%2fpasswd", "../server.py", "%2e%2e/server.py":
        assert studio.ask(path)[0] in (403, 404)


def test_a_message_that_is_too_large_is_refused(studio):
    assert studio.ask("stop", body="{")[0] == 400
    large = json.dumps({"run": "x" * server.LARGEST})
    assert studio.ask("stop", body=large)[0] == 413
    with studio.listen("live?run=one") as page:
        page.recv(timeout=10)
        page.recv(timeout=10)
        page.send(large)
        with pytest.raises(ConnectionClosed, match="1009"):
            page.recv(timeout=10)


def test_the_table_tells_of_every_run(studio):
    status, told = studio.ask("runs")
    assert status == 200
    rows = {row["name"]: row for row in told["runs"]}
    assert rows["one"]["state"] == "finished"
    assert rows["one"]["best"] == 450.0
    assert rows["more/seed1"]["state"] == "died"
    assert rows["more/seed1"]["asked"] == 3000
    again = {row["name"]: row for row in studio.ask("runs")[1]["runs"]}
    assert again["one"]["age"] >= rows["one"]["age"]


def test_a_command_to_copy_is_one_command_whatever_a_run_is_called(studio):
    folder = shutil.copytree(studio.root / "one", studio.root / "one; echo other")
    told = studio.ask(f"run?run={quote(folder.name)}")[1]
    shutil.rmtree(folder)
    assert shlex.split(told["again"]) == ["palestra", "train", "--like", str(folder)]


def test_a_run_tells_its_settings_with_their_sentences(studio):
    told = studio.ask("run?run=one")[1]
    gamma = next(x for x in told["settings"] if x["name"] == "gamma")
    assert gamma["value"] == 0.99
    assert "Discount" in gamma["said"]
    assert ["config.json", (studio.root / "one" / "config.json").stat().st_size] in told["files"]
    assert told["again"] == f"palestra train --like {studio.root / 'one'}"
    assert (
        studio.ask("file?run=one&name=config.json")[1]
        == (studio.root / "one" / "config.json").read_bytes()
    )


def test_runs_are_compared_by_what_differs(studio):
    told = studio.ask("compare?run=one&run=more/seed1")[1]
    (panel,) = told["panels"]
    assert panel["differ"] == ["learning_rate"]
    assert [x["setting"]["learning_rate"] for x in panel["groups"]] == [0.001, 0.01]
    assert [x["runs"] for x in panel["groups"]] == [["one"], ["more/seed1"]]
    assert any("return" in table["title"] for table in told["tables"])


def test_a_curve_grows_on_the_page_as_it_does_on_the_disk(studio):
    folder = studio.root / "more" / "seed1"
    with studio.listen("live?run=more/seed1") as page:
        first = json.loads(page.recv(timeout=10))
        assert [x["step"] for x in first["points"]] == [1000, 2000, 3000]
        assert json.loads(page.recv(timeout=10))["standing"]["state"] == "died"
        with (folder / "metrics.jsonl").open("a") as file:
            line = {"step": 4000, "ended_at": [], "returns": [], "lengths": [], "loss": 2.5}
            file.write(json.dumps(line) + '\n{"step": 5')
        news = json.loads(page.recv(timeout=10))
        assert (news["at"], news["points"]) == (3, [{"step": 4000, "loss": 2.5}])
    with studio.listen("live?run=nope") as page:
        assert "nope" in json.loads(page.recv(timeout=10))["refused"]


def test_nobody_who_trains_is_stopped_where_there_is_none(studio):
    status, told = studio.ask("stop", body=json.dumps({"run": "one"}))
    assert status == 400
    assert told["said"] == "No process of yours trains this run."


def test_a_port_that_is_taken_is_told_in_one_sentence(studio, capsys, tmp_path):
    folder = str(tmp_path)
    assert cli.main(["studio", folder, "--no-browser", "--port", str(studio.port)]) == 2
    assert f"Port {studio.port} is taken by another program" in capsys.readouterr().err
    assert cli.main(["studio", folder, "--port", "70000"]) == 2
    assert "from 0 to 65535" in capsys.readouterr().err
    assert cli.main(["studio", str(tmp_path / "nowhere")]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_a_missing_extra_is_named_by_the_line_that_installs_it(monkeypatch, capsys, tmp_path):
    monkeypatch.delitem(sys.modules, "palestra.tools.studio.server")
    monkeypatch.setitem(sys.modules, "starlette.concurrency", None)
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert cli.main(["studio", str(tmp_path)]) == 2
    assert "pip install 'palestra[studio]'" in capsys.readouterr().err


def test_ctrl_c_ends_it_whoever_looks_on(tmp_path):
    command = [sys.executable, "-m", "palestra", "studio", str(tmp_path), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = process.stdout.readline().split()[4]
    host, token = address.removeprefix("http://").rstrip("/").split("/")
    page = http.client.HTTPConnection(host, timeout=10)
    page.request("GET", f"/{token}/runs")
    assert json.loads(page.getresponse().read())["runs"] == []
    page.close()
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert time.monotonic() - begun < 10


def test_an_agent_that_comes_with_palestra_plays_without_a_run(studio):
    _, told = studio.ask("zoo")
    first = told["agents"][0]
    assert first["name"] == "zoo:dqn/CartPole-v1"
    assert first["low"] <= first["mean"]
    with studio.listen(f"play?run={first['name']}") as page:
        assert json.loads(page.recv(timeout=60))["about"]["rewinds"]
        assert json.loads(page.recv(timeout=60))["value"] > 50  # what it expects of a start
    with studio.listen("play?run=zoo:dqn/Nothing") as page:
        assert "in the zoo" in json.loads(page.recv(timeout=60))["refused"]
    for path in "run?run=zoo:dqn/CartPole-v1", "file?run=zoo:dqn/CartPole-v1&name=x":
        assert studio.ask(path)[0] == 404


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """Looking at a run is at fault, in all that asks for it; the folder of the reports."""

    def fails(*_):
        raise RuntimeError("shapes (3,) and (4,)")

    monkeypatch.delenv("PALESTRA_DEBUG")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(detail, "of", fails)
    monkeypatch.setattr(detail, "standing", fails)
    return tmp_path


def test_a_fault_of_ours_is_told_as_one_and_the_studio_goes_on(studio, failing, capfd):
    for _ in range(2):
        status, told = studio.ask("run?run=one")
        assert status == 500
        assert "a fault of Palestra, not of what was asked: RuntimeError: shapes" in told["said"]
    (file,) = failing.iterdir()  # one, however often a page asks
    assert str(file) in told["said"]
    text = file.read_text()
    assert "studio /run?run=one\n" in text
    assert f"{studio.token}/" not in text
    assert "Traceback" in text
    with studio.listen("live?run=one") as page:
        page.recv(timeout=10)
        assert "a fault of Palestra" in json.loads(page.recv(timeout=10))["refused"]
    assert studio.ask("runs")[0] == 200
    terminal = capfd.readouterr().err
    assert terminal.count(f"palestra: {told['said']}") == 1
    assert "Traceback" not in terminal
