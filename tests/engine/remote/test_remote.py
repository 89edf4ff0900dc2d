"""The remote engine against a small server of our own, which speaks the shapes vLLM documents."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.api import (
    BadRequest,
    Cancelled,
    Draft,
    EngineError,
    EngineInfo,
    FillRequest,
    ModelMissing,
    Shape,
)
from engine.client.connect import connect
from engine.remote import key, load_remote
from engine.remote import server as remote_server
from engine.remote.fill import GAP, missing_text
from engine.remote.key import forget_key
from engine.remote.server import Server
from tests.hosting import wait_until

LINE = FillRequest(("def add(a, b):\n    return ", "\n"), path="/home/me/sums.py", shape=Shape.LINE)
DIFFUSION, OTHER = "google/diffusiongemma-26B-A4B-it", "some/coder"

Answer = Callable[["Handler"], None]


class Team(ThreadingHTTPServer):
    """`answers` by path, in order, the last for ever; `asked` is what came in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.broken = threading.Event()
        self.models = [{"id": OTHER, "owned_by": "vllm"}, {"id": DIFFUSION, "owned_by": "vllm"}]
        self.answers: dict[str, list[Answer]] = {
            "/v1/models": [lambda handler: handler.json({"data": self.models})],
            "/tokenize": [lambda handler: handler.json({"tokens": handler.ids()})],
            "/detokenize": [lambda handler: handler.json({"prompt": handler.text()})],
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.broken.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self, path: str = "/v1/chat/completions") -> list[Any]:
        return [body for asked, body, _ in self.asked if asked == path]

    def chat(self, *answers: Answer) -> None:
        self.answers["/v1/chat/completions"] = list(answers)


