"""Auth0's published Python client against a running server, which it takes for Auth0.

`cargo test --workspace --test clients` starts the server, with TLS, and says in the environment where it is.
"""

import datetime
import json
import os
import unittest
import urllib.request

from auth0.authentication import GetToken
from auth0.authentication.exceptions import Auth0Error
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError
from auth0.management.errors import BadRequestError, ForbiddenError, NotFoundError, TooManyRequestsError, UnauthorizedError

DOMAIN = os.environ["VESTIBULE_DOMAIN"]
BUSY_DOMAIN = os.environ["VESTIBULE_BUSY_DOMAIN"]
SECRET = os.environ["VESTIBULE_SECRET"]
with open(os.environ["VESTIBULE_EVENT"], encoding="utf-8") as file:
    EVENT = json.load(file)
USER = EVENT["user"]["user_id"]
# The client waits and tries again where it is told to; what it is told is what is looked at here.
ONCE = {"max_retries": 0}


def management(token=None, domain=DOMAIN):
    """The client, with a token or with what it gets one by."""
    if token is not None:
        return ManagementClient(domain=domain, token=token)
    return ManagementClient(domain=domain, client_id="platform", client_secret=SECRET)


def post(path, body, token=None):
    """What the client has no method for."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"https://{DOMAIN}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def get_token(secret=SECRET):
    return GetToken(DOMAIN, "platform", client_secret=secret).client_credentials(f"https://{DOMAIN}/api/v2/")


def token_for(scope):
    """A token that is good for less. The client can't ask for one."""
    body = {"grant_type": "client_credentials", "client_id": "platform", "client_secret": SECRET, "scope": scope}
    return post("/oauth/token", body)["access_token"]


class Management(unittest.TestCase):
    logins = 0

    @classmethod
    def setUpClass(cls):
        cls.token = get_token()["access_token"]
        cls.management = management()

    def login(self, **changes):
        """Logs the user in, and gives the session's id."""
        Management.logins += 1
        name = f"python_{os.getpid()}_{Management.logins}"
        event = {**EVENT, "session": {"id": f"sess_{name}"}, "transaction": {"id": f"txn_{name}"}, **changes}
        outcome = post("/v1/post-login", event, self.token)
        self.assertEqual(outcome["decision"], "allow", outcome)
        return event["session"]["id"]

    def test_a_token_comes_by_the_clients_own_credentials(self):
        granted = get_token()
        self.assertEqual((granted["token_type"], granted["expires_in"]), ("Bearer", 86_400))
        self.assertIn("read:sessions", granted["scope"].split(" "))
        with self.assertRaises(Auth0Error) as raised:
            get_token(secret="wrong")
        error = raised.exception
        self.assertEqual((error.status_code, error.error_code, error.message), (401, "access_denied", "Unauthorized"))

    def test_a_session_is_read_with_the_metadata_that_the_action_wrote(self):
        session = self.management.sessions.get(self.login())
        self.assertEqual(session.user_id, USER)
        self.assertEqual(session.session_metadata, {"org_id": "org_abc123", "org_name": "Acme Corp", "org_slug": "acme"})
        self.assertEqual([client.client_id for client in session.clients], [EVENT["client"]["client_id"]])
        self.assertEqual(session.device.last_ip, EVENT["request"]["ip"])
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertLessEqual(session.created_at, now)
        self.assertGreater(session.idle_expires_at, now)
        self.assertGreater(session.expires_at, session.idle_expires_at)

    def test_metadata_is_replaced_as_a_whole_and_cleared(self):
        id = self.login()
        changed = self.management.sessions.update(id, session_metadata={"tier": "gold"})
        self.assertEqual(changed.session_metadata, {"tier": "gold"})
        for nothing in ({}, None):
            self.management.sessions.update(id, session_metadata={"tier": "gold"})
            self.assertIsNone(self.management.sessions.update(id, session_metadata=nothing).session_metadata)
            self.assertIsNone(self.management.sessions.get(id).session_metadata)

    def test_a_session_that_was_deleted_or_revoked_is_gone(self):
        for end in (self.management.sessions.delete, self.management.sessions.revoke):
            id = self.login()
            end(id)
            with self.assertRaises(NotFoundError):
                self.management.sessions.get(id)

    def test_a_users_sessions_come_page_by_page_and_end_together(self):
        user = f"auth0|of_many_python_{os.getpid()}"
        ids = {self.login(user={**EVENT["user"], "user_id": user}) for _ in range(5)}
        pages = [[session.id for session in page.items] for page in self.management.users.sessions.list(user, take=2).iter_pages()]
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        self.assertEqual({id for page in pages for id in page}, ids)
        self.management.users.sessions.delete(user)
        self.assertEqual(list(self.management.users.sessions.list(user)), [])

    def test_the_log_is_read_page_by_page_and_entry_by_entry(self):
        id = self.login()
        page = self.management.logs.list(per_page=1)
        newest = page.items[0]
        self.assertEqual((newest.type, newest.session_id, newest.user_id), ("s", id, USER))
        self.assertEqual(self.management.logs.get(newest.log_id).model_dump(), newest.model_dump())
        later = self.login()
        first, second = self.management.logs.list(per_page=1), self.management.logs.list(page=1, per_page=1)
        self.assertEqual([first.items[0].session_id, second.items[0].session_id], [later, id])
        self.assertNotEqual(first.next_page().items[0].log_id, first.items[0].log_id)

    def test_each_error_is_the_clients_own_exception(self):
        id = self.login()
        many = {f"k{number}": "v" for number in range(26)}
        little = token_for("read:logs")
        sessions = self.management.sessions
        cases = [
            (lambda: sessions.update(id, session_metadata=many), BadRequestError, 400, "Bad Request", "invalid_body"),
            (lambda: sessions.delete("a b"), BadRequestError, 400, "Bad Request", "invalid_uri"),
            (lambda: self.management.logs.list(per_page=101), BadRequestError, 400, "Bad Request", "invalid_query_string"),
            (lambda: management("no.such.token").sessions.get(id), UnauthorizedError, 401, "Unauthorized", "invalid_token"),
            (lambda: management(little).sessions.get(id), ForbiddenError, 403, "Forbidden", "insufficient_scope"),
            (lambda: sessions.get("sess_unknown"), NotFoundError, 404, "Not Found", "inexistent_session"),
            (lambda: self.management.logs.get("log_00000000000000000000"), NotFoundError, 404, "Not Found", "inexistent_log"),
        ]
        for call, kind, status, words, code in cases:
            with self.subTest(code=code, kind=kind.__name__), self.assertRaises(kind) as raised:
                call()
            error = raised.exception
            self.assertIsInstance(error, ApiError)
            self.assertEqual((error.status_code, error.body["statusCode"]), (status, status))
            self.assertEqual((error.body["error"], error.body["errorCode"]), (words, code))
            self.assertTrue(error.body["message"])
            self.assertIn("x-request-id", error.headers)

    def test_too_many_requests_are_the_clients_own_exception(self):
        busy = management(domain=BUSY_DOMAIN)
        with self.assertRaises(TooManyRequestsError) as raised:
            for _ in range(5):
                try:
                    busy.sessions.get("sess_unknown", request_options=ONCE)
                except NotFoundError:
                    pass
        error = raised.exception
        self.assertEqual((error.status_code, error.body["errorCode"]), (429, "too_many_requests"))
        self.assertEqual((error.headers["x-ratelimit-limit"], error.headers["x-ratelimit-remaining"]), ("1", "0"))
        self.assertIn("x-ratelimit-reset", error.headers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
