"""SIGKILL in the middle of a write, of a download and of a training: what is on disk is whole, the next run goes on."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from subprocess import TimeoutExpired

import faulty
import numpy as np
import pytest

from influaug.files import sealed
from studies.storage import artifacts, paths

pytestmark = pytest.mark.faults


def killed_within(process, seconds):
    """Kill a process after some seconds, which it does not end before; what it had said until then."""
    with pytest.raises(TimeoutExpired):
        process.wait(seconds)
    return faulty.kill(process)


def numbers(folder):
    """The one number that each artifact is full of."""
    (key,) = {artifacts.read_manifest(folder / name)["key"] for name in ("a.npz",)}
    of_table = artifacts.read_manifest(folder / "a.parquet")["key"]
    contents = [
        sealed.read_arrays(folder / "a.npz", key)["values"],
        artifacts.read_table(folder / "a.parquet", of_table)["values"].to_numpy(),
        np.array(sealed.read_json(folder / "a.json")["values"]),
    ]
    assert all((content == content[0]).all() for content in contents)
    assert (contents[0][0], contents[1][0]) == (int(key), int(of_table))
    return [int(content[0]) for content in contents]


def test_artifacts_are_wholly_old_or_wholly_new_whenever_their_writer_is_killed(tmp_path):
    rng, number, left = np.random.default_rng(1), 0, 0
    for _ in range(6):
        process = faulty.start(paths.PROJECT, faulty.DRIVERS / "write.py", tmp_path, number)
        number = int(process.stdout.readline())
        said = killed_within(process, rng.uniform(0, 0.3)).split()
        number = max([number, *map(int, said)])
        found = numbers(tmp_path)
        assert sorted(found, reverse=True) == found and {*found} <= {number, number + 1}
        left += len([path for path in tmp_path.iterdir() if path.name.startswith(".")])
        number += 1
    assert left, "never in the middle of a write"
    process = faulty.start(paths.PROJECT, faulty.DRIVERS / "write.py", tmp_path, number)
    process.stdout.readline()
    faulty.kill(process)
    mine = f".{process.pid}."
    others = [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and mine not in path.name]
    assert others == []


@pytest.fixture
def slow(tmp_path):
    """A server of a file that stops after the part that is asked for, until it may go on: file, address, events."""
    buffer, rng = BytesIO(), np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (4000, 28, 28)).astype(np.uint8), np.arange(4000) % 10
    np.savez(buffer, x_train=images, y_train=labels, x_test=images[:100], y_test=labels[:100])
    content, sent, go = buffer.getvalue(), threading.Event(), threading.Event()

    class Slow(BaseHTTPRequestHandler):
        part = 0.0

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            middle = int(Slow.part * len(content))
            self.wfile.write(content[:middle])
            sent.set()
            go.wait()
            self.wfile.write(content[middle:])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield content, f"http://127.0.0.1:{server.server_port}/mnist.npz", Slow, sent, go
    go.set()
    server.shutdown()
    server.server_close()


def test_a_killed_download_leaves_no_data_file_and_the_next_one_is_whole(slow, tmp_path):
    content, address, server, sent, go = slow
    driver = (faulty.DRIVERS / "download.py", tmp_path / "data", address, hashlib.sha256(content).hexdigest())
    for part in (0.0, 0.5, 0.99):
        server.part = part
        process = faulty.start(paths.PROJECT, *driver)
        sent.wait()
        faulty.kill(process)
        sent.clear()
        assert not (tmp_path / "data" / "mnist.npz").exists()
    go.set()
    first, again = (faulty.finished(faulty.start(paths.PROJECT, *driver)) for _ in range(2))
    assert first[0] == again[0] == 0 and first[1].endswith(again[1])
    assert (tmp_path / "data" / "mnist.npz").read_bytes() == content


def test_a_training_killed_while_it_saves_ends_with_the_weights_of_an_undisturbed_one(tmp_path):
    rng, saves = np.random.default_rng(2), 0
    for until in (2, 3, 4):
        process = faulty.start(paths.PROJECT, faulty.DRIVERS / "train.py", tmp_path / "killed")
        for line in process.stdout:
            saves += line == "saves\n"
            if saves == until:
                break
        killed_within(process, rng.uniform(0, 0.02))
    ended = [
        faulty.finished(faulty.start(paths.PROJECT, faulty.DRIVERS / "train.py", tmp_path / name))
        for name in ("killed", "undisturbed")
    ]
    assert [status for status, _ in ended] == [0, 0]
    hashes = [said.split()[-1] for _, said in ended]
    assert hashes[0] == hashes[1] and len(hashes[0]) == 64
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["checkpoint.npz"]