class Handler(BaseHTTPRequestHandler):
    server: Team
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, body: Any) -> None:
        self.body = body
        self.server.asked.append((self.path, body, dict(self.headers)))
        answers = self.server.answers.get(self.path, [status(404)])
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def json(self, document: Any, status: int = 200, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def say(self, text: str | None, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        self.wfile.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        self.wfile.flush()

    def ids(self) -> list[int]:
        """A token is a character."""
        return [ord(character) for character in self.body["prompt"]]

    def text(self) -> str:
        return "".join(map(chr, self.body["tokens"]))


def status(code: int, message: str = "because", **headers: str) -> Answer:
    return lambda handler: handler.json({"error": {"message": message}}, code, **headers)


def stream(*pieces: str, whole: bool = True) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin_stream()
        for piece in pieces:
            handler.say(piece)
        if whole:
            handler.say(None, "stop")
            handler.wfile.write(b'data: {"choices": [], "usage": {}}\n\ndata: [DONE]\n\n')

    return answer


def raw(content: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def canvas(handler: Handler) -> None:
    """Every hole gets as many letters as it is long; four of them are surest."""
    options = handler.body["vllm_xargs"]
    ids = options["diffusion_seed_canvas"]
    pinned = set(options["diffusion_pinned"])
    hole = [at for at in range(len(ids)) if at not in pinned]
    for count, at in enumerate(hole):
        ids[at] = ord("abcdefghijklmnopqrstuvwxyz"[count % 26])
    logprob = -0.1 if len(hole) == 4 else -2.0
    content = [{"token": f"token_id:{id}", "logprob": logprob} for id in ids]
    handler.json({"choices": [{"logprobs": {"content": content}, "message": {"content": ""}}]})


class Errors(ModuleType):
    """As `keyring.errors` has them."""

    class KeyringError(Exception):
        pass

    class NoKeyringError(KeyringError, RuntimeError):
        pass

    class KeyringLocked(KeyringError):
        pass


class Keyring(ModuleType):
    """As `keyring` answers: with a key, with None, or with an error. `asked` is what it was for."""

    def __init__(self, answer: str | Exception | None) -> None:
        super().__init__("keyring")
        self.__spec__ = ModuleSpec("keyring", None)
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, user: str) -> str | None:
        self.asked.append((service, user))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Keyring]:
    def install(answer: str | Exception | None) -> Keyring:
        ring = Keyring(answer)
        monkeypatch.setitem(sys.modules, "keyring", ring)
        monkeypatch.setitem(sys.modules, "keyring.errors", Errors("keyring.errors"))
        return ring

    forget_key()
    install(None)
    return install


@pytest.fixture
def team(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keyring: Callable[..., Keyring]
) -> Iterator[Team]:
    """A server, and nowhere a key for it: not even in the keyring of whoever runs this."""
    monkeypatch.delenv("INFILL_API_KEY", raising=False)
    monkeypatch.setenv("INFILL_API_KEY_FILE", str(tmp_path / "api-key"))
    team = Team()
    thread = threading.Thread(target=team.serve_forever, args=(0.02,))
    thread.start()
    yield team
    team.shutdown()
    thread.join()
    team.server_close()


def test_a_chat_is_streamed(team: Team) -> None:
    team.chat(stream("```python\n", "a +", " b", "\n```"))
    engine = load_remote(f"{team.address}/v1#{OTHER}")
    drafts: list[Draft] = []
    fill = engine.fill(LINE, drafts.append)
    assert fill.texts == ("a + b",)
    assert [draft.texts for draft in drafts] == [("",), ("a +",), ("a + b",), ("a + b",)]
    assert engine.info == EngineInfo(OTHER, team.address.removeprefix("http://"))
    (body,) = team.bodies()
    said = body["messages"][-1]["content"]
    assert f"    return {GAP}\n" in said
    assert "sums.py" in said
    assert "/home/me" not in json.dumps(team.asked)
    assert body["model"] == OTHER


def test_holes_are_filled_in_turn(team: Team) -> None:
    team.chat(stream("one"), stream("two"))
    fill = load_remote(team.address).fill(FillRequest(("a ", " b ", " c")))
    assert fill.texts == ("one", "two")
    assert f"a one b {GAP} c" in team.bodies()[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("said", "shape", "text"),
    [
        ("a + b", Shape.LINE, "a + b"),
        ("```py\na + b\n```", Shape.LINE, "a + b"),
        ("Sure!\n```\na + b\n```\nDone.", Shape.LINE, "a + b"),
        ("```py\n    return a + b\n```", Shape.LINE, "a + b"),
        ("```py\nx\ny\n```", Shape.LINE, "x"),
        ("```py\nx\n\n    y\n```", Shape.BLOCK, "x\n\n    y"),
        ("```py\nx", Shape.BLOCK, "x"),
        ("```py", Shape.BLOCK, ""),
        ("", Shape.LINE, ""),
        ("```\n```", Shape.LINE, ""),
    ],
)
def test_what_a_chat_means(said: str, shape: Shape, text: str) -> None:
    assert missing_text(said, FillRequest(LINE.texts, shape=shape)) == text


def test_a_canvas_is_pinned_where_the_server_can(team: Team) -> None:
    team.chat(canvas)
    drafts: list[Draft] = []
    fill = load_remote(f"{team.address}/v1#{DIFFUSION}").fill(LINE, drafts.append)
    assert fill.texts == ("abcd",)
    assert sorted(len(each.texts[0]) for each in fill.alternatives) == [4, 8, 16]
    assert fill.candidates[fill.texts] == fill.confidence == max(fill.candidates.values())
    assert drafts[-1].texts == ("abcd",)
    assert 0.8 < fill.confidence < 1.0
    for body in team.bodies():
        options = body["vllm_xargs"]
        ids, pinned = options["diffusion_seed_canvas"], options["diffusion_pinned"]
        assert len(ids) == options["diffusion_canvas_length"] == body["max_tokens"]
        assert "".join(chr(ids[at]) for at in pinned) == "    return \n"
        assert pinned == [*range(11), len(ids) - 1]


def test_the_same_request_begins_with_the_same_noise(team: Team) -> None:
    team.chat(canvas)
    engine = load_remote(f"{team.address}/v1#{DIFFUSION}")
    for _ in range(2):
        engine.fill(FillRequest(LINE.texts, max_tokens=4, seed=3, steps=2))
    first, second = (body["vllm_xargs"] for body in team.bodies())
    assert first == second
    assert first["diffusion_max_steps"] == 2


@pytest.mark.parametrize(
    "refusal",
    [
        status(400, "vllm_xargs: unknown key diffusion_seed_canvas"),
        lambda handler: handler.json({"choices": [{"message": {"content": "hm"}}]}),
    ],
    ids=["refused", "ignored"],
)
def test_without_the_options_it_is_asked_in_words(team: Team, refusal: Answer) -> None:
    def answer(handler: Handler) -> None:
        (refusal if "vllm_xargs" in handler.body else stream("a + b"))(handler)

    team.chat(answer)
    engine = load_remote(f"{team.address}#{DIFFUSION}")
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a + b",)
    assert ["vllm_xargs" in body for body in team.bodies()[-2:]] == [False, False]


def test_without_a_tokenizer_too(team: Team) -> None:
    team.answers["/tokenize"] = [status(404)]
    team.chat(stream("a + b"))
    assert load_remote(f"{team.address}#{DIFFUSION}").fill(LINE).texts == ("a + b",)


ERRORS = [
    (status(401), EngineError, "wants a key.*INFILL_API_KEY", 1),
    (status(403), EngineError, "wants a key.*INFILL_API_KEY", 1),
    (status(404), ModelMissing, "because", 1),
    (status(400, "too long"), BadRequest, "too long", 1),
    (status(429), EngineError, "busy", 3),
    (status(429, Retry_After="3600"), EngineError, "busy", 1),
    (status(500, "out of paper"), EngineError, "out of paper", 3),
    (status(503, Retry_After="0"), EngineError, "503", 3),
    (status(302, Location="http://127.0.0.1:9/"), EngineError, "moved", 1),
    (status(418), EngineError, "418", 1),
    (raw(b"220 smtp ready\r\n"), EngineError, "reached", 1),
    (stream("a +", whole=False), EngineError, "broke off", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ndata: {}\n"), EngineError, "reached", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata: {\n"), EngineError, "read", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata: 3\n"), EngineError, "read", 1),
]


@pytest.mark.parametrize(("answer", "kind", "words", "tries"), ERRORS)
def test_errors_name_cause_and_mend(
    team: Team,
    answer: Answer,
    kind: type[EngineError],
    words: str,
    tries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_server, "_wait", lambda *_: None)
    team.chat(answer)
    engine = load_remote(team.address)
    with pytest.raises(kind, match=words) as caught:
        engine.fill(LINE)
    assert type(caught.value) is kind
    assert len(team.bodies()) == tries
    team.chat(stream("a + b"))
    assert engine.fill(LINE).texts == ("a + b",)


def test_a_busy_server_is_asked_again(team: Team) -> None:
    team.chat(status(503, Retry_After="0"), status(429, Retry_After="0"), stream("a + b"))
    assert load_remote(team.address).fill(LINE).texts == ("a + b",)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://", "no address"),
        ("http://me:secret@{0}", "INFILL_API_KEY"),
        ("http://{0}/v1?x=1", "no address"),
        ("http://{0}:x", "no address"),
        ("http://{0}/v1#nobody/knows", "google/diffusiongemma"),
    ],
)
def test_an_address_that_is_none(team: Team, address: str, words: str) -> None:
    with pytest.raises(ModelMissing, match=words) as caught:
        load_remote(address.format(team.address.removeprefix("http://")))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("listed", [{"data": 3}, {"data": ["x"]}, {}, []], ids=str)
