"""Where weights are looked for, that a wrong file never passes, and what a person reads when there is none."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

from sketchkit.errors import ConfigError, WeightsError
from sketchkit.pretrained import weights
from sketchkit.pretrained.weights import KNOWN, WeightsFile, known_file, load_weights, read_tensors, resolve_weights


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The folders of this test, empty: the user's own, the hub's, and the `net`."""
    folders = {"own": tmp_path / "own", "hub": tmp_path / "torch" / "hub" / "checkpoints", "net": tmp_path / "net"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    monkeypatch.setenv("SKETCHKIT_WEIGHTS", str(folders["own"]))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("SKETCHKIT_OFFLINE", raising=False)
    return folders


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


@pytest.fixture
def published(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file on the `net`, known as 'tiny', that carries its hash in its name."""
    draft = places["net"] / "draft"
    torch.save(network().state_dict(), draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    file = draft.rename(places["net"] / f"tiny-{digest[:8]}.pth")
    monkeypatch.setitem(KNOWN, "tiny", WeightsFile(file.as_uri(), (file.name, "other.pth"), file.stat().st_size))
    return file


def put(file: Path, folder: Path, name: str | None = None) -> Path:
    copy = folder / (name or file.name)
    copy.write_bytes(file.read_bytes())
    return copy


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_places_in_order(published: Path, places: dict[str, Path], tmp_path: Path) -> None:
    downloaded = resolve_weights("tiny")
    assert downloaded == places["hub"] / published.name
    own = put(published, places["own"])
    assert resolve_weights("tiny") == own
    mine = put(published, tmp_path, "mine.pth")
    assert resolve_weights("tiny", mine) == mine
    own.unlink()
    published.unlink()  # the net is gone
    assert resolve_weights("tiny", offline=True) == downloaded


def test_a_second_name_is_accepted(published: Path, places: dict[str, Path]) -> None:
    other = put(published, places["own"], "other.pth")
    assert resolve_weights("tiny") == other


def test_a_download_leaves_just_the_file(published: Path, places: dict[str, Path]) -> None:
    file = resolve_weights("tiny")
    assert file.read_bytes() == published.read_bytes()
    assert list(places["hub"].iterdir()) == [file]


def test_a_wrong_download_is_thrown_away(published: Path, places: dict[str, Path]) -> None:
    published.write_bytes(b"an error page")
    with pytest.raises(WeightsError, match=r"\(13 bytes\) is not tiny-"):
        resolve_weights("tiny")
    assert list(places["hub"].iterdir()) == []


def test_a_wrong_file_in_a_folder_is_refused_not_skipped(published: Path, places: dict[str, Path]) -> None:
    wrong = places["own"] / published.name
    wrong.write_bytes(published.read_bytes()[:-1])
    with pytest.raises(WeightsError) as caught:
        resolve_weights("tiny")
    line = one_line(caught)
    actual = hashlib.sha256(wrong.read_bytes()).hexdigest()[:8]
    expected = published.stem.partition("-")[2]
    assert line == (
        f"{wrong} ({wrong.stat().st_size} bytes) is not {wrong.name}: its sha256 starts with {actual}, not {expected}: "
        f"delete it, and get it again from {published.as_uri()}"
    )


def test_a_given_path_is_verified_when_it_bears_the_published_name(published: Path, tmp_path: Path) -> None:
    wrong = tmp_path / published.name
    wrong.write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not tiny-"):
        resolve_weights("tiny", wrong)
    with pytest.raises(WeightsError, match=r"no weights of tiny at .*absent.pth: check the path"):
        resolve_weights("tiny", tmp_path / "absent.pth")


def test_a_whole_hash_beats_the_one_in_the_name() -> None:
    fid = KNOWN["inception_fid"]
    assert len(fid.sha256) == 64 and all(fid.digest(name) == fid.sha256 for name in fid.names)
    assert all(fid.sha256[:8] in name for name in fid.names)


@pytest.mark.parametrize("offline", [True, False])
def test_missing_weights_say_everything_in_one_line(
    offline: bool, published: Path, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, "tiny", WeightsFile("http://127.0.0.1:9/tiny.pth", ("tiny.pth", "t.pth"), 3 * 2**20))
    monkeypatch.setenv("SKETCHKIT_OFFLINE", "1" if offline else "0")
    with pytest.raises(WeightsError) as caught:
        resolve_weights("tiny")
    reason = "downloads are off" if offline else "the download failed (<urlopen error [Errno 111] Connection refused>)"
    assert one_line(caught) == (
        f"tiny needs tiny.pth or t.pth (3.0 MB): not in {places['own']}, {places['hub']}, and {reason}; put it there "
        f"with: curl -L --create-dirs -o {places['own']}/tiny.pth http://127.0.0.1:9/tiny.pth"
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class Stingy(Quiet):
    """Promises twice what it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "20")
        self.end_headers()
        self.wfile.write(b"0123456789")


class Silent(Quiet):
    def do_GET(self) -> None:
        threading.Event().wait(1.0)


@pytest.fixture
def serve(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    servers = []

    def start(handler: type[Quiet], name: str) -> None:
        bound = functools.partial(handler, directory=str(places["net"]))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{servers[-1].server_port}/{name}"
        monkeypatch.setitem(KNOWN, "tiny", WeightsFile(url, (name,)))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_download_over_http(published: Path, places: dict[str, Path], serve) -> None:
    serve(Quiet, published.name)
    assert resolve_weights("tiny").read_bytes() == published.read_bytes()


@pytest.mark.parametrize(
    ("handler", "reason"), [(Stingy, "10 of 20 bytes came"), (Quiet, "HTTP Error 404"), (Silent, "timed out")]
)
def test_a_failed_download_leaves_nothing(
    handler: type[Quiet], reason: str, places: dict[str, Path], serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "TIMEOUT", 0.2 if handler is Silent else 10.0)
    serve(handler, "absent.safetensors")
    with pytest.raises(WeightsError, match=rf"the download failed \(.*{reason}"):
        resolve_weights("tiny")
    assert list(places["hub"].iterdir()) == []


@pytest.mark.parametrize(
    ("name", "url", "file"),
    [
        ("vgg16", "https://download.pytorch.org/models/vgg16-397923af.pth", "vgg16-397923af.pth"),
        ("vgg19_bn", "https://download.pytorch.org/models/vgg19_bn-c79401a0.pth", "vgg19_bn-c79401a0.pth"),
        ("alexnet", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "alexnet-owt-7be5be79.pth"),
        ("squeezenet1_1", "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
         "squeezenet1_1-b8a52dc0.pth"),
        ("timm:resnet18", "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
         "resnet18.a1_in1k.safetensors"),
        ("timm:inception_v4", KNOWN["inception_v4"].url, KNOWN["inception_v4"].names[0]),
    ],
)  # fmt: skip
def test_known_files(name: str, url: str, file: str) -> None:
    known = known_file(name)
    assert (known.url, known.names[0]) == (url, file)
    if file.endswith(".pth"):
        assert known.digest(file) == file[-12:-4] and known.size > 2**20


def test_the_older_inception_file_is_verified_by_its_name() -> None:
    known = known_file("inception_v4")
    assert [known.digest(name) for name in known.names] == ["", "8e4777a0"]


@pytest.mark.parametrize(("name", "message"), [("vgg17", "did you mean 'vgg1"), ("timm:resnet19", "did you mean")])
def test_an_unknown_network_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_weights(name)


def test_loading_gives_the_published_numbers(published: Path) -> None:
    module = network()
    assert load_weights(module, "tiny").name == published.name
    expected = torch.load(published, weights_only=True)
    assert all(torch.equal(value, expected[key]) for key, value in module.state_dict().items())


def test_safetensors(tmp_path: Path) -> None:
    source, module = network(), network()
    safetensors.torch.save_file(source.state_dict(), tmp_path / "t.safetensors")
    load_weights(module, "vgg11", tmp_path / "t.safetensors")
    assert torch.equal(module[0].weight, source[0].weight)


def test_a_prefix_takes_a_part(tmp_path: Path) -> None:
    whole = torchvision.models.squeezenet1_1(weights=None)
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    features = torchvision.models.squeezenet1_1(weights=None).features
    load_weights(features, "squeezenet1_1", tmp_path / "whole.pth", prefix="features.")
    assert torch.equal(features[0].weight, whole.features[0].weight)


def test_files_from_before_batch_counts_load(tmp_path: Path) -> None:
    state = {key: value for key, value in network().state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    load_weights(network(), "vgg11", tmp_path / "old.pth")


def test_wrong_keys_and_shapes_are_named(tmp_path: Path) -> None:
    state = network().state_dict()
    state["0.kernel"] = state.pop("0.weight")
    state["0.bias"] = torch.zeros(5)
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(WeightsError, match=r"wrong\.pth does not fit vgg11: ") as caught:
        load_weights(network(), "vgg11", tmp_path / "wrong.pth")
    line = one_line(caught)
    assert 'Missing key(s) in state_dict: "0.weight"' in line and '"0.kernel"' in line and "size mismatch" in line


@pytest.mark.parametrize("kept", [0, 10, 500, -1])
@pytest.mark.parametrize("kind", ["t.pth", "t.safetensors", "old.pth"])
def test_a_truncated_file_is_refused(kind: str, kept: int, tmp_path: Path) -> None:
    file, state = tmp_path / kind, network().state_dict()
    if kind == "t.safetensors":
        safetensors.torch.save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "t.pth")
    assert read_tensors(file).keys() == state.keys()
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=rf"{kind} is damaged") as caught:
        read_tensors(file)
    one_line(caught)


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    file, mark = tmp_path / "bomb.pth", tmp_path / "mark"
    torch.save({"0.weight": Bomb(mark)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="could run code: refused") as caught:
        read_tensors(file)
    one_line(caught)
    assert not mark.exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": torch.zeros(1)}}, torch.zeros(3)])
def test_something_else_than_a_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "t.pth")
    with pytest.raises(WeightsError, match="is not a state dict of named tensors"):
        read_tensors(tmp_path / "t.pth")
