"""Clients that are generated from the OpenAPI document, for Python and for TypeScript, read every member of real outcomes."""

import datetime
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types
import typing
import unittest

import pydantic
import requests

ORIGIN = f"https://{os.environ['VESTIBULE_DOMAIN']}"
EVENT = json.loads(pathlib.Path(os.environ["VESTIBULE_EVENT"]).read_text(encoding="utf-8"))
GUESTS = pathlib.Path(os.environ["VESTIBULE_GUESTS"])
CLIENTS = pathlib.Path(__file__).parent.parent

TIME = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
SESSION = {"id": "sess_typed", "created_at": TIME, "metadata": {"locale": "de"}}
REFRESH_TOKEN = {"id": "rt_1", "created_at": TIME, "metadata": {"platform": "ios"}}

# Actions, what they are told, and members of outcomes that nothing else has.
TRIALS = [
    ("every_effect", {}),
    ("every_effect", {"mode": "reject"}),
    ("every_effect", {"mode": "revoke"}),
    ("revokes", {}),
    ("denies", {}),
    ("panics", {}),
    ("returns_an_error", {}),
    ("floods_the_log", {}),
    ("grows_memory", {}),
    ("sends_requests", {"url": "http://127.0.0.1:9/", "look_at_errors": "yes"}),
    ("sends_requests", {"url": "https://elsewhere.example/", "look_at_errors": "yes", "times": "100"}),
]

# The components have no symbols, and no request is answered.
NEVER_SEEN = {"OutcomeFrame.function", "OutcomeFrame.place", "OutcomeRequest.status"}


class Typed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        cls.token = {"authorization": f"Bearer {token()}"}
        document = requests.get(f"{ORIGIN}/openapi.json", timeout=30)
        document.raise_for_status()
        (cls.path / "openapi.json").write_bytes(document.content)
        (cls.path / "outcomes").mkdir()
        cls.outcomes = [cls.outcome(number, *trial) for number, trial in enumerate(TRIALS)]
        cls.outcomes.append(cls.login())
        for number, outcome in enumerate(cls.outcomes):
            (cls.path / "outcomes" / f"{number}.json").write_text(json.dumps(outcome), encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def call(cls, method, path, **request):
        answer = requests.request(method, f"{ORIGIN}{path}", headers=cls.token, timeout=60, **request)
        if not answer.ok:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    @classmethod
    def outcome(cls, number, guest, configuration):
        """What an Action that is deployed nowhere makes of a login."""
        actions = "/api/v2/actions/actions"
        new = {
            "name": f"{guest} ({number})",
            "supported_triggers": [{"id": "post-login"}],
            "configuration": configuration,
            "allowed_origins": ["http://127.0.0.1:9"],
        }
        action = f"{actions}/{cls.call('POST', actions, json=new)['id']}"
        cls.call("PUT", f"{action}/component", data=(GUESTS / f"{guest}.wasm").read_bytes())
        deadline = time.monotonic() + 300
        while (status := cls.call("GET", action)["status"]) in ("pending", "building"):
            if time.monotonic() > deadline:
                raise AssertionError(f"{guest} is not built")
            time.sleep(0.05)
        if status != "built":
            raise AssertionError(f"{guest}: {status}")
        event = EVENT | {"session": SESSION, "refresh_token": REFRESH_TOKEN}
        return cls.call("POST", f"{action}/test", json={"payload": event})["payload"]

    @classmethod
    def login(cls):
        event = EVENT | {"session": {"id": "sess_typed"}, "transaction": {"id": "txn_typed"}}
        return cls.call("POST", "/v1/post-login", json=event)

    def run_program(self, *command):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(ran.returncode, 0, f"{command}\n{ran.stdout}\n{ran.stderr}")
        return ran.stdout

    def test_python_reads_every_member(self):
        module = self.path / "models.py"
        self.run_program(
            sys.executable, "-m", "datamodel_code_generator", "--input", str(self.path / "openapi.json"), "--input-file-type", "openapi",
            "--output-model-type", "pydantic_v2.BaseModel", "--extra-fields", "forbid", "--use-annotated", "--output", str(module),
        )
        models = load(module)
        seen = set()
        for outcome in self.outcomes:
            read = models.Outcome.model_validate(outcome)
            members_of(read, seen)
        self.assertTrue(any(read["multifactor"] for read in self.outcomes))
        all_members = set()
        declared_by(models.Outcome, all_members, set())
        self.assertEqual(all_members - seen - NEVER_SEEN, set(), "members that no outcome has: is the document right?")
        # What the event has to have, and what else it may have.
        least = {name: EVENT[name] for name in ("tenant", "user", "client", "connection", "request")}
        models.Event.model_validate(least)
        for name in least:
            with self.assertRaises(pydantic.ValidationError):
                models.Event.model_validate({other: value for other, value in least.items() if other != name})

    def test_typescript_reads_every_member(self):
        program = self.path / "typed"
        program.mkdir()
        for name in ("outcome.ts", "tsconfig.json"):
            (program / name).write_bytes((CLIENTS / "typed" / name).read_bytes())
        (program / "package.json").write_text('{ "type": "module" }', encoding="utf-8")
        (program / "node_modules").symlink_to(CLIENTS / "node_modules")
        bin_folder = CLIENTS / "node_modules" / ".bin"
        self.run_program(str(bin_folder / "openapi-typescript"), str(self.path / "openapi.json"), "--output", str(program / "schema.ts"))
        self.run_program(str(bin_folder / "tsc"), "--project", str(program))
        told = self.run_program("node", str(program / "outcome.js"), str(self.path / "outcomes"))
        self.assertEqual(told, f"read {len(self.outcomes)} outcomes\n")


def token():
    client = {"grant_type": "client_credentials", "client_id": "platform", "client_secret": os.environ["VESTIBULE_SECRET"]}
    answer = requests.post(f"{ORIGIN}/oauth/token", data=client, timeout=30)
    answer.raise_for_status()
    return answer.json()["access_token"]


def load(path):
    spec = importlib.util.spec_from_file_location("models", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["models"] = module
    spec.loader.exec_module(module)
    return module


def members_of(value, seen):
    """The members with a value, as MODEL.MEMBER."""
    if isinstance(value, pydantic.BaseModel):
        for name in value.model_fields_set:
            member = getattr(value, name)
            if member is not None:
                seen.add(f"{type(value).__name__}.{name}")
            members_of(member, seen)
    elif isinstance(value, dict):
        for one in value.values():
            members_of(one, seen)
    elif isinstance(value, list):
        for one in value:
            members_of(one, seen)


def declared_by(kind, members, visited):
    """All members that a model and the models in it declare."""
    if typing.get_origin(kind) is not None or isinstance(kind, types.UnionType):
        for argument in typing.get_args(kind):
            declared_by(argument, members, visited)
    elif isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) and kind not in visited:
        visited.add(kind)
        for name, field in kind.model_fields.items():
            members.add(f"{kind.__name__}.{name}")
            declared_by(field.annotation, members, visited)


if __name__ == "__main__":
    unittest.main()