def test_what_is_no_openai_server(team: Team, listed: Any) -> None:
    team.answers["/v1/models"] = [lambda handler: handler.json(listed)]
    with pytest.raises(EngineError, match="OpenAI-compatible"):
        load_remote(team.address)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EngineError, match="cannot be reached"):
        load_remote(f"http://127.0.0.1:{port}")


def test_a_server_that_says_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_server, "PATIENCE", 0.2)
    engine = load_remote(team.address)
    team.chat(lambda handler: time.sleep(1.0))
    with pytest.raises(EngineError, match="does not answer"):
        engine.fill(LINE)


def test_a_cancel_closes_the_stream(team: Team) -> None:
    def endless(handler: Handler) -> None:
        handler.begin_stream()
        while True:
            handler.say("x")
            time.sleep(0.005)

    team.chat(endless)
    drafts: list[Draft] = []
    with pytest.raises(Cancelled):
        load_remote(team.address).fill(LINE, drafts.append, lambda: len(drafts) > 2)
    assert team.broken.wait(20)


@pytest.mark.parametrize(
    ("environment", "file", "sent"),
    [
        (None, None, None),
        ("from-env", None, "Bearer from-env"),
        (None, "from-file\n", "Bearer from-file"),
        ("from-env", "from-file", "Bearer from-env"),
        (" ", "", None),
        ("\t from-env \n", None, "Bearer from-env"),
    ],
)
def test_the_key(
    team: Team,
    environment: str | None,
    file: str | None,
    sent: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    if environment is not None:
        monkeypatch.setenv("INFILL_API_KEY", environment)
    if file is not None:
        (tmp_path / "api-key").write_text(file)
        (tmp_path / "api-key").chmod(0o600)
    team.chat(status(401))
    with pytest.raises(EngineError) as caught:
        load_remote(team.address).fill(LINE)
    assert {headers.get("Authorization") for _, _, headers in team.asked} == {sent}
    for secret in ("from-env", "from-file"):
        assert secret not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("from-ring", "Bearer from-ring"),
        (" from-ring\n", "Bearer from-ring"),
        (None, None),
        ("", None),
        (Errors.NoKeyringError("none"), None),
    ],
    ids=repr,
)
def test_the_key_of_a_keyring(
    team: Team,
    keyring: Callable[..., Keyring],
    answer: str | Exception | None,
    sent: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    ring = keyring(answer)
    team.chat(stream("a + b"))
    engine = load_remote(team.address)
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a + b",)
    assert {headers.get("Authorization") for _, _, headers in team.asked} == {sent}
    assert ring.asked == [("infill-ls", team.address.removeprefix("http://"))]  # once
    assert "from-ring" not in caplog.text


def test_a_key_that_was_refused_is_looked_for_again(
    team: Team, keyring: Callable[..., Keyring]
) -> None:
    ring = keyring("old-key")
    team.chat(status(401), stream("a + b"))
    engine = load_remote(team.address)
    address = team.address.removeprefix("http://")
    with pytest.raises(EngineError, match=f"keyring set infill-ls {address}") as caught:
        engine.fill(LINE)
    assert "old-key" not in str(caught.value)
    ring.answer = "new-key"
    assert engine.fill(LINE).texts == ("a + b",)
    assert team.asked[-1][2]["Authorization"] == "Bearer new-key"


def test_a_keyring_that_stays_locked(team: Team, keyring: Callable[..., Keyring]) -> None:
    keyring(Errors.KeyringLocked("the old-key is locked"))
    with pytest.raises(EngineError, match=r"KeyringLocked.*unlock it") as caught:
        load_remote(team.address)
    assert "old-key" not in str(caught.value)
    assert team.asked == []


def test_without_a_keyring_its_mend_names_the_extra(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key.importlib.util, "find_spec", lambda _: None)
    forget_key()
    team.chat(status(401))
    with pytest.raises(EngineError, match=r"infill-ls\[keyring\]"):
        load_remote(team.address).fill(LINE)


def test_a_key_that_others_can_read_is_not_sent(team: Team, tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("key")
    (tmp_path / "api-key").chmod(0o644)
    with pytest.raises(EngineError, match="chmod 600"):
        load_remote(team.address)
    assert team.asked == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://h", Server(False, "h", 80, "/v1", None)),
        ("https://h/", Server(True, "h", 443, "/v1", None)),
        ("https://h:8/api/v1/#a/b", Server(True, "h", 8, "/api/v1", "a/b")),
        ("http://[::1]:8000/v1", Server(False, "::1", 8000, "/v1", None)),
    ],
)
def test_addresses(address: str, expected: Server) -> None:
    assert Server.at(address) == expected
    assert expected.root + "/v1" == expected.path


def test_through_the_host_and_without_torch(team: Team) -> None:
    team.chat(stream("a", " + b"))
    drafts: list[Draft] = []
    with connect(f"{team.address}/v1") as engine:
        assert engine.fill(LINE, drafts.append).texts == ("a + b",)
        assert drafts[-1].texts == ("a + b",)
        assert engine.info.model == OTHER
        pid = engine.pid
        maps = Path(f"/proc/{pid}/maps")
        assert not maps.exists() or "torch" not in maps.read_text()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or pid is None, "the host's end")
